"""The language server: LSP requests in, completions and docstrings out. All protocol types stay
here.

stdout belongs to the protocol; logs go to stderr and hold no code.
"""

from lsprotocol import types

from budgetai_server.lsp import (
    completion_requests,
    copilot,
    docstring_actions,
    lifecycle,
    next_edits,
    text_sync,
)
from budgetai_server.lsp.language_server import BudgetAIServer
from budgetai_server.options import ServerOptions

__all__ = ["BudgetAIServer", "make_server"]


def make_server(options: ServerOptions) -> BudgetAIServer:
    """Return a server ready to `start_io`. `options` come from the command line and are trusted."""
    server = BudgetAIServer(options)
    server.feature(types.INITIALIZE)(lifecycle.initialize)
    server.feature(types.INITIALIZED)(lifecycle.initialized)
    server.feature(types.SHUTDOWN)(lifecycle.shutdown)
    server.feature("budgetai/status")(lifecycle.status)
    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(text_sync.did_open)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(text_sync.did_change)
    server.feature(types.TEXT_DOCUMENT_DID_SAVE)(text_sync.did_save)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(text_sync.did_close)
    server.feature("budgetai/cursor")(text_sync.cursor_moved)
    server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)(text_sync.did_change_watched_files)
    server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(
        lifecycle.did_change_workspace_folders
    )
    # Without the options object pygls does not advertise the capability.
    inline_options = types.InlineCompletionOptions()
    server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, inline_options)(copilot.inline)
    copilot.register(server)
    next_edits.register(server)
    server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions())(
        completion_requests.completion
    )
    server.feature(types.TEXT_DOCUMENT_CODE_ACTION, docstring_actions.ACTIONS)(
        docstring_actions.code_action
    )
    server.feature(types.TEXT_DOCUMENT_CODE_LENS)(docstring_actions.code_lens)
    server.command(completion_requests.ACCEPTED)(completion_requests.accepted)
    server.command(docstring_actions.WRITE)(docstring_actions.write_docstring)
    return server
