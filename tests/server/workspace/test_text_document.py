"""The server's copy of a document stays what the editor has."""

import pytest
from lsprotocol import types
from pygls.workspace import PositionCodec

from budgetai_server.lsp.positions import between
from budgetai_server.workspace.text_document import Document

URI = "file:///a.py"
UTF_8, UTF_16 = types.PositionEncodingKind.Utf8, types.PositionEncodingKind.Utf16
# The protocol has no greater number.
FAR = 2**31 - 1


def document(text: str, units: types.PositionEncodingKind = UTF_16) -> Document:
    return Document(URI, text, position_codec=PositionCodec(units))


def changed(text: str, start: tuple[int, int], end: tuple[int, int], new: str) -> str:
    place = types.Range(types.Position(*start), types.Position(*end))
    opened = document(text)
    opened.apply_change(types.TextDocumentContentChangePartial(range=place, text=new))
    return opened.source


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("character", [2, 3, 4, 9, FAR])
def test_behind_a_lines_end_is_the_lines_end(line_end: str, character: int) -> None:
    at = 0, character
    assert changed(f"ab{line_end}cd", at, at, "X") == f"abX{line_end}cd"
    assert changed(f"ab{line_end}cd", (0, 1), at, "") == f"a{line_end}cd"
    at = 1, character
    assert changed(f"ab{line_end}cd", at, at, "X") == f"ab{line_end}cdX"
    assert changed(f"ab{line_end}cd", (0, 0), at, "X") == "X"


@pytest.mark.parametrize("text", ["", "a", "a\n", "a\r\nb", "a\r"])
@pytest.mark.parametrize("line", [2, 3, FAR])
def test_behind_the_last_line_is_the_end_of_the_text(text: str, line: int) -> None:
    assert changed(text, (line, 0), (line, 9), "X") == text + "X"
    assert changed(text, (0, 0), (line, 0), "X") == "X"


@pytest.mark.parametrize(("units", "start", "end"), [(UTF_8, 4, 8), (UTF_16, 2, 4)])
def test_units_are_those_agreed_on(units: types.PositionEncodingKind, start: int, end: int) -> None:
    opened = document("🎉🎊\nb\n", units)
    inside = types.Position(0, start), types.Position(0, end)
    assert [opened.offset_at_position(at) for at in inside] == [1, 2]
    assert between(opened, 1, 2) == types.Range(*inside)
    assert opened.offset_at_position(types.Position(0, end + 1)) == 2


@pytest.mark.parametrize("mark", ["\x0c", "\x0b", "\x1c", "\x85", "\u2028"])
def test_what_ends_a_line_for_python_alone_ends_none(mark: str) -> None:
    assert changed(f"a{mark}b\ncd", (1, 1), (1, 1), "X") == f"a{mark}b\ncXd"


def test_a_position_that_was_asked_for_is_left_as_it_was() -> None:
    at = types.Position(0, 9)
    assert document("ab\n").offset_at_position(at) == 2
    assert at == types.Position(0, 9)


def test_a_range_that_ends_before_its_start_takes_nothing_away() -> None:
    assert changed("abc\n", (0, 2), (0, 1), "X") == "abXc\n"


def test_an_edit_takes_no_line_apart_that_it_is_not_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replacing all in a file of 100,000 lines would take the server minutes."""

    def taken_apart(_: Document) -> tuple[str, ...]:
        raise AssertionError("all lines are taken apart")

    monkeypatch.setattr(Document, "lines", property(taken_apart))
    assert changed("a\r\nb\rc\nd", (2, 0), (2, 1), "X") == "a\r\nb\rX\nd"
