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
from budgetai_server.completion.text_edit import Suggestion
from budgetai_server.docstrings.generate import DocstringRequest, Offer
from budgetai_server.lsp import work_done
from budgetai_server.lsp.language_server import BudgetAIServer
from budgetai_server.lsp.positions import between, offset

log = logging.getLogger(__name__)

WRITE = "budgetai.writeDocstring"
ACTIONS = types.CodeActionOptions([types.CodeActionKind.RefactorRewrite])


def code_action(
    server: BudgetAIServer, params: types.CodeActionParams
) -> list[types.CodeAction] | None:
    """For what the cursor, or the beginning of the selection, stands in."""
    kind = types.CodeActionKind.RefactorRewrite
    asked = params.context.only
    document = _open_document(server, params.text_document.uri)
    unwanted = asked is not None and not any(_holds(one, kind) for one in asked)
    if document is None or server.session is None or unwanted or not can_edit(server):
        return None
    offered = server.session.offers(document, offset(document, params.range.start))
    return [
        types.CodeAction(title=one.title, kind=kind, command=_command(document, one))
        for one in offered
    ]


def code_lens(server: BudgetAIServer, params: types.CodeLensParams) -> list[types.CodeLens] | None:
    """Above what has no docstring, or one that says other than the code; not above whole files."""
    document = _open_document(server, params.text_document.uri)
    session = server.session
    if document is None or session is None or not session.shows_lenses or not can_edit(server):
        return None
    return [
        types.CodeLens(range=_line(document, one), command=_command(document, one))
        for one in session.offers(document)
        if one.subject.kind != "module"
    ]


def _holds(asked: types.CodeActionKind | str, kind: str) -> bool:
    """A kind holds those below it: `refactor` holds `refactor.rewrite`."""
    name = str(getattr(asked, "value", asked))
    return not name or kind == name or kind.startswith(f"{name}.")


def can_edit(server: BudgetAIServer) -> bool:
    """Whether the client puts in what the server sends."""
    workspace = server.client_capabilities.workspace
    return bool(workspace and workspace.apply_edit)


def _open_document(server: BudgetAIServer, uri: str) -> TextDocument | None:
    # pygls keeps documents by the URI without its percent escapes.
    known = unquote(uri) in server.workspace.text_documents
    return server.workspace.get_text_document(uri) if known else None


def _command(document: TextDocument, offered: Offer) -> types.Command:
    wish = DocstringRequest.of(offered.subject)
    arguments = [document.uri, wish.kind, wish.owner, wish.name, wish.start]
    return types.Command(title=offered.title, command=WRITE, arguments=arguments)


def _line(document: TextDocument, offered: Offer) -> types.Range:
    start = in_source(document.source, offered.subject.start)
    return between(document, start, start)


async def write_docstring(
    server: BudgetAIServer, uri: str, kind: str, owner: str, name: str, start: int
) -> None:
    """Write the docstring of a subject of an open document, and have the client put it in. If that
    is cancelled, nothing changes."""
    document = _open_document(server, uri)
    if document is None or server.session is None:
        return
    wish = DocstringRequest(kind, owner, name, start)
    work = asyncio.ensure_future(_write(server, document, wish))
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


async def _write(server: BudgetAIServer, document: TextDocument, wish: DocstringRequest) -> None:
    assert server.session is not None
    work = asyncio.current_task()
    assert work is not None
    title = f"BudgetAI: docstring of {wish.name}" if wish.name else "BudgetAI: docstring"
    async with work_done.stoppable(server, title, work.cancel) as tell:
        item = await server.session.write_docstring(document, wish, tell)
    # Until the edit is sent nothing else can change the document here.
    if _open_document(server, document.uri) is document:
        await _apply(server, document, item)


async def _apply(server: BudgetAIServer, document: TextDocument, item: Suggestion) -> None:
    change = types.TextEdit(between(document, item.start, item.end), item.text)
    edit = _edit(server, document, change)
    params = types.ApplyWorkspaceEditParams(edit=edit, label="Write docstring")
    answer = await server.workspace_apply_edit_async(params)
    if not answer.applied:
        server.tell("The editor did not take the docstring", types.MessageType.Warning)


def _edit(
    server: BudgetAIServer, document: TextDocument, change: types.TextEdit
) -> types.WorkspaceEdit:
    """With the document's version, where the client understands that."""
    workspace = server.client_capabilities.workspace
    takes = workspace.workspace_edit if workspace else None
    if not (takes and takes.document_changes):
        return types.WorkspaceEdit(changes={document.uri: [change]})
    versioned = types.OptionalVersionedTextDocumentIdentifier(document.uri, document.version)
    return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(versioned, [change])])
