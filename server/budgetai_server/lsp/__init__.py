"""The language server: LSP requests in, completions and docstrings out. All protocol types stay
here.

stdout belongs to the protocol; logs go to stderr and hold no code.
"""

from lsprotocol import types

from budgetai_server.lsp import (
    completion,
    docstrings,
    documents,
    inline,
    lifecycle,
    request,
    watching,
)
from budgetai_server.lsp.server import BudgetAIServer
from budgetai_server.options import ServerOptions

__all__ = ["BudgetAIServer", "make_server"]


def make_server(options: ServerOptions) -> BudgetAIServer:
    """A server ready to `start_io`. `options` come from the command line and are trusted."""
    server = BudgetAIServer(options)
    server.feature(types.INITIALIZE)(lifecycle.initialize)
    server.feature(types.INITIALIZED)(lifecycle.initialized)
    server.feature(types.SHUTDOWN)(lifecycle.shutdown)
    server.feature("budgetai/status")(lifecycle.status)
    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(documents.did_open)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(documents.did_change)
    server.feature(types.TEXT_DOCUMENT_DID_SAVE)(documents.did_save)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(documents.did_close)
    server.feature("budgetai/cursor")(documents.cursor_moved)
    changed_files = watching.did_change_watched_files
    server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)(changed_files)
    # Without the options object pygls does not advertise the capability.
    inline_options = types.InlineCompletionOptions()
    server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, inline_options)(inline.inline)
    server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions())(completion.completion)
    server.feature(types.TEXT_DOCUMENT_CODE_ACTION, docstrings.ACTIONS)(docstrings.code_action)
    server.feature(types.TEXT_DOCUMENT_CODE_LENS)(docstrings.code_lens)
    server.command(request.ACCEPTED)(request.accepted)
    server.command(docstrings.WRITE)(docstrings.write_docstring)
    return server
