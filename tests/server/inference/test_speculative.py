"""Drafts: what followed the same tokens before, and how much of it is worth checking."""

from hypothesis import given
from hypothesis import strategies as st

from budgetai_server.inference.speculative import (
    MAX_DRAFT_TOKENS,
    MAX_TABLE_TOKENS,
    Draft,
    Drafter,
    Lookup,
    Table,
)


def test_the_longest_agreement_is_found() -> None:
    table = Table([[1, 2, 3, 4, 50], [9, 1, 2, 3, 4, 60, 61]])
    assert table.after([9, 1, 2, 3, 4]) == (5, [60, 61])
    assert table.after([7, 7, 7]) == (0, [])
    assert table.after([1]) == (0, [])
    assert Table().after([1, 2, 3]) == (0, [])


def test_a_draft_does_not_go_on_into_the_next_file() -> None:
    assert Table([[1, 2, 3, 4], [5, 6, 7, 8]]).after([1, 2, 3]) == (3, [4])


def test_a_large_repository_is_cut() -> None:
    table = Table([list(range(10, MAX_TABLE_TOKENS + 8)), [1, 2, 3, 4, 5, 6], [7, 8, 9]])
    assert table.after([7, 8, 9]) == (0, [])


def test_the_newest_place_in_the_prompt_counts() -> None:
    lookup = Lookup([1, 2, 3, 40, 1, 2, 3, 50, 9])
    for token in (1, 2, 3):
        lookup.append(token)
    assert lookup.after() == (3, [50, 9, 1, 2, 3])


@given(st.lists(st.integers(0, 4), max_size=60))
def test_lookup_appends_as_if_built_at_once(tokens: list[int]) -> None:
    lookup = Lookup(tokens[:5])
    for token in tokens[5:]:
        lookup.append(token)
    length, draft = lookup.after()
    assert lookup.tokens == tokens
    assert len(draft) <= MAX_DRAFT_TOKENS
    if draft:
        assert any(
            tokens[end - length : end] == tokens[-length:]
            and tokens[end : end + len(draft)] == draft
            for end in range(length, len(tokens))
        )


def compute_bound(count: int) -> float:
    return 1.0 + 0.7 * (count - 1)


def test_a_doubtful_draft_is_not_checked_and_a_good_kind_is_learned() -> None:
    drafter = Drafter(compute_bound)
    lookup = Lookup([1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3])
    doubtful = drafter.propose(lookup, 15)
    assert doubtful.tokens[:2] == (4, 5)
    assert doubtful.length == 0
    for _ in range(60):
        drafter.note(doubtful, [4, 5, 6, 7])
    assert drafter.propose(lookup, 15).length > 3
    for _ in range(60):
        drafter.note(doubtful, [5])
    assert drafter.propose(lookup, 15).length == 0


def test_where_batches_are_free_drafts_are_long() -> None:
    drafter = Drafter(lambda count: 1.0)
    lookup = Lookup([*range(30), 0, 1, 2])
    assert drafter.propose(lookup, 15).length == MAX_DRAFT_TOKENS
    assert drafter.propose(lookup, 4).length == 4


def test_what_follows_a_wrong_token_tells_nothing() -> None:
    drafter = Drafter(compute_bound)
    kind = ("near", 3)
    drafter.note(Draft(kind, (1, 2, 3, 4), 4), [1, 9])
    before = drafter.acceptance(kind)
    drafter.note(Draft(kind, (), 0), [1])
    assert drafter.acceptance(kind) == before < 0.67
