"""What a keystroke costs over the protocol: the cache, work ahead, what is stopped; remote servers.

Costs are counted in tokens and requests, never in seconds.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_server.cli.demo_editor import Editor, inline_params, position_after
from support.model_server import ModelServer
from support.serving import started

pytestmark = pytest.mark.usefixtures("measured_before")

BASE = resolve(EMBEDDED).path
SOURCE = "import math\n\n\ndef add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    "
URI = "file:///x.py"
LINES = 14
LONG = "".join(f"value_{n} = compute({n})\n" for n in range(LINES))


@pytest_asyncio.fixture
async def editor(tmp_path: Path) -> AsyncIterator[Editor]:
    async with started("--model", str(BASE)) as editor:
        await editor.open_workspace(tmp_path)
        yield editor


async def status(editor: Editor) -> Any:
    return await editor.protocol.send_request_async("budgetai/status", None)


async def idle(editor: Editor) -> Any:
    """The server's counts, once it does nothing any more."""
    async with asyncio.timeout(120):
        while (now := await status(editor)).busy:
            await asyncio.sleep(0.05)
    return now.usage


def type_in(editor: Editor, version: int, before: str, text: str) -> None:
    at = position_after(before)
    editor.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(uri=URI, version=version),
            [types.TextDocumentContentChangePartial(range=types.Range(at, at), text=text)],
        )
    )


@pytest.mark.asyncio
async def test_typing_along_asks_the_model_nothing(editor: Editor) -> None:
    editor.open(URI, SOURCE)
    assert await editor.inline(URI, position_after(SOURCE)) == ["return a - b"]
    before = await idle(editor)
    text = SOURCE
    for version, key in enumerate("return a -", 2):
        type_in(editor, version, text, key)
        text += key
        rest = ("return a - b").removeprefix(text[len(SOURCE) :])
        assert await editor.inline(URI, position_after(text)) == [rest]
    after = await idle(editor)
    assert after.cached - before.cached == len("return a -")
    assert after.evaluated_tokens == before.evaluated_tokens
    assert after.answer_tokens == before.answer_tokens


@pytest.mark.asyncio
async def test_after_an_accept_the_next_line_is_there(editor: Editor) -> None:
    editor.open(URI, SOURCE)
    (answer,) = await editor.inline(URI, position_after(SOURCE))
    before = await idle(editor)
    type_in(editor, 2, SOURCE, answer)
    assert await editor.inline(URI, position_after(SOURCE + answer))
    after = await idle(editor)
    assert after.cached == before.cached + 1
    assert after.answer_tokens == before.answer_tokens


@pytest.mark.asyncio
async def test_an_opened_file_and_a_moved_cursor_are_evaluated_ahead(editor: Editor) -> None:
    editor.open(URI, LONG + SOURCE)
    await idle(editor)
    at = position_after(LONG + SOURCE)
    editor.protocol.notify(
        "budgetai/cursor",
        {"textDocument": {"uri": URI}, "position": {"line": at.line, "character": at.character}},
    )
    before = await idle(editor)
    assert before.evaluated_tokens > 100
    assert before.requests == 0
    assert await editor.inline(URI, at) == ["return a - b"]
    after = await idle(editor)
    assert after.evaluated_tokens - before.evaluated_tokens <= 4


@pytest.mark.asyncio
async def test_of_many_opened_files_the_last_one_is_evaluated(editor: Editor) -> None:
    for number in range(6):
        editor.open(f"file:///{number}.py", f"# {number}\n" + LONG)
    several = (await idle(editor)).evaluated_tokens
    editor.open("file:///alone.py", "# alone\n" + LONG)
    one = (await idle(editor)).evaluated_tokens - several
    assert one > 40
    assert several < 4 * one


@pytest.mark.asyncio
async def test_a_typed_key_is_evaluated_before_it_is_asked_about(editor: Editor) -> None:
    editor.open(URI, LONG + SOURCE)
    await editor.inline(URI, position_after(LONG + SOURCE))
    type_in(editor, 2, LONG + SOURCE, "x = ")
    before = await idle(editor)
    assert await editor.inline(URI, position_after(LONG + SOURCE + "x = "))
    assert (await idle(editor)).evaluated_tokens - before.evaluated_tokens <= 1


@pytest.mark.asyncio
async def test_moving_a_few_lines_costs_a_few_lines(editor: Editor) -> None:
    lines = [f"after_{n} = result({n})\n" for n in range(12)]
    editor.open(URI, LONG + "\n\n" + lines[0] + "\n" + "".join(lines[1:]))
    await editor.inline(URI, types.Position(LINES, 0))
    before = await idle(editor)
    await editor.inline(URI, types.Position(LINES + 3, 0))
    quick = (await status(editor)).usage.evaluated_tokens - before.evaluated_tokens
    after = await idle(editor)
    # What was shown for the first place does for an answer; then the second is made ready.
    assert quick < 60 < after.evaluated_tokens - before.evaluated_tokens


@pytest.mark.asyncio
async def test_malformed_notes_of_the_cursor_are_ignored(editor: Editor) -> None:
    for params in ({}, {"textDocument": {"uri": URI}, "position": {"line": "x"}}, None):
        editor.protocol.notify("budgetai/cursor", params)
    editor.open(URI, SOURCE)
    assert await editor.inline(URI, position_after(SOURCE)) == ["return a - b"]


@pytest.mark.asyncio
async def test_a_cancelled_cold_request_leaves_the_model_idle(editor: Editor) -> None:
    editor.open(URI, LONG * 8)
    at = types.Position(8 * LINES, 0)
    request = editor.protocol.send_request_async(
        types.TEXT_DOCUMENT_INLINE_COMPLETION, inline_params(URI, at), msg_id="slow"
    )
    waiting = asyncio.ensure_future(request)
    await asyncio.sleep(0.1)
    editor.cancel_request(types.CancelParams(id="slow"))
    with pytest.raises(Exception, match="ancel"):
        await asyncio.wait_for(waiting, 30)
    usage = await idle(editor)
    assert usage.answer_tokens <= 1


@pytest.mark.asyncio
async def test_the_status_holds_no_code(editor: Editor) -> None:
    secret = "moonflower_parameter"
    editor.open(URI, f"{secret} = 1\n" + SOURCE)
    await editor.inline(URI, position_after(f"{secret} = 1\n" + SOURCE))
    now = await status(editor)
    assert now.state == "ready"
    assert secret not in str(now)
    assert now.usage.requests == 1


@pytest.mark.asyncio
async def test_a_server_elsewhere_answers_goes_down_and_comes_back(tmp_path: Path) -> None:
    server = ModelServer("llama", SOURCE + "return a - b\n")
    # Each key goes in before the last one.
    arguments = ("--endpoint", server.url, "--mid-line")
    async with started(*arguments) as editor:
        await editor.open_workspace(tmp_path)
        await editor.told("BudgetAI serves")
        editor.open(URI, SOURCE)
        assert await editor.inline(URI, position_after(SOURCE)) == ["return a - b"]
        server.faults["/completion"] = [lambda handler: handler.json({}, 500)] * 2
        for version, key in enumerate("xyz", 2):
            type_in(editor, version, SOURCE, key)
            assert await editor.inline(URI, position_after(SOURCE + key)) == []
        await editor.told("BudgetAI gives no completions")
        assert sum("no completions" in message for message in editor.messages) == 1
        assert server.url.removeprefix("http://") in editor.messages[-1]
        assert (await status(editor)).state == "error"
        async with asyncio.timeout(30):
            while not await editor.inline(URI, position_after(SOURCE)):
                type_in(editor, 9, SOURCE, "!")
                await asyncio.sleep(0.1)
    server.stop()


@pytest.mark.asyncio
async def test_an_unsafe_endpoint_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDGETAI_TOKEN", "very-secret-token")
    async with started("--endpoint", "http://gpu.example:8000") as editor:
        await editor.open_workspace(tmp_path)
        await editor.told("would travel unencrypted")
        assert "very-secret-token" not in str(editor.messages)


@pytest.mark.asyncio
async def test_a_workspace_cannot_name_a_server(tmp_path: Path) -> None:
    async with started("--model", str(BASE)) as editor:
        await editor.open_workspace(tmp_path, {"endpoint": "http://127.0.0.1:1"})
        await editor.told("'endpoint' is not one an editor can send")
        await editor.told("BudgetAI serves")
        editor.open(URI, SOURCE)
        assert await editor.inline(URI, position_after(SOURCE)) == ["return a - b"]
