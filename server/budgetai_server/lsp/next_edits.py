"""Requests for the next edit: `budgetai/nextEdit` for our own clients, and
`textDocument/copilotInlineEdit` for plugins made for Copilot, which take edits of the document
alone that they ask in.

An edit replaces whole lines and carries the version it was made for. Clients drop it for any other.
"""

from typing import Any
from urllib.parse import unquote

from lsprotocol import types
from pygls.workspace import TextDocument

from budgetai_core.context import line_endings
from budgetai_server.lsp.language_server import BudgetAIServer
from budgetai_server.lsp.positions import between
from budgetai_server.next_edit.proposer import Proposal
from budgetai_server.next_edit.service import ShownEdit

ACCEPTED, DISMISSED = "budgetai.nextEditAccepted", "budgetai.nextEditDismissed"
_COPILOT_ACCEPTED = "github.copilot.didAcceptNextEditSuggestionItem"
_COPILOT_DISMISSED = (
    "github.copilot.didRejectNextEditSuggestionItem",
    "github.copilot.didIgnoreNextEditSuggestionItem",
)


def register(server: BudgetAIServer) -> None:
    server.feature("budgetai/nextEdit")(next_edit)
    server.feature("textDocument/copilotInlineEdit")(copilot_inline_edit)
    server.command(ACCEPTED)(accepted)
    server.command(DISMISSED)(dismissed)


def register_copilot_commands(server: BudgetAIServer) -> None:
    """Name the commands of plugins made for Copilot, to them alone."""
    server.command(_COPILOT_ACCEPTED)(accepted)
    for name in _COPILOT_DISMISSED:
        server.command(name)(dismissed)


async def next_edit(server: BudgetAIServer, params: Any) -> dict[str, Any]:
    """Answer with an `edit` or null, the `old` lines that it is for, its `number`, and the commands
    that tell what became of it."""
    answer = await _edit(server, params, here=False)
    if answer is None:
        return {"edit": None}
    shown, edit = answer
    return {
        "edit": edit,
        "old": list(shown.proposal.old),
        "number": shown.number,
        "accepted": ACCEPTED,
        "dismissed": DISMISSED,
    }


async def copilot_inline_edit(server: BudgetAIServer, params: Any) -> dict[str, Any]:
    answer = await _edit(server, params, here=True)
    if answer is None:
        return {"edits": []}
    shown, edit = answer
    # They cut at \n, and a \r would stay in the line.
    edit["text"] = edit["text"].replace("\r\n", "\n")
    edit["command"] = types.Command("accepted", _COPILOT_ACCEPTED, arguments=[shown.number])
    return {"edits": [edit]}


def accepted(server: BudgetAIServer, *arguments: Any) -> None:
    """Take the command that says that an edit was taken."""
    if server.session and (number := _number(arguments)):
        server.session.edit_accepted(number)


def dismissed(server: BudgetAIServer, *arguments: Any) -> None:
    """Take the command that says that an edit is not wanted: it does not come again."""
    if server.session and (number := _number(arguments)):
        server.session.edit_dismissed(number)


def _number(arguments: tuple[Any, ...]) -> int | None:
    number = arguments[0] if arguments else None
    return number if isinstance(number, int) and not isinstance(number, bool) else None


async def _edit(
    server: BudgetAIServer, params: Any, *, here: bool
) -> tuple[ShownEdit, dict[str, Any]] | None:
    """Return what is shown and the edit for the document of a request, if it is still that of the
    request's version."""
    asked = getattr(params, "textDocument", None)
    uri, version = getattr(asked, "uri", None), getattr(asked, "version", None)
    if not isinstance(uri, str) or unquote(uri) not in server.workspace.text_documents:
        return None
    document = server.workspace.get_text_document(uri)
    version = document.version if version is None else version
    if server.session is None or document.version != version:
        return None
    result = await server.session.next_edit(document, here=here)
    if result is None or document.version != version:
        return None
    shown, target = result
    text, place = _whole_lines(target, shown.proposal)
    identifier = {"uri": uri if target is document else target.uri, "version": target.version}
    return shown, {"textDocument": identifier, "range": place, "text": text}


def _whole_lines(document: TextDocument, proposal: Proposal) -> tuple[str, types.Range]:
    """Return a proposal's text and its range: of whole lines, without the last line's end."""
    plain = line_endings.plain(document.source)
    lines = plain.split("\n")
    text = "\n".join(proposal.new)
    start = sum(len(line) + 1 for line in lines[: proposal.first])
    end = start + sum(len(line) + 1 for line in lines[proposal.first : proposal.last])
    if not proposal.new or proposal.first == proposal.last:
        # Lines that go take their ends along, lines that come bring theirs.
        text += "\n" if proposal.new else ""
        if end > len(plain):
            start, end = max(0, start - 1), len(plain)
            text = "\n" + text.removesuffix("\n") if proposal.new else ""
    else:
        end -= 1
    source = document.source
    at, until = (line_endings.in_source(source, place) for place in (start, end))
    return line_endings.like(source, text), between(document, at, until)
