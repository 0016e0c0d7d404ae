"""From the first handshake to the shutdown: what the client says of itself and its workspace."""

from functools import partial
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.uris import to_fs_path

from budgetai_core.options import overridden
from budgetai_server.lsp import watched_files
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
    watched_files.watch(server)
    server.spawn(server.start_session())


def status(server: BudgetAIServer, _: Any) -> dict[str, Any]:
    return server.session.status() if server.session else {"state": "starting"}


def shutdown(server: BudgetAIServer, _: Any) -> None:
    if server.session:
        server.session.close()
