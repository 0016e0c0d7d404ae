"""The language server: LSP requests in, completions out. All protocol types stay here.

stdout belongs to the protocol; logs go to stderr and hold no code.
"""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from budgetai_server import __version__
from budgetai_server.errors import BudgetAIError
from budgetai_server.options import ServerOptions, overridden
from budgetai_server.session import Document, Session, State

log = logging.getLogger(__name__)

_LABEL_LENGTH = 60


class BudgetAIServer(LanguageServer):
    """pygls' server with one session, made when the client has said where the workspace is."""

    def __init__(self, options: ServerOptions) -> None:
        super().__init__("budgetai-server", __version__)
        self.options = options
        self.session: Session | None = None
        self.complaints: list[str] = []
        self.told: State | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    def report_server_error(self, error: Exception, source: Any) -> None:
        """A malformed message is no reason to pop up a window at the user."""
        log.error("protocol error: %s in %s", type(error).__name__, getattr(source, "__name__", ""))

    def spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def forget_finished(self) -> None:
        """pygls keeps a future for every notification it has handled: 23 of the 34 MB that 5,000
        requests left behind. Those that are done have told whoever waited for them."""
        futures = self.protocol._request_futures
        for key in [key for key, future in futures.items() if future.done()]:
            del futures[key]

    def tell(self, message: str, kind: types.MessageType) -> None:
        self.window_show_message(types.ShowMessageParams(type=kind, message=message))


def make_server(options: ServerOptions) -> BudgetAIServer:
    """A server ready to `start_io`. `options` come from the command line and are trusted."""
    server = BudgetAIServer(options)
    server.feature(types.INITIALIZE)(_initialize)
    server.feature(types.INITIALIZED)(_initialized)
    server.feature(types.SHUTDOWN)(_shutdown)
    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(_did_open)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(_did_change)
    server.feature(types.TEXT_DOCUMENT_DID_SAVE)(_did_save)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(_did_close)
    # Without the options object pygls does not advertise the capability.
    server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())(_inline)
    server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions())(_completion)
    server.feature("budgetai/cursor")(_cursor_moved)
    server.feature("budgetai/status")(_status)
    return server


def _initialize(server: BudgetAIServer, params: types.InitializeParams) -> None:
    sent = params.initialization_options
    settings = sent if isinstance(sent, dict) else {}
    options, server.complaints = overridden(server.options, settings)
    trusted = options.model == server.options.model
    server.session = Session(options, _roots(params), trusted=trusted)
    # pygls makes documents in this one place, and offers no other way to give it our own.
    server.workspace._create_text_document = partial(  # type: ignore[method-assign]
        Document,
        sync_kind=types.TextDocumentSyncKind.Incremental,
        position_codec=server.workspace.position_codec,
    )


def _roots(params: types.InitializeParams) -> tuple[Path, ...]:
    """The folders of the workspace, the main one first."""
    uris = [folder.uri for folder in params.workspace_folders or []]
    uris += [params.root_uri] if params.root_uri else []
    paths = [path for uri in uris if (path := to_fs_path(uri))]
    paths += [params.root_path] if params.root_path else []
    return tuple(dict.fromkeys(Path(path) for path in paths))


async def _initialized(server: BudgetAIServer, _: types.InitializedParams) -> None:
    for complaint in server.complaints:
        server.tell(f"BudgetAI: {complaint}", types.MessageType.Warning)
    server.spawn(_start(server))


async def _start(server: BudgetAIServer) -> None:
    """Look for a model; tell the user what came of it, unless it is what they know already."""
    session = server.session
    assert session is not None
    await session.start()
    _report(server, session.state)
    await session.build_index()
    for document in list(server.workspace.text_documents.values())[-1:]:
        session.looked_at(document)


_KINDS = {"error": types.MessageType.Error, "no-model": types.MessageType.Warning}


def _report(server: BudgetAIServer, state: State) -> None:
    """Tell the user what the server can do, once for each time that it changes."""
    if state == server.told:
        return
    server.told = state
    if state.name in _KINDS:
        server.tell(state.message, _KINDS[state.name])
    else:
        server.window_log_message(
            types.LogMessageParams(type=types.MessageType.Info, message=state.message)
        )


def _shutdown(server: BudgetAIServer, _: Any) -> None:
    if server.session:
        server.session.close()


async def _did_open(server: BudgetAIServer, params: types.DidOpenTextDocumentParams) -> None:
    """pygls keeps the text. A model may have been made since the server found none."""
    if server.session and server.session.state.name == "no-model":
        server.spawn(_start(server))
    if server.session:
        server.session.looked_at(server.workspace.get_text_document(params.text_document.uri))


def _did_change(server: BudgetAIServer, params: types.DidChangeTextDocumentParams) -> None:
    server.forget_finished()
    if server.session:
        document = server.workspace.get_text_document(params.text_document.uri)
        server.session.changed(document, _cursor_after(document, params.content_changes))


def _cursor_after(
    document: TextDocument, changes: Sequence[types.TextDocumentContentChangeEvent]
) -> int | None:
    """Where the cursor stands after a change: behind what was put in. None where all of the text
    was replaced, which tells nothing."""
    last = changes[-1] if changes else None
    if not isinstance(last, types.TextDocumentContentChangePartial):
        return None
    return min(_offset(document, last.range.start) + len(last.text), len(document.source))


def _cursor_moved(server: BudgetAIServer, params: Any) -> None:
    """`budgetai/cursor`, with `textDocument` and `position`: for clients that know the protocol
    has no word for it."""
    try:
        uri = params.textDocument.uri
        position = types.Position(int(params.position.line), int(params.position.character))
    except (AttributeError, TypeError, ValueError):
        return
    if server.session and unquote(uri) in server.workspace.text_documents:
        document = server.workspace.get_text_document(uri)
        server.session.looked_at(document, _offset(document, position))


def _status(server: BudgetAIServer, _: Any) -> dict[str, Any]:
    return server.session.status() if server.session else {"state": "starting"}


async def _did_save(server: BudgetAIServer, params: types.DidSaveTextDocumentParams) -> None:
    if server.session:
        document = server.workspace.get_text_document(params.text_document.uri)
        await server.session.saved(document)


def _did_close(server: BudgetAIServer, params: types.DidCloseTextDocumentParams) -> None:
    if server.session:
        server.session.closed(params.text_document.uri)


async def _inline(
    server: BudgetAIServer, params: types.InlineCompletionParams
) -> types.InlineCompletionList:
    found = await _complete(server, params.text_document.uri, params.position)
    if not found:
        return types.InlineCompletionList(items=[])
    here = types.Range(start=params.position, end=params.position)
    return types.InlineCompletionList(
        items=[types.InlineCompletionItem(insert_text=found, range=here)]
    )


async def _completion(
    server: BudgetAIServer, params: types.CompletionParams
) -> types.CompletionList:
    found = await _complete(server, params.text_document.uri, params.position)
    if not found:
        return types.CompletionList(is_incomplete=True, items=[])
    here = types.Range(start=params.position, end=params.position)
    item = types.CompletionItem(
        label=_label(found),
        kind=types.CompletionItemKind.Snippet,
        detail="BudgetAI",
        documentation=found,
        text_edit=types.TextEdit(range=here, new_text=found),
        insert_text_format=types.InsertTextFormat.PlainText,
        # Editors filter by the word before the cursor, which the answer does not repeat.
        filter_text=_word_before(server, params) + found,
        sort_text="\uffff",
    )
    return types.CompletionList(is_incomplete=True, items=[item])


def _label(text: str) -> str:
    line = next((line.strip() for line in text.split("\n") if line.strip()), text)
    return line if len(line) <= _LABEL_LENGTH else line[: _LABEL_LENGTH - 1] + "…"


def _word_before(server: BudgetAIServer, params: types.CompletionParams) -> str:
    document = server.workspace.get_text_document(params.text_document.uri)
    end = _offset(document, params.position)
    start = end
    while start and (document.source[start - 1].isalnum() or document.source[start - 1] == "_"):
        start -= 1
    return document.source[start:end]


def _offset(document: TextDocument, position: types.Position) -> int:
    """The character offset of a position; the nearest one for a place that does not exist."""
    return min(document.offset_at_position(position), len(document.source))


async def _complete(server: BudgetAIServer, uri: str, position: types.Position) -> str:
    """The text to insert at a position, in the document's own line ends; empty for none."""
    # pygls keeps documents by the URI without its percent escapes.
    if server.session is None or unquote(uri) not in server.workspace.text_documents:
        return ""
    document = server.workspace.get_text_document(uri)
    line_end = "\r\n" if "\r\n" in document.source else "\n"
    try:
        found = await server.session.complete(document, _offset(document, position))
    except BudgetAIError as error:
        log.error("no completion: %s", error)
        return ""
    finally:
        _report(server, server.session.state)
    return found.text.replace("\n", line_end) if found else ""
