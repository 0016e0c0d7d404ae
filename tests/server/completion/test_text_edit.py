"""How suggestions meet editors: unit tests of the pure parts, then a real server over stdio."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_server.cli.demo_editor import Editor, position_after
from budgetai_server.completion.text_edit import (
    Suggestion,
    TextEdit,
    applied,
    from_cursor,
    from_suggestion,
)
from budgetai_server.lsp.completion_requests import Place, list_item
from budgetai_server.workspace.text_document import Document
from support.serving import started

pytestmark = pytest.mark.usefixtures("measured_before")

BASE = resolve(EMBEDDED).path
SOURCE = "import math\n\n\ndef add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    "
URI = "file:///x.py"


def result(source: str, edit: TextEdit) -> str:
    return applied(source, edit)[0]


def item_at(marked: str, text: str, replaces: int = 0) -> str | None:
    """The document with the item in it; ‸ marks the cursor."""
    source, cursor = marked.replace("‸", ""), marked.index("‸")
    item = from_suggestion(Suggestion(text, replaces=replaces), source, cursor, None)
    return result(source, item) if item else None


def test_items_replace_what_the_answer_says_again() -> None:
    assert item_at("f(‸)", "a, b)", 1) == "f(a, b)"
    assert item_at("f(‸)", "a, b") == "f(a, b)"
    assert item_at("f(‸)", "") is None


def test_items_have_the_line_ends_of_the_document() -> None:
    assert item_at("a = 1\r\n‸", "b\nc") == "a = 1\r\nb\r\nc"
    assert item_at("a = 1\n‸", "b\nc") == "a = 1\nb\nc"


def test_an_item_stays_on_its_line() -> None:
    assert item_at("f(‸)\nx", "a)\nx", 3) is None


def on_top(text: str, replaces: int = 0) -> TextEdit | None:
    """`print` is selected while `pr` stands there."""
    source, selected = "x = pr)", TextEdit(4, 6, "print(")
    return from_suggestion(Suggestion(text, replaces=replaces), source, 6, selected)


def test_an_item_on_top_of_the_selected_one() -> None:
    assert applied("x = pr)", TextEdit(4, 6, "print(")) == ("x = print()", 10)
    assert on_top("a") == TextEdit(4, 6, "print(a")
    assert on_top("a)", 1) == TextEdit(4, 6, "print(a"), "the bracket stays where it is"
    assert on_top("a);", 1) is None, "it cannot replace what is behind its range"
    assert on_top(")", 1) is None
    assert on_top("") is None


def test_what_a_selected_item_adds_at_the_cursor() -> None:
    assert from_cursor(TextEdit(4, 6, "print(a"), "x = pr)", 6) == Suggestion("int(a")
    assert from_cursor(TextEdit(4, 6, "sprint(a"), "x = pr)", 6) is None


@given(
    source=st.text(st.sampled_from(list("ab)\r\n🎉"))),
    text=st.text(st.sampled_from(list("ab)\n🎉"))),
    cursor=st.integers(0, 9),
    replaces=st.integers(0, 9),
    picked=st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9), st.text()),
)
def test_items_never_reach_out(
    source: str, text: str, cursor: int, replaces: int, picked: tuple[int, int, str] | None
) -> None:
    cursor = min(cursor, len(source))
    selected = None
    if picked:
        selected = TextEdit(
            min(picked[0], cursor), min(max(picked[1], cursor), len(source)), picked[2]
        )
    item = from_suggestion(Suggestion(text, replaces=replaces), source, cursor, selected)
    if item:
        assert 0 <= item.start <= cursor <= item.end <= len(source)
        assert not set("\r\n") & set(source[cursor : item.end]) or selected


def plain_document(text: str) -> Place:
    document = Document(URI, text, 1, "python")
    return Place(document, len(text))


def test_a_list_item_for_a_client_that_says_nothing_of_itself() -> None:
    place = plain_document("x = $1; co")
    fence = TextEdit(10, 10, "st(${a})\n`````")
    item = list_item(place, fence, types.ClientCompletionItemOptions())
    assert item.label == "cost(${a})"
    assert item.documentation == item.filter_text == "cost(${a})\n`````"
    assert item.insert_text_format == types.InsertTextFormat.PlainText
    assert item.label_details is None and item.insert_text_mode is None
    rich = list_item(place, fence, CLIENT)
    assert isinstance(rich.documentation, types.MarkupContent)
    assert rich.documentation.value == "``````python\ncost(${a})\n`````\n``````"
    assert rich.label_details == types.CompletionItemLabelDetails(" +1 lines", "BudgetAI")


@pytest.mark.parametrize(
    ("text", "put_in", "end"),
    [("a)", "a", 4), ("a) + 1", "a) + 1", 5), (")", ")", 5)],
)
def test_a_list_item_leaves_closers_where_they_are(text: str, put_in: str, end: int) -> None:
    place = plain_document("🎉f(")
    place.document._source = "🎉f()"
    item = list_item(place, TextEdit(3, 4, text), types.ClientCompletionItemOptions())
    where = types.Range(types.Position(0, 4), types.Position(0, end))
    assert item.text_edit == types.TextEdit(where, put_in)
    assert item.filter_text == put_in


CLIENT = types.ClientCompletionItemOptions(
    snippet_support=True,
    documentation_format=[types.MarkupKind.Markdown, types.MarkupKind.PlainText],
    insert_replace_support=True,
    insert_text_mode_support=types.ClientCompletionItemInsertTextModeOptions(
        value_set=[types.InsertTextMode.AsIs]
    ),
    label_details_support=True,
)


@asynccontextmanager
async def server(root: Path) -> AsyncIterator[Editor]:
    async with started("--model", str(BASE)) as editor:
        completion = types.CompletionClientCapabilities(completion_item=CLIENT)
        capabilities = types.ClientCapabilities(
            text_document=types.TextDocumentClientCapabilities(completion=completion)
        )
        params = types.InitializeParams(
            capabilities=capabilities,
            root_uri=root.as_uri(),
            initialization_options={"ignore": ["legacy/"]},
        )
        await editor.initialize_async(params)
        editor.initialized(types.InitializedParams())
        await asyncio.wait_for(editor.settled.wait(), 120)
        yield editor


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def editor(
    workspace: Path, speeds: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Editor]:
    """One server for all: it starts for a second. Tests use documents of their own."""
    home = tmp_path_factory.mktemp("home")
    shutil.copy(speeds, home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUDGETAI_HOME", str(home))
        async with server(workspace) as editor:
            yield editor


on_one_server = pytest.mark.asyncio(loop_scope="module")


async def status(editor: Editor) -> Any:
    return await editor.protocol.send_request_async("budgetai/status", {})


async def ghost(
    editor: Editor,
    uri: str,
    at: types.Position,
    selected: types.SelectedCompletionInfo | None = None,
) -> types.InlineCompletionItem | None:
    kind = types.InlineCompletionTriggerKind.Invoked
    answer = await editor.text_document_inline_completion_async(
        types.InlineCompletionParams(
            types.InlineCompletionContext(kind, selected), types.TextDocumentIdentifier(uri), at
        )
    )
    assert isinstance(answer, types.InlineCompletionList)
    return answer.items[0] if answer.items else None


async def listed(editor: Editor, uri: str, at: types.Position) -> types.CompletionItem:
    answer = await editor.text_document_completion_async(
        types.CompletionParams(types.TextDocumentIdentifier(uri), at)
    )
    assert isinstance(answer, types.CompletionList)
    return answer.items[0]


def put_in(editor: Editor, uri: str, at: types.Position, text: str) -> None:
    editor.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(uri=uri, version=2),
            [types.TextDocumentContentChangePartial(range=types.Range(at, at), text=text)],
        )
    )


def left_of(at: types.Position, units: int) -> types.Position:
    return types.Position(at.line, at.character - units)


@on_one_server
async def test_a_list_item_for_a_client_that_knows_much(editor: Editor) -> None:
    uri, text = "file:///list.py", SOURCE + 'party = "🎉🎉é"; ret'
    editor.open(uri, text)
    at = position_after(text)
    item = await listed(editor, uri, at)
    assert item.label == item.filter_text == "return a - b"
    assert item.text_edit == types.TextEdit(types.Range(left_of(at, 3), at), "return a - b")
    assert item.insert_text_format == types.InsertTextFormat.PlainText
    assert item.insert_text_mode == types.InsertTextMode.AsIs
    assert item.documentation == types.MarkupContent(
        types.MarkupKind.Markdown, "```python\nreturn a - b\n```"
    )
    assert item.label_details == types.CompletionItemLabelDetails(description="BudgetAI")
    assert item.detail == "BudgetAI"
    assert not item.preselect
    assert item.sort_text is not None
    assert max("zz", "zz.return", "99999", item.sort_text) == item.sort_text


@on_one_server
async def test_ghost_text_at_the_cursor(editor: Editor) -> None:
    uri, text = "file:///ghost.py", SOURCE + 'party = "🎉🎉é"; ret'
    editor.open(uri, text)
    at = position_after(text)
    item = await ghost(editor, uri, at)
    assert item and (item.insert_text, item.range) == ("urn a - b", types.Range(at, at))


@on_one_server
async def test_ghost_text_goes_on_from_the_selected_item(editor: Editor) -> None:
    uri, text = "file:///selected.py", SOURCE + "re"
    editor.open(uri, text)
    at = position_after(text)
    typed = types.Range(left_of(at, 2), at)
    item = await ghost(editor, uri, at, types.SelectedCompletionInfo(typed, "return"))
    assert item and (item.insert_text, item.range) == ("return a - b", typed)
    put_in(editor, uri, at, "t")
    at = position_after(text + "t")
    typed = types.Range(typed.start, at)
    again = await ghost(editor, uri, at, types.SelectedCompletionInfo(typed, "return"))
    assert again and (again.insert_text, again.range) == ("return a - b", typed)


@on_one_server
async def test_our_own_item_is_selected_in_the_list(editor: Editor) -> None:
    """It is what the ghost text says already: neither grows, however often they are asked."""
    uri, text = "file:///own.py", SOURCE + "re"
    editor.open(uri, text)
    at = position_after(text)
    typed = types.Range(left_of(at, 2), at)
    for _ in range(2):
        mine = await listed(editor, uri, at)
        assert isinstance(mine.text_edit, types.TextEdit)
        selected = types.SelectedCompletionInfo(typed, mine.text_edit.new_text)
        item = await ghost(editor, uri, at, selected)
        assert item and (item.insert_text, item.range) == ("return a - b", typed)


@on_one_server
async def test_a_list_that_opens_while_an_answer_is_said(editor: Editor) -> None:
    """The editor takes its first request back, and asks again with the list's item selected."""
    uri, text = "file:///opens.py", SOURCE
    editor.open(uri, text)
    for number, typed in enumerate("ret", 1):
        put_in(editor, uri, position_after(text), typed)
        text += typed
        at = position_after(text)
        context = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic)
        first = types.InlineCompletionParams(context, types.TextDocumentIdentifier(uri), at)
        request = editor.protocol.send_request_async(
            types.TEXT_DOCUMENT_INLINE_COMPLETION, first, msg_id=f"first {number}"
        )
        waiting = asyncio.ensure_future(request)
        await asyncio.sleep(0.01 * number)
        editor.cancel_request(types.CancelParams(id=f"first {number}"))
        range_ = types.Range(left_of(at, number), at)
        item = await ghost(editor, uri, at, types.SelectedCompletionInfo(range_, "return"))
        assert item and (item.insert_text, item.range) == ("return a - b", range_)
        await asyncio.gather(waiting, return_exceptions=True)


@on_one_server
async def test_the_rest_of_what_was_accepted_in_part(editor: Editor) -> None:
    uri = "file:///part.py"
    editor.open(uri, SOURCE)
    at = position_after(SOURCE)
    assert await ghost(editor, uri, at)
    before = await status(editor)
    put_in(editor, uri, at, "return")
    item = await ghost(editor, uri, position_after(SOURCE + "return"))
    assert item and item.insert_text == " a - b"
    put_in(editor, uri, position_after(SOURCE + "return"), " a - b")
    after = await status(editor)
    assert after.usage.cached == before.usage.cached + 1
    assert after.items.shown == before.items.shown
    assert after.items.accepted == before.items.accepted + 1


@on_one_server
async def test_the_command_of_an_item(editor: Editor) -> None:
    uri = "file:///command.py"
    editor.open(uri, SOURCE)
    item = await ghost(editor, uri, position_after(SOURCE))
    assert item and item.command
    before = await status(editor)
    command = item.command
    done = types.ExecuteCommandParams(command=command.command, arguments=command.arguments)
    await editor.workspace_execute_command_async(done)
    after = await status(editor)
    assert after.items.accepted == before.items.accepted + 1


@on_one_server
async def test_where_nothing_is_offered(editor: Editor, workspace: Path) -> None:
    locked = workspace / "locked.py"
    locked.write_text(SOURCE)
    locked.chmod(0o444)
    (workspace / "legacy").mkdir()
    cases = {
        "git:/x.py?ref=HEAD": ("scheme", SOURCE),
        (workspace / "legacy/x.py").as_uri(): ("ignored", SOURCE),
        (workspace / "secrets.json").as_uri(): ("ignored", SOURCE),
        locked.as_uri(): ("read_only", SOURCE),
        "file:///mid.py": ("mid_line", SOURCE + "‸ - b"),
        "file:///done.c": ("finished", "int x = 1;"),
    }
    for uri, (reason, marked) in cases.items():
        before = await status(editor)
        editor.open(uri, marked.replace("‸", ""))
        assert await ghost(editor, uri, position_after(marked.partition("‸")[0])) is None
        after = await status(editor)
        assert getattr(after.silent, reason) == getattr(before.silent, reason, 0) + 1, uri
