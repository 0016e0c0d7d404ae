"""Changes of documents as the edits of a person."""

import pytest

from budgetai_server.next_edit.edit_rules import LineEdit
from budgetai_server.next_edit.edit_session import (
    MAX_CHANGED_CHARACTERS,
    EditSession,
    Settled,
    edits_between,
)

TEXT = "a\nb\nc\nd\n"


@pytest.mark.parametrize(
    ("after", "edits"),
    [
        ("a\nB\nc\nd\n", [LineEdit("x", 1, ("b",), ("B",), "a", "c")]),
        ("a\nb\nnew\nc\nd\n", [LineEdit("x", 2, (), ("new",), "b", "c")]),
        ("a\nd\n", [LineEdit("x", 1, ("b", "c"), (), "a", "d")]),
        (
            "A\nb\nc\nD\n",
            [LineEdit("x", 0, ("a",), ("A",), "", "b"), LineEdit("x", 3, ("d",), ("D",), "c")],
        ),
        ("a\nb\nc\nd\ne", [LineEdit("x", 4, ("",), ("e",), "d", "")]),
        ("", [LineEdit("x", 0, ("a", "b", "c", "d"), (), "", "")]),
    ],
)
def test_edits_are_whole_lines_with_their_neighbours(after: str, edits: list[LineEdit]) -> None:
    assert list(edits_between("x", TEXT, after)) == edits


def test_the_keys_of_a_second_are_one_edit() -> None:
    session = EditSession()
    session.open("x", TEXT)
    for now in (0.0, 0.5, 0.9):
        session.touch("x", now)
    assert session.rests_in("x", 1.0) == pytest.approx(0.9)
    assert session.rests_in("x", 2.0) == 0
    assert len(session.settle("x", "a\nlonger\nc\nd\n").edits) == 1
    assert session.settle("x", "a\nlonger\nc\nd\n") == Settled()


def test_who_goes_back_has_undone() -> None:
    session = EditSession()
    session.open("x", TEXT)
    session.settle("x", "a\nB\nc\nd\n")
    session.settle("x", "a\nB\nC\nd\n")
    assert session.had("x", TEXT)
    assert session.settle("x", "a\nB\nc\nd\n") == Settled(back_to=1)
    assert session.settle("x", TEXT) == Settled(back_to=0)
    # And what is done again is an edit again.
    assert session.settle("x", "a\nB\nc\nd\n").edits


def test_what_is_pasted_or_formatted_is_no_edit() -> None:
    session = EditSession()
    session.open("x", TEXT)
    assert session.settle("x", TEXT + "more\n" * MAX_CHANGED_CHARACTERS) == Settled()


def test_many_keys_are_one_edit() -> None:
    session = EditSession()
    session.open("x", TEXT)
    for key in range(100_000):
        session.touch("x", key / 1000)
    assert session.touched == ("x",)
    assert session.rests_in("x", 100.0) == pytest.approx(0.999)
    (edit,) = session.settle("x", TEXT + "more\n").edits
    assert edit.new == ("more",)
    assert not session.touched
