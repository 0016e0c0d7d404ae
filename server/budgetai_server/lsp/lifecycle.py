"""From the first handshake to the shutdown: what the client says of itself and its workspace."""

from functools import partial
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.uris import to_fs_path

from budgetai_core.options import overridden
from budgetai_server.lsp.language_server import BudgetAIServer
from budgetai_server.workspace.session import Document, Session


def initialize(server: BudgetAIServer, params: types.InitializeParams) -> None:
    sent = params.initialization_options
    settings = sent if isinstance(sent, dict) else {}
    options, server.complaints = overridden(server.options, settings)
    server.client = params.client_info.name if params.client_info else ""
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


async def initialized(server: BudgetAIServer, _: types.InitializedParams) -> None:
    for complaint in server.complaints:
        server.tell(f"BudgetAI: {complaint}", types.MessageType.Warning)
    _watch_files(server)
    server.spawn(server.start_session())


def _watch_files(server: BudgetAIServer) -> None:
    """Ask the client to tell of changed files, if it is one that can be asked."""
    workspace = server.client_capabilities.workspace
    watched = workspace.did_change_watched_files if workspace else None
    if not (watched and watched.dynamic_registration):
        return
    # All of them: a folder that goes or comes is told of by its own name alone.
    options = types.DidChangeWatchedFilesRegistrationOptions(
        [types.FileSystemWatcher(glob_pattern="**/*")]
    )
    registration = types.Registration(
        "budgetai-files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options
    )
    server.client_register_capability(types.RegistrationParams([registration]), lambda _: None)


def status(server: BudgetAIServer, _: Any) -> dict[str, Any]:
    return server.session.status() if server.session else {"state": "starting"}


def shutdown(server: BudgetAIServer, _: Any) -> None:
    if server.session:
        server.session.close()
