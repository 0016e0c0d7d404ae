"""What the lists of Neovim make of an item: each puts it in in its own way, and all get one text.

nvim-cmp and blink.cmp were read for this, not run. Neovim's own list is driven in tests/editors.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.workspace import TextDocument

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_server.cli.demo_editor import Editor, inline_params
from budgetai_server.completion.text_edit import TextEdit
from budgetai_server.lsp.completion_requests import Place, first_line
from support.serving import started

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("measured_before")]

BASE = str(resolve(EMBEDDED).path)
URI = "file:///popup.py"
HEAD = "import math\n\n\ndef add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n"
PLACES = (
    "    ret‸",
    '    party = "🎉🎉é"; ret‸',
    "    return a - b\n\n\nprint(add(1, 2))\nprint(sub(‸))",
)
UNITS: dict[str, Callable[[str], int]] = {
    "utf-8": lambda text: len(text.encode()),
    "utf-16": lambda text: len(text.encode("utf-16-le")) // 2,
    "utf-32": len,
}

# (left of the cursor when it was asked, typed since, right of it, range, text) → the line
Popup = Callable[[str, str, str, tuple[int, int], str], str]


def nvim_cmp(before: str, typed: str, behind: str, where: tuple[int, int], text: str) -> str:
    """Takes back what was typed since, then the range."""
    line = before + behind
    return line[: where[0]] + text + line[max(where[1], len(before)) :]


def blink(before: str, typed: str, behind: str, where: tuple[int, int], text: str) -> str:
    """Moves the end of the range by what was typed since."""
    line = before + typed + behind
    return line[: where[0]] + text + line[where[1] + len(typed) :]


def to_cursor(before: str, typed: str, behind: str, where: tuple[int, int], text: str) -> str:
    """Versions of blink.cmp, and Neovim's own list: what is right of the cursor stays."""
    return before[: where[0]] + text + behind


@pytest.mark.parametrize("encoding", UNITS)
async def test_all_lists_put_in_the_same(tmp_path: Path, encoding: str) -> None:
    async with started("--model", BASE, "--min-confidence", "0") as editor:
        result = await editor.open_workspace(tmp_path, encodings=(encoding,))
        provider = result.capabilities.completion_provider
        assert provider and not provider.resolve_provider, "an item is whole as it is"
        for marked in PLACES:
            await _check(editor, marked, encoding)


async def test_vim_lsp_counts_code_points(tmp_path: Path) -> None:
    """It tells no units, and keeps none of those it is told."""
    async with started("--model", BASE, "--min-confidence", "0") as editor:
        await editor.open_workspace(tmp_path, encodings=(), client="vim-lsp")
        await _check(editor, PLACES[1], "utf-32")


async def _check(editor: Editor, marked: str, encoding: str) -> None:
    above, _, last = (HEAD + marked).rpartition("\n")
    before, behind = last.split("‸")
    editor.open(URI, above + "\n" + before + behind)
    at = types.Position(above.count("\n") + 1, UNITS[encoding](before))
    where, item = await _listed(editor, at, before + behind, encoding)
    want = await _grey(editor, at, before, behind)
    text = str(item.text_edit and item.text_edit.new_text)
    rest = text.removeprefix(before[where[0] :])
    assert len(rest) > 3
    for typed in (rest[:count] for count in (0, 1, 3)):
        # They filter by what stands between the range's start and the cursor.
        assert str(item.filter_text).startswith(before[where[0] :] + typed)
        for popup in (nvim_cmp, blink, to_cursor):
            assert popup(before, typed, behind, where, text) == want, popup.__name__
    editor.close(URI)


async def _listed(
    editor: Editor, at: types.Position, line: str, encoding: str
) -> tuple[tuple[int, int], types.CompletionItem]:
    """The one item, and its range in characters of the line."""
    params = types.CompletionParams(types.TextDocumentIdentifier(URI), at)
    answer = await editor.text_document_completion_async(params)
    assert isinstance(answer, types.CompletionList) and answer.is_incomplete
    (item,) = answer.items
    assert isinstance(item.text_edit, types.TextEdit)
    assert item.insert_text == item.text_edit.new_text
    assert item.insert_text_format == types.InsertTextFormat.PlainText
    units = [UNITS[encoding](line[:count]) for count in range(len(line) + 1)]
    edit_range = item.text_edit.range
    assert edit_range.start.line == edit_range.end.line == at.line
    return (units.index(edit_range.start.character), units.index(edit_range.end.character)), item


async def _grey(editor: Editor, at: types.Position, before: str, behind: str) -> str:
    """The line as it is with the grey text in it."""
    answer = await editor.text_document_inline_completion_async(inline_params(URI, at))
    assert isinstance(answer, types.InlineCompletionList)
    (item,) = answer.items
    assert item.range and item.range.start == at
    return before + str(item.insert_text) + behind[item.range.end.character - at.character :]


@pytest.mark.parametrize(
    ("source", "text", "end", "line", "behind"),
    [
        ("x = ‸", "call(\n    a,\n)", 0, "call(", 0),
        ("x = ‸", "call(\r\n    a,\r\n)", 0, "call(", 0),
        ("call(‸)", "a,\n    b)", 1, "a,", 0),
        ("call(‸)", "a)\nb", 1, "a)", 1),
        ("call(‸)", "a)", 1, "a)", 1),
        ("def f():‸", "\n    return a", 0, None, 0),
    ],
)
async def test_one_line_of_an_item(
    source: str, text: str, end: int, line: str | None, behind: int
) -> None:
    """What closes a bracket behind the cursor stays, unless the line closes it itself."""
    cursor = source.index("‸")
    document = TextDocument("file:///x.py", source.replace("‸", ""))
    place = Place(document, cursor)
    shown = first_line(place, TextEdit(cursor, cursor + end, text, 7))
    assert shown == (None if line is None else TextEdit(cursor, cursor + behind, line))


@pytest.mark.parametrize("client", ["vim-lsp", "Vim"])
async def test_lists_of_vim_get_one_line(tmp_path: Path, client: str) -> None:
    """They would keep a line break as a NUL byte."""
    source = HEAD + "    "
    async with started("--model", BASE, "--min-confidence", "0") as editor:
        await editor.open_workspace(tmp_path, client=client)
        editor.open(URI, source)
        position = types.Position(source.count("\n"), 4)
        asked = types.CompletionParams(types.TextDocumentIdentifier(URI), position)
        answer = await editor.text_document_completion_async(asked)
        assert isinstance(answer, types.CompletionList)
        edits = [item.text_edit for item in answer.items]
        assert all(edit and "\n" not in edit.new_text for edit in edits)
