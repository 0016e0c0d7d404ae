"""Which edit is proposed next."""

import pytest

from budgetai_server.next_edit.edit_rules import LineEdit
from budgetai_server.next_edit.edit_session import edits_between
from budgetai_server.next_edit.file_search import holding
from budgetai_server.next_edit.proposer import Documents, NextEdits, Proposal

CALLS = "".join(f"def f{n}():\n    value = fetch_page(url{n}, retries=3)\n\n\n" for n in range(6))


def after(text: str, *changes: tuple[str, str], **others: str) -> Proposal | None:
    """Make changes one by one, each at the first place there is, and ask."""
    next_edits = NextEdits(threshold=0.3)
    proposal = None
    line = 0
    for old, new in changes:
        changed = text.replace(old, new, 1)
        for edit in edits_between("a.py", text, changed):
            next_edits.record(edit, changed)
            line = edit.end
        text = changed
        documents = Documents({"a.py": text}, lambda t, near: holding(t, near, others.items()))
        proposal = next_edits.propose("a.py", line, documents)
    return proposal


def test_what_was_done_twice_is_proposed_a_third_time() -> None:
    proposal = after(CALLS, ("retries=3", "attempts=5"), ("retries=3", "attempts=5"))
    assert proposal
    assert proposal.old == ("    value = fetch_page(url2, retries=3)",)
    assert proposal.new == ("    value = fetch_page(url2, attempts=5)",)


def test_nothing_is_proposed_without_a_like_place() -> None:
    assert after("a = 1\nb = 2\n", ("a = 1", "a = 3")) is None


def test_it_goes_on_in_another_file() -> None:
    once = CALLS.split("\n\n\n")[0] + "\n"
    other = CALLS.replace("url", "address")
    two = once + "\n\n" + once.replace("f0", "f9")
    changes = [("fetch_page(url0, retries=3)", "load_page(url0, retries=3)")] * 2
    proposal = after(two, *changes, **{"b.py": other})
    assert proposal
    assert proposal.document == "b.py"
    assert proposal.new == ("    value = load_page(address0, retries=3)",)


def test_the_reverse_is_never_proposed() -> None:
    back = [("retries=3", "attempts=5"), ("retries=3", "attempts=5"), ("attempts=5", "retries=3")]
    proposal = after(CALLS, *back)
    assert proposal is None


def test_a_place_is_proposed_once() -> None:
    next_edits = NextEdits()
    text = CALLS
    shown = []
    for _ in range(2):
        changed = text.replace("retries=3", "attempts=5", 1)
        (edit,) = edits_between("a.py", text, changed)
        next_edits.record(edit, changed)
        text = changed
    for _ in range(3):
        if proposal := next_edits.propose("a.py", edit.end, Documents({"a.py": text})):
            shown.append(proposal.key)
    assert shown
    assert len(set(shown)) == len(shown)


@pytest.mark.parametrize("line", [0, 5, 10**6])
def test_broken_places_are_no_fault(line: int) -> None:
    next_edits = NextEdits()
    next_edits.record(
        LineEdit("a.py", line, ("fetch_page(a)",), ("load_page(a)",)), "\x00\ud800((("
    )
    next_edits.propose("a.py", line, Documents({"a.py": "fetch_page(\ud800\n" * 3}))
    next_edits.propose("gone.py", line, Documents({}))


def test_over_100_000_lines_the_document_comes_first() -> None:
    """Its time is in the benchmarks' results."""
    files = [(f"src/{n}.py", CALLS.replace("fetch", f"f{n}") * 42) for n in range(100)]
    next_edits = NextEdits()
    big = CALLS * 40
    documents = Documents({"a.py": big}, lambda text, near: holding(text, near, files))
    proposals = []
    for n in range(40):
        changed = big.replace("retries=3", f"attempts={'35'[n > 20]}", 1)
        for edit in edits_between("a.py", big, changed):
            next_edits.record(edit, changed)
            proposals.append(next_edits.propose("a.py", edit.end, documents))
        big = changed
        documents = Documents({"a.py": big}, documents.holding)
    # From the second one of each kind on.
    assert [bool(proposal) for proposal in proposals].count(True) > 30
    assert {proposal.document for proposal in proposals if proposal} == {"a.py"}


def test_long_lines_and_many_blanks_cost_little() -> None:
    """Minutes before, each time that the keys rested."""
    next_edits = NextEdits()
    long = "fetch_page(u)," * 80_000 + "\nstart_it()\n" + " " * 200_000 + "x\n"
    for n in range(2):
        for old, new in (
            (("fetch_page(a)",), ("load_page(a)",)),
            (("start_it()", "", "end_it()"), ()),
        ):
            next_edits.record(LineEdit("a.py", n, old, new), "\n" * 9)
    assert next_edits.propose("a.py", 0, Documents({"a.py": long})) is None
