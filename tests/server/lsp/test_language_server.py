"""The real server process over stdio, with the real embedded model."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from budgetai_core.artifacts import layout
from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_server.cli import demo_editor
from budgetai_server.cli.demo_editor import Editor, inline_params, position_after
from budgetai_server.lsp import make_server
from budgetai_server.options import ServerOptions
from support.serving import started

pytestmark = pytest.mark.usefixtures("measured_before")

BASE = resolve(EMBEDDED).path
SOURCE = "import math\n\n\ndef add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    "


@pytest_asyncio.fixture
async def editor(tmp_path: Path) -> AsyncIterator[Editor]:
    async with started("--model", str(BASE)) as editor:
        await editor.open_workspace(tmp_path)
        yield editor


def popup(uri: str, position: types.Position) -> types.CompletionParams:
    return types.CompletionParams(types.TextDocumentIdentifier(uri), position)


def change(editor: Editor, uri: str, version: int, at: types.Position, text: str) -> None:
    editor.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(uri=uri, version=version),
            [types.TextDocumentContentChangePartial(range=types.Range(at, at), text=text)],
        )
    )


@pytest.mark.asyncio
async def test_it_advertises_and_completes(tmp_path: Path) -> None:
    """In a fresh interpreter: what libraries print while they are imported must not be seen."""
    async with demo_editor.started("--model", str(BASE), "--stdio") as editor:
        result = await editor.open_workspace(tmp_path)
        assert result.capabilities.inline_completion_provider
        assert result.capabilities.completion_provider
        sync = result.capabilities.text_document_sync
        assert isinstance(sync, types.TextDocumentSyncOptions)
        assert sync.change == types.TextDocumentSyncKind.Incremental
        assert BASE is not None
        assert editor.messages[0].startswith(f"BudgetAI serves {BASE.name}: reads ")
        editor.open("file:///x.py", SOURCE)
        assert await editor.inline("file:///x.py", position_after(SOURCE)) == ["return a - b"]


@pytest.mark.asyncio
async def test_a_server_that_was_told_to_end_has_not_failed(tmp_path: Path) -> None:
    async with started() as editor:
        await editor.open_workspace(tmp_path)
        process = editor._server
    assert process is not None
    assert await asyncio.wait_for(process.wait(), 20) == 0


@pytest.mark.asyncio
async def test_popup_and_inline_agree(editor: Editor) -> None:
    editor.open("file:///x.py", SOURCE)
    at = position_after(SOURCE)
    inline, menu = await asyncio.gather(
        editor.inline("file:///x.py", at),
        editor.text_document_completion_async(popup("file:///x.py", at)),
    )
    assert isinstance(menu, types.CompletionList)
    item = menu.items[0]
    assert isinstance(item.text_edit, types.TextEdit)
    assert [item.text_edit.new_text] == inline == ["return a - b"]
    assert item.text_edit.range == types.Range(at, at)


@pytest.mark.asyncio
async def test_typing_on_goes_on(editor: Editor) -> None:
    uri = "file:///x.py"
    editor.open(uri, SOURCE)
    text = SOURCE
    for version, key in enumerate("retu", 2):
        change(editor, uri, version, position_after(text), key)
        text += key
    assert await editor.inline(uri, position_after(text)) == ["rn a - b"]


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
async def test_emoji_before_the_cursor(tmp_path: Path, encoding: str) -> None:
    before = SOURCE + 'party = "🎉🎉é"; ret'
    async with started("--model", str(BASE)) as editor:
        result = await editor.open_workspace(tmp_path, encodings=(encoding,))
        assert result.capabilities.position_encoding == encoding
        editor.open("file:///x.py", before + "\n")
        line = before.rpartition("\n")[2]
        units = {"utf-16": len(line.encode("utf-16-le")) // 2, "utf-8": len(line.encode())}
        at = types.Position(before.count("\n"), units[encoding])
        assert await editor.inline("file:///x.py", at) == ["urn a - b"]


@pytest.mark.asyncio
async def test_crlf_documents_get_crlf(editor: Editor) -> None:
    text = SOURCE.rstrip().replace("\n", "\r\n")
    editor.open("file:///x.py", text)
    (offered,) = await editor.inline("file:///x.py", position_after(text.replace("\r\n", "\n")))
    assert offered == "\r\n    return a - b"


@pytest.mark.asyncio
async def test_a_cancelled_request_ends_and_the_next_is_answered(editor: Editor) -> None:
    uri = "file:///x.py"
    editor.open(uri, "".join(f"value_{n} = compute({n})\n" for n in range(200)) + SOURCE)
    at = types.Position(200 + SOURCE.count("\n"), 4)
    request = editor.protocol.send_request_async(
        types.TEXT_DOCUMENT_INLINE_COMPLETION, inline_params(uri, at), msg_id="slow"
    )
    waiting = asyncio.ensure_future(request)
    await asyncio.sleep(0.1)
    editor.cancel_request(types.CancelParams(id="slow"))
    with pytest.raises(JsonRpcException) as error:
        await asyncio.wait_for(waiting, 20)
    assert error.value.code == -32800
    assert await asyncio.wait_for(editor.inline(uri, at), 60) == ["return a - b"]


@pytest.mark.asyncio
async def test_a_change_during_a_request_makes_it_say_nothing(editor: Editor) -> None:
    uri = "file:///x.py"
    editor.open(uri, "".join(f"value_{n} = compute({n})\n" for n in range(200)) + SOURCE)
    at = types.Position(200 + SOURCE.count("\n"), 4)
    waiting = asyncio.ensure_future(editor.inline(uri, at))
    await asyncio.sleep(0.1)
    change(editor, uri, 2, at, "x")
    assert await asyncio.wait_for(waiting, 60) == []


@pytest.mark.asyncio
async def test_a_newer_request_wins(editor: Editor) -> None:
    uri = "file:///x.py"
    editor.open(uri, "".join(f"value_{n} = compute({n})\n" for n in range(200)) + SOURCE)
    at = types.Position(200 + SOURCE.count("\n"), 4)
    older = asyncio.ensure_future(editor.inline(uri, types.Position(100, 0)))
    await asyncio.sleep(0.05)
    assert await asyncio.wait_for(editor.inline(uri, at), 60) == ["return a - b"]
    assert await older == []


@pytest.mark.asyncio
async def test_a_line_of_two_megabytes(editor: Editor) -> None:
    text = "x = [" + "1, 22, 333, " * 170_000
    editor.open("file:///x.py", text)
    offered = await asyncio.wait_for(
        editor.inline("file:///x.py", types.Position(0, len(text))), 120
    )
    assert len(offered) <= 1


@pytest.mark.asyncio
async def test_places_that_do_not_exist(editor: Editor) -> None:
    editor.open("file:///x.py", "a = 1\n")
    for at in (types.Position(99, 0), types.Position(0, 99)):
        assert isinstance(await editor.inline("file:///x.py", at), list)
    assert await editor.inline("file:///never-opened.py", types.Position(0, 0)) == []


@pytest.mark.asyncio
async def test_file_names_with_escapes(editor: Editor) -> None:
    for uri in ("file:///my%20dir/x.py", "file:///c%3A/x.py", "file:///%5Bid%5D.py"):
        editor.open(uri, SOURCE)
        assert await editor.inline(uri, position_after(SOURCE)) == ["return a - b"]


@pytest.mark.asyncio
async def test_form_feeds_and_line_separators_end_no_line(editor: Editor) -> None:
    uri = "file:///x.py"
    text = 'a = "\u2028\x85"\n\x0c\n' + SOURCE
    editor.open(uri, text)
    at = position_after(text)
    change(editor, uri, 2, at, "ret")
    assert await editor.inline(uri, position_after(text + "ret")) == ["urn a - b"]


@pytest.mark.asyncio
async def test_behind_a_lines_end_is_the_lines_end(editor: Editor) -> None:
    uri = "file:///x.py"
    editor.open(uri, SOURCE)
    change(editor, uri, 2, types.Position(8, 2**31 - 1), "ret")
    at = position_after(SOURCE + "ret")
    params = inline_params(uri, types.Position(8, at.character + 1))
    answer = await editor.text_document_inline_completion_async(params)
    assert isinstance(answer, types.InlineCompletionList)
    assert [item.range for item in answer.items] == [types.Range(at, at)]


@pytest.mark.asyncio
async def test_an_empty_last_line_after_emoji(editor: Editor) -> None:
    editor.open("file:///x.py", 'x = "🎉🎉"\n')
    at = types.Position(1, 0)
    assert isinstance(await editor.inline("file:///x.py", at), list)
    await editor.text_document_completion_async(popup("file:///x.py", at))


@pytest.mark.asyncio
async def test_without_a_model_it_says_so_once(tmp_path: Path) -> None:
    async with started() as editor:
        await editor.open_workspace(tmp_path)
        editor.open("file:///x.py", SOURCE)
        for _ in range(3):
            assert await editor.inline("file:///x.py", position_after(SOURCE)) == []
        assert len(editor.messages) == 1
        assert "no model" in editor.messages[0]
        assert "budgetai-train" in editor.messages[0]


@pytest.mark.asyncio
async def test_a_model_made_later_is_found_when_a_file_is_opened(tmp_path: Path) -> None:
    assert BASE is not None
    async with started() as editor:
        await editor.open_workspace(tmp_path)
        assert "no model" in editor.messages[0]
        model = layout.new_model(tmp_path, "Q4_1")
        model.parent.mkdir(parents=True)
        model.symlink_to(BASE)
        editor.open("file:///x.py", SOURCE)
        await editor.told(f"serves {model.name}")
        assert await editor.inline("file:///x.py", position_after(SOURCE)) == ["return a - b"]


@pytest.mark.asyncio
async def test_a_model_planted_in_the_workspace_is_refused(tmp_path: Path) -> None:
    assert BASE is not None
    planted = tmp_path / "model.gguf"
    planted.symlink_to(BASE)
    inside = tmp_path / "copy.gguf"
    inside.write_bytes(BASE.read_bytes())
    for settings in (
        {"model": str(inside)},
        {"model": str(planted)},
        {"model": str(inside), "trustWorkspaceModel": True},
    ):
        async with started() as editor:
            await editor.open_workspace(tmp_path, settings)
            await editor.told("not trusted")


@pytest.mark.asyncio
async def test_a_broken_model_is_named(tmp_path: Path) -> None:
    assert BASE is not None
    text = tmp_path / "text.gguf"
    text.write_text("no model")
    short = tmp_path / "short.gguf"
    short.write_bytes(BASE.read_bytes()[:1_000_000])
    for model, words in ((text, "not a GGUF"), (short, "cannot load")):
        async with started("--model", str(model)) as editor:
            await editor.open_workspace(None)
            assert words in editor.messages[0]
            editor.open("file:///x.py", SOURCE)
            assert await editor.inline("file:///x.py", position_after(SOURCE)) == []


@pytest.mark.asyncio
async def test_bad_settings_are_told_and_ignored(tmp_path: Path) -> None:
    settings = {"answerTokens": "many", "colour": "blue", "multiline": "off"}
    async with started("--model", str(BASE)) as editor:
        await editor.open_workspace(tmp_path, settings)
        await editor.told("serves")
        editor.open("file:///x.py", SOURCE)
        assert await editor.inline("file:///x.py", position_after(SOURCE)) == ["return a - b"]
        told = json.dumps(editor.messages)
        assert "answerTokens" in told
        assert "colour" in told


@pytest.mark.asyncio
async def test_finished_notifications_are_forgotten() -> None:
    server = make_server(ServerOptions())
    loop = asyncio.get_running_loop()
    done: Any = loop.create_future()
    waiting: Any = loop.create_future()
    done.set_result(None)
    server.protocol._request_futures |= {"done": done, "waiting": waiting}
    server.forget_finished()
    assert server.protocol._request_futures == {"waiting": waiting}
