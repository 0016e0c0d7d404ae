"""A very small editor: it starts a language server over stdio and asks it for completions."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from budgetai_core.context.languages import language_of


class Editor(LanguageClient):
    """One workspace, documents by URI. `messages` holds what the server told the user."""

    def __init__(self) -> None:
        super().__init__("budgetai-demo-editor", "1")
        self.messages: list[str] = []
        self.settled = asyncio.Event()

        def note(params: Any) -> None:
            self.messages.append(params.message)
            self.settled.set()

        self.feature(types.WINDOW_SHOW_MESSAGE)(note)
        self.feature(types.WINDOW_LOG_MESSAGE)(note)
        # The same for a status bar, which this editor has not.
        self.feature("$/budgetai/state")(lambda _: None)

    async def server_exit(self, server: "asyncio.subprocess.Process") -> None:
        self.settled.set()

    async def open_workspace(
        self,
        root: Path | None,
        settings: dict[str, Any] | None = None,
        encodings: tuple[str, ...] = ("utf-16",),
        client: str = "budgetai-demo-editor",
    ) -> types.InitializeResult:
        """Shake hands; return when the server has said something: that it has a model, or
        that it has none."""
        general = types.GeneralClientCapabilities(position_encodings=list(encodings))
        result = await self.initialize_async(
            types.InitializeParams(
                capabilities=types.ClientCapabilities(general=general),
                client_info=types.ClientInfo(client),
                root_uri=root.as_uri() if root else None,
                initialization_options=settings,
            )
        )
        self.initialized(types.InitializedParams())
        await asyncio.wait_for(self.settled.wait(), 120)
        return result

    async def told(self, words: str) -> None:
        """Wait until the server has said something with these words in it."""
        async with asyncio.timeout(120):
            while not any(words in message for message in self.messages):
                await asyncio.sleep(0.02)

    def open(self, uri: str, text: str, language: str = "") -> None:
        """Open a document; without a `language`, that of its name."""
        known = language_of(uri)
        language = language or (known.name if known else "plaintext")
        self.text_document_did_open(
            types.DidOpenTextDocumentParams(
                types.TextDocumentItem(uri=uri, language_id=language, version=1, text=text)
            )
        )

    def close(self, uri: str) -> None:
        self.text_document_did_close(
            types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri))
        )

    async def inline(self, uri: str, position: types.Position) -> list[str]:
        """Return the texts the server offers at a position."""
        answer = await self.text_document_inline_completion_async(inline_params(uri, position))
        items = answer.items if isinstance(answer, types.InlineCompletionList) else answer or []
        return [str(item.insert_text) for item in items]


def inline_params(uri: str, position: types.Position) -> types.InlineCompletionParams:
    return types.InlineCompletionParams(
        context=types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
        text_document=types.TextDocumentIdentifier(uri),
        position=position,
    )


def position_after(before: str) -> types.Position:
    """Return the LSP position at the end of `before`, in UTF-16 units."""
    last_line = before.rpartition("\n")[2]
    return types.Position(before.count("\n"), len(last_line.encode("utf-16-le")) // 2)


@asynccontextmanager
async def started(
    *arguments: str, server: Sequence[str] = (sys.executable, "-P", "-m", "budgetai_server")
) -> AsyncIterator[Editor]:
    """Start an editor with its own server process, shut down at the end. `server` is the command
    that the arguments are given to."""
    editor = Editor()
    await editor.start_io(*server, *arguments)
    try:
        yield editor
    finally:
        # Without these two the server would wait for more, and stop() for the server.
        await asyncio.wait_for(editor.shutdown_async(None), 30)
        editor.exit(None)
        await editor.stop()  # type: ignore[no-untyped-call]
