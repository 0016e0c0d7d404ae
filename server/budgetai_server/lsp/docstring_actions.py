"""Docstrings on demand: what an editor offers, and the command that writes one.

A docstring is put in by the server itself, as one edit of the document's very version: an action
that had its edit ready would have to be said before anyone chooses it.
"""

import asyncio
import logging
from urllib.parse import unquote

from lsprotocol import types
from pygls.workspace import TextDocument

from budgetai_core.context.line_endings import in_source
from budgetai_core.errors import BudgetAIError
from budgetai_server.completion.text_edit import TextEdit
from budgetai_server.docstrings.generate import DocstringRequest, PendingDocstring
from budgetai_server.lsp import work_done
from budgetai_server.lsp.language_server import BudgetAIServer
from budgetai_server.lsp.positions import between

log = logging.getLogger(__name__)

WRITE = "budgetai.writeDocstring"
ACTIONS = types.CodeActionOptions([types.CodeActionKind.RefactorRewrite])


def code_action(
    server: BudgetAIServer, params: types.CodeActionParams
) -> list[types.CodeAction] | None:
    """Offer to write the docstring of what the cursor, or the beginning of the selection, stands
    in."""
    kind = types.CodeActionKind.RefactorRewrite
    only = params.context.only
    document = _open_document(server, params.text_document.uri)
    unwanted = only is not None and not any(_holds(wanted, kind) for wanted in only)
    if document is None or server.session is None or unwanted or not can_edit(server):
        return None
    pending_docstrings = server.session.pending_docstrings(
        document, document.offset_at_position(params.range.start)
    )
    return [
        types.CodeAction(title=pending.title, kind=kind, command=_command(document, pending))
        for pending in pending_docstrings
    ]


def code_lens(server: BudgetAIServer, params: types.CodeLensParams) -> list[types.CodeLens] | None:
    """Show a lens above what has no docstring, or one that says other than the code; not above
    whole files."""
    document = _open_document(server, params.text_document.uri)
    session = server.session
    if document is None or session is None or not session.shows_lenses or not can_edit(server):
        return None
    return [
        types.CodeLens(range=_line(document, pending), command=_command(document, pending))
        for pending in session.pending_docstrings(document)
        if pending.documentable.kind != "module"
    ]


def _holds(wanted: types.CodeActionKind | str, kind: str) -> bool:
    """Return whether a kind is, or holds, another: `refactor` holds `refactor.rewrite`."""
    name = str(getattr(wanted, "value", wanted))
    return not name or kind == name or kind.startswith(f"{name}.")


def can_edit(server: BudgetAIServer) -> bool:
    """Return whether the client puts in what the server sends."""
    workspace = server.client_capabilities.workspace
    return bool(workspace and workspace.apply_edit)


def _open_document(server: BudgetAIServer, uri: str) -> TextDocument | None:
    # pygls keeps documents by the URI without its percent escapes.
    known = unquote(uri) in server.workspace.text_documents
    return server.workspace.get_text_document(uri) if known else None


def _command(document: TextDocument, pending: PendingDocstring) -> types.Command:
    request = DocstringRequest.of(pending.documentable)
    arguments = [document.uri, request.kind, request.owner, request.name, request.start]
    return types.Command(title=pending.title, command=WRITE, arguments=arguments)


def _line(document: TextDocument, pending: PendingDocstring) -> types.Range:
    start = in_source(document.source, pending.documentable.start)
    return between(document, start, start)


async def write_docstring(
    server: BudgetAIServer, uri: str, kind: str, owner: str, name: str, start: int
) -> None:
    """Write the docstring of a definition of an open document, and have the client put it in. If
    that is cancelled, nothing changes."""
    document = _open_document(server, uri)
    if document is None or server.session is None:
        return
    request = DocstringRequest(kind, owner, name, start)
    work = asyncio.ensure_future(_write(server, document, request))
    server.when_cancelled(work.cancel)
    try:
        await asyncio.wait([work])
        if not work.cancelled():
            work.result()
    except BudgetAIError as error:
        log.error("no docstring: %s", type(error).__name__)
        server.tell(f"BudgetAI wrote no docstring: {error}", types.MessageType.Warning)
    finally:
        work.cancel()


async def _write(server: BudgetAIServer, document: TextDocument, request: DocstringRequest) -> None:
    assert server.session is not None
    work = asyncio.current_task()
    assert work is not None
    title = f"BudgetAI: docstring of {request.name}" if request.name else "BudgetAI: docstring"
    async with work_done.stoppable(server, title, work.cancel) as tell:
        edit = await server.session.write_docstring(document, request, tell)
    # Until the edit is sent nothing else can change the document here.
    if _open_document(server, document.uri) is document:
        await _apply(server, document, edit)


async def _apply(server: BudgetAIServer, document: TextDocument, edit: TextEdit) -> None:
    change = types.TextEdit(between(document, edit.start, edit.end), edit.text)
    params = types.ApplyWorkspaceEditParams(
        edit=_workspace_edit(server, document, change), label="Write docstring"
    )
    response = await server.workspace_apply_edit_async(params)
    if not response.applied:
        server.tell("The editor did not take the docstring", types.MessageType.Warning)


def _workspace_edit(
    server: BudgetAIServer, document: TextDocument, change: types.TextEdit
) -> types.WorkspaceEdit:
    """Return an edit with the document's version, where the client understands that."""
    workspace = server.client_capabilities.workspace
    support = workspace.workspace_edit if workspace else None
    if not (support and support.document_changes):
        return types.WorkspaceEdit(changes={document.uri: [change]})
    versioned = types.OptionalVersionedTextDocumentIdentifier(document.uri, document.version)
    return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(versioned, [change])])
