"""Our server over stdio, in an editor that works like Neovim: incremental changes, inline requests.

It cancels what the next key makes useless. Counters come from the server's `budgetai/status`, read
before and after a request; without that method they are None.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from buffer import Buffer, Edit
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from side import Cost, Offer

from budgetai_core.errors import BudgetAIError
from budgetai_server.cli.demo_editor import Editor, inline_params
from budgetai_server.cli.demo_editor import started as editor_started

_STATUS = "budgetai/status"
_CURSOR = "budgetai/cursor"
_IDLE_WITHIN = 10.0
# A changed tree is in the index by then.
_REINDEXED = 2.0


@asynccontextmanager
async def started(
    model: Path, root: Path, *, threads: int, context: int, tells_jumps: bool = False
) -> AsyncIterator["Ours"]:
    """The real server process on the workspace `root`, which it may read."""
    arguments = ["--model", str(model), "--threads", str(threads), "--context-tokens", str(context)]
    async with editor_started(*arguments, "--log-level", "error") as editor:
        await editor.open_workspace(root)
        if not any("serves" in message for message in editor.messages):
            raise BudgetAIError("; ".join(editor.messages) or "the server has ended")
        yield Ours(editor, root, tells_jumps=tells_jumps)


async def status(editor: Editor) -> dict[str, Any] | None:
    """What the server says of itself; None if it does not know the question."""
    try:
        found = await editor.protocol.send_request_async(_STATUS, None)
    except JsonRpcException:
        return None
    return dict(_plain(found))


def _plain(value: Any) -> Any:
    """pygls gives answers to unknown methods as named tuples."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return value


async def cancellable_inline(editor: Editor, uri: str, position: types.Position) -> str:
    """The first text offered. Cancelling this sends `$/cancelRequest`."""
    number = str(uuid.uuid4())
    request = editor.protocol.send_request(
        types.TEXT_DOCUMENT_INLINE_COMPLETION, inline_params(uri, position), msg_id=number
    )
    # Shielded: pygls must find its future as it was when the cancelled one's answer comes.
    answered = asyncio.wrap_future(request)
    answered.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        answer = await asyncio.shield(answered)
    except asyncio.CancelledError:
        editor.cancel_request(types.CancelParams(id=number))
        raise
    except JsonRpcException:
        return ""
    items = answer.items if isinstance(answer, types.InlineCompletionList) else answer or []
    return next((_from_cursor(item, position) for item in items), "")


def _from_cursor(item: types.InlineCompletionItem, position: types.Position) -> str:
    """The item's text behind the cursor: it may begin with what stands before it."""
    text = str(item.insert_text)
    repeated = position.character - item.range.start.character if item.range else 0
    return text[repeated:]


class Ours:
    """The server as a side of the replay."""

    name = "BudgetAI"

    def __init__(self, editor: Editor, root: Path, *, tells_jumps: bool = False) -> None:
        self._editor = editor
        self._root = root
        self._tells_jumps = tells_jumps
        self._version = 1
        self._before: Cost | None = None
        self._opened: Buffer | None = None
        self._knows_status = True

    @property
    def pid(self) -> int:
        process = self._editor._server
        assert process is not None
        return process.pid

    async def enter(self, buffer: Buffer, *, first: bool) -> None:
        if first:
            self._editor.open(self._uri(buffer), buffer.text)

    async def reopen(self, buffer: Buffer, changed: set[str]) -> None:
        if self._opened:
            self.close(self._opened)
        events = [
            types.FileEvent((self._root / path).as_uri(), _kind(self._root / path))
            for path in sorted(changed)
        ]
        self._editor.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams(events))
        self._opened = buffer
        self._editor.open(self._uri(buffer), buffer.text)
        await asyncio.sleep(_REINDEXED)

    def jumped(self, buffer: Buffer) -> None:
        if self._tells_jumps:
            at = {"line": buffer.row, "character": buffer.utf16}
            moved = {"textDocument": {"uri": self._uri(buffer)}, "position": at}
            self._editor.protocol.notify(_CURSOR, moved)

    async def leave(self, buffer: Buffer) -> None:
        (self._root / buffer.path).write_text(buffer.text, encoding="utf-8")
        document = types.TextDocumentIdentifier(self._uri(buffer))
        self._editor.text_document_did_save(types.DidSaveTextDocumentParams(document))

    def insert_mode(self, on: bool) -> None:
        """The protocol has no word for it."""

    def edited(self, buffer: Buffer, edit: Edit) -> None:
        self._version += 1
        at = types.Position(edit.row, edit.utf16)
        change = types.TextDocumentContentChangePartial(range=types.Range(at, at), text=edit.text)
        document = types.VersionedTextDocumentIdentifier(
            uri=self._uri(buffer), version=self._version
        )
        self._editor.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    async def prepare(self) -> None:
        self._before = await self.total()

    async def ask(self, buffer: Buffer) -> Offer:
        at = types.Position(buffer.row, buffer.utf16)
        text = await cancellable_inline(self._editor, self._uri(buffer), at)
        return Offer(text, buffer.line[: buffer.column] + text.partition("\n")[0])

    async def cost(self) -> Cost:
        after = await self.total()
        return difference(after, self._before) if self._before else after

    async def total(self) -> Cost:
        found = await status(self._editor) if self._knows_status else None
        self._knows_status = found is not None
        return cost_of((found or {}).get("usage") or {})

    async def idle(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_IDLE_WITHIN):
                while await self.busy():
                    await asyncio.sleep(0.05)

    async def busy(self) -> bool | None:
        """None if the server does not say."""
        found = await status(self._editor) if self._knows_status else None
        self._knows_status = found is not None
        return bool(found["busy"]) if found and "busy" in found else None

    def close(self, buffer: Buffer) -> None:
        self._editor.close(self._uri(buffer))

    def _uri(self, buffer: Buffer) -> str:
        return (self._root / buffer.path).as_uri()


def _kind(path: Path) -> types.FileChangeType:
    return types.FileChangeType.Changed if path.exists() else types.FileChangeType.Deleted


def cost_of(usage: dict[str, Any]) -> Cost:
    """The server's totals since it started."""
    own = usage.get("own_seconds")
    return Cost(
        cached=usage.get("cached"),
        prompt_tokens=usage.get("prompt_tokens"),
        evaluated=usage.get("evaluated_tokens"),
        answer_tokens=usage.get("answer_tokens"),
        answer_seconds=usage.get("answer_seconds"),
        own_ms=own * 1000 if own is not None else None,
        drafted_tokens=usage.get("drafted"),
        accepted_tokens=usage.get("accepted"),
    )


def difference(after: Cost, before: Cost) -> Cost:
    pairs = {name: (value, getattr(before, name)) for name, value in vars(after).items()}
    known = {name: a - b for name, (a, b) in pairs.items() if a is not None and b is not None}
    return Cost(**known)
