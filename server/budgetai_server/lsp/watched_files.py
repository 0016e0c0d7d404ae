"""Files that change outside of the editor's documents, as the client sees them."""

from lsprotocol import types
from pygls.uris import to_fs_path

from budgetai_server.lsp.language_server import BudgetAIServer

_METHOD = types.WORKSPACE_DID_CHANGE_WATCHED_FILES


def watch(server: BudgetAIServer) -> None:
    """Ask the client to tell of changed files, if it is one that can be asked."""
    workspace = server.client_capabilities.workspace
    watched = workspace.did_change_watched_files if workspace else None
    if not (watched and watched.dynamic_registration):
        return
    # All of them: a folder that goes or comes is told of by its own name alone.
    options = types.DidChangeWatchedFilesRegistrationOptions(
        [types.FileSystemWatcher(glob_pattern="**/*")]
    )
    registration = types.Registration("budgetai-files", _METHOD, options)
    server.client_register_capability(types.RegistrationParams([registration]), lambda _: None)


def did_change_watched_files(
    server: BudgetAIServer, params: types.DidChangeWatchedFilesParams
) -> None:
    if server.session:
        paths = (to_fs_path(change.uri) for change in params.changes)
        server.session.files_changed(path for path in paths if path)
