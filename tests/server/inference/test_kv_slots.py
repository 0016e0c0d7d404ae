"""Which sequence a prompt is evaluated in."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from budgetai_core.context.common_prefix import common_length
from budgetai_server.inference.kv_slots import KVSlots, splice


def held(*prompts: list[int], count: int = 2) -> KVSlots:
    sequences = KVSlots(count)
    for prompt in prompts:
        taken, _ = sequences.take(prompt)
        taken.tokens = list(prompt)
    return sequences


A = list(range(100))
B = list(range(500, 600))


def test_typing_on_stays_in_its_sequence() -> None:
    sequences = held(A)
    taken, source = sequences.take([*A, 7, 8])
    assert (taken.number, taken.tokens, source) == (0, A, None)


def test_another_file_gets_another_sequence_and_the_first_stays() -> None:
    sequences = held(A, B)
    assert [one.tokens for one in sequences.all] == [A, B]
    assert sequences.take([*A, 1])[0].tokens == A
    assert sequences.take([*B, 1])[0].tokens == B


def test_the_least_recently_used_makes_way() -> None:
    sequences = held(A, B, [*A, 1])
    assert sequences.take(list(range(900, 990)))[0].tokens == B


def test_a_shared_beginning_is_copied_from_the_other_place() -> None:
    other = A[:40] + B
    sequences = held(A)
    taken, source = sequences.take(other)
    assert taken.tokens == []
    assert source is not None
    assert source.tokens == A


def test_a_few_shared_tokens_are_not_worth_a_copy() -> None:
    assert held(A).take(A[:5] + B)[1] is None


def test_marks_behind_a_cut_are_dropped_and_few_are_kept() -> None:
    one = held(A).all[0]
    for length in range(50, 60):
        del one.tokens[length:]
        one.tokens += A[len(one.tokens) : length]
        one.mark(np.zeros(3, np.float32))
    assert len(one.marks) == 2
    one.cut(58)
    assert set(one.marks) == {58}


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_common_length_agrees_with_looking_at_each(a: list[int], b: list[int]) -> None:
    common = common_length(a, b)
    assert a[:common] == b[:common]
    assert common == min(len(a), len(b)) or a[common] != b[common]


def test_lines_taken_out_of_the_middle() -> None:
    held_tokens = [*A, *B]
    assert splice(held_tokens, [*A[:40], *A[60:], *B]) == (40, 20, 0)
    assert splice(held_tokens, [*A[:40], 7, 8, *A[60:], *B]) == (40, 20, 2)
    assert splice(held_tokens, [*A[:40], *B[::-1]]) is None
    assert splice([], A) is None


def test_an_exact_prompt_does_not_use_what_has_been_spliced() -> None:
    sequences = held(A)
    sequences.all[0].exact = 40
    assert sequences.take(A)[0].number == 0
    taken, source = sequences.take(A, exact=True)
    assert taken.number == 1
    assert source is sequences.all[0]
    sequences.all[0].cut(40)
    assert not sequences.all[0].spliced
