"""What happens to documents: opened, changed, looked at, saved, closed; and to the other files of
the workspace. pygls keeps the text."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from lsprotocol import types
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from budgetai_server.lsp.language_server import BudgetAIServer

# Editors put the closer in behind the opener.
_PAIRS = {"()", "[]", "{}", "<>", '""', "''", "``"}


async def did_open(server: BudgetAIServer, params: types.DidOpenTextDocumentParams) -> None:
    """Take a document up, and look for a model if there was none before."""
    _start_with_model(server)
    if server.session:
        document = server.workspace.get_text_document(params.text_document.uri)
        server.session.follow(document)
        server.session.looked_at(document)


def _start_with_model(server: BudgetAIServer) -> None:
    if server.session and server.session.state.name == "no-model":
        server.spawn(server.start_session())


def did_change(server: BudgetAIServer, params: types.DidChangeTextDocumentParams) -> None:
    server.forget_finished()
    if server.session:
        document = server.workspace.get_text_document(params.text_document.uri)
        server.session.follow(document)
        server.session.changed(document, cursor_after(document, params.content_changes))


def cursor_after(
    document: TextDocument, changes: Sequence[types.TextDocumentContentChangeEvent]
) -> int | None:
    """Return where the cursor stands after a change: behind what was put in, or between the two
    halves of a pair that the editor has completed. None where all of the text was replaced, which
    tells nothing."""
    last = changes[-1] if changes else None
    if not isinstance(last, types.TextDocumentContentChangePartial):
        return None
    typed = 1 if last.text in _PAIRS else len(last.text)
    return min(document.offset_at_position(last.range.start) + typed, len(document.source))


def cursor_moved(server: BudgetAIServer, params: Any) -> None:
    """Take `budgetai/cursor`, with `textDocument` and `position`: for clients that know the
    protocol has no word for it."""
    try:
        uri = params.textDocument.uri
        position = types.Position(int(params.position.line), int(params.position.character))
    except (AttributeError, TypeError, ValueError):
        return
    if server.session and unquote(uri) in server.workspace.text_documents:
        document = server.workspace.get_text_document(uri)
        server.session.looked_at(document, document.offset_at_position(position))


async def did_save(server: BudgetAIServer, params: types.DidSaveTextDocumentParams) -> None:
    """Take up a saved file, and look for a model if there was none before, or a newer one."""
    document = server.workspace.get_text_document(params.text_document.uri)
    _start_with_model(server)
    for session in server.sessions:
        session.saved(document)
    server.look_for_newer_model()


def did_close(server: BudgetAIServer, params: types.DidCloseTextDocumentParams) -> None:
    if server.session:
        server.session.closed(params.text_document.uri)


def did_change_watched_files(
    server: BudgetAIServer, params: types.DidChangeWatchedFilesParams
) -> None:
    paths = [path for change in params.changes if (path := to_fs_path(change.uri))]
    for session in server.sessions:
        session.files_changed(paths)
