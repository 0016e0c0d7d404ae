"""What the editor plugins made for Copilot say beside the protocol, so that they run with this
server in the place of theirs: copilot.lua, copilot.vim, copilot.el, blink-copilot.

They want whole lines: a range that begins at the line's start. None of their methods is answered
with an error, which they show to the user at each key. There is nobody to sign in, and nothing is
counted for anyone else. Their next edits are those of `next_edits`.
"""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from lsprotocol import types
from pygls.workspace import TextDocument

from budgetai_core import version
from budgetai_server.completion.text_edit import TextEdit
from budgetai_server.lsp import completion_requests, next_edits
from budgetai_server.lsp.completion_requests import ACCEPTED, Place, complete_at, place_of
from budgetai_server.lsp.language_server import BudgetAIServer
from budgetai_server.lsp.positions import between

SETTINGS = frozenset(
    {
        "authProvider", "copilotCapabilities", "copilotIntegrationId", "editorConfiguration",
        "editorInfo", "editorPluginInfo", "githubAppId", "networkProxy",
    }
)  # fmt: skip
"""What its clients send as initialization options. The first two that all send tell them apart."""

# What they call when something was taken or not; a client warns of a command that is not named.
_COMMANDS = (
    "github.copilot.finishDeviceFlow",
    "github.copilot.didAcceptCompletionItem",
    "github.copilot.didAcceptPanelCompletionItem",
)
_USER = {"status": "OK", "user": "local"}
_SIGNED_IN = {"status": "AlreadySignedIn", "user": "local"}
_ANSWERS: dict[str, Any] = {
    "checkStatus": _USER,
    "signIn": _SIGNED_IN,
    "signInInitiate": _SIGNED_IN,
    "signInConfirm": _USER,
    "signOut": _USER,
    "getVersion": {"version": version(), "buildType": "prod", "runtimeVersion": "python"},
    "setEditorInfo": "OK",
    "notifyShown": "OK",
    "notifyAccepted": "OK",
    "notifyRejected": "OK",
    "telemetry/exception": "OK",
    "getPanelCompletions": {"solutionCountTarget": 0},
    "textDocument/copilotPanelCompletion": {"items": []},
    "copilot/models": [],
}
_IGNORED = (
    "textDocument/didShowCompletion",
    "textDocument/didPartiallyAcceptCompletion",
    "textDocument/didShowInlineEdit",
)


@dataclass(frozen=True)
class _Whole:
    """An edit that begins at the start of its line, and what of it stands behind the cursor."""

    text: str
    range: types.Range
    behind: str


def is_client(settings: dict[str, Any]) -> bool:
    """Return whether initialization options are those of a plugin made for Copilot."""
    return "editorInfo" in settings or "editorPluginInfo" in settings


def register(server: BudgetAIServer) -> None:
    """Answer the methods that are Copilot's alone. They are in nobody else's way."""
    for method, answer in _ANSWERS.items():
        server.feature(method)(_answering(answer))
    for method in _IGNORED:
        server.feature(method)(_ignore)
    server.feature("textDocument/didFocus")(did_focus)
    server.feature("getCompletions")(get_completions)
    server.feature("getCompletionsCycling")(get_completions)


def register_commands(server: BudgetAIServer) -> None:
    """Name the commands that its plugins call. To others they are not named: VS Code would refuse a
    second program with commands of the same names."""
    for name in _COMMANDS:
        server.command(name)(_ignore_command)
    next_edits.register_copilot_commands(server)


def _answering(answer: Any) -> Any:
    return lambda params: answer


def _ignore(server: BudgetAIServer, params: Any) -> None:
    """Take note of what Copilot's makers would count."""


def _ignore_command(server: BudgetAIServer, *arguments: Any) -> None:
    """Take a command that says what became of a suggestion. The text of the document tells that."""


def did_focus(server: BudgetAIServer, params: Any) -> None:
    """Evaluate a document's context ahead: the user has gone there."""
    uri = getattr(getattr(params, "textDocument", None), "uri", None)
    if server.session and isinstance(uri, str) and unquote(uri) in server.workspace.text_documents:
        server.session.looked_at(server.workspace.get_text_document(uri))


async def get_completions(server: BudgetAIServer, params: Any) -> dict[str, Any]:
    """Complete as `textDocument/inlineCompletion` does, in the words of older plugins."""
    asked = getattr(params, "doc", None) or getattr(params, "textDocument", None)
    where = getattr(asked, "position", None) or getattr(params, "position", None)
    try:
        uri = str(asked.uri)  # type: ignore[union-attr]
        position = types.Position(int(where.line), int(where.character))  # type: ignore[union-attr]
    except (AttributeError, TypeError, ValueError):
        return {"completions": []}
    place = place_of(server, uri, position) if min(position.line, position.character) >= 0 else None
    edit = await newest(server, place) if place else None
    if place is None or edit is None:
        return {"completions": []}
    whole = _whole(place, edit)
    item = {
        "uuid": f"budgetai-{edit.number}",
        "text": whole.text,
        "displayText": whole.behind,
        "range": whole.range,
        "position": position,
        "docVersion": place.document.version,
    }
    return {"completions": [item]}


async def inline(
    server: BudgetAIServer, params: types.InlineCompletionParams
) -> types.InlineCompletionList:
    """Answer `textDocument/inlineCompletion`, and its plugins as they want it."""
    if not server.copilot:
        return await completion_requests.inline(server, params)
    place = place_of(server, params.text_document.uri, params.position)
    edit = await newest(server, place) if place else None
    if place is None or edit is None:
        return types.InlineCompletionList(items=[])
    whole = _whole(place, edit)
    # Without a command copilot.vim tells of an acceptance in part.
    command = types.Command("accepted", ACCEPTED, arguments=[edit.number])
    item = types.InlineCompletionItem(whole.text, range=whole.range, command=command)
    return types.InlineCompletionList(items=[item])


async def newest(server: BudgetAIServer, place: Place) -> TextEdit | None:
    """Return what to put in at a place; None, and at once, if a newer request comes meanwhile."""
    document = place.document
    here = (document.source, place.cursor)
    return await server.superseding.newest(document.uri, here, lambda: complete_at(server, place))


def _whole(place: Place, edit: TextEdit) -> _Whole:
    document, cursor = place.document, place.cursor
    begun = _line_start(document, cursor)
    whole = replace(edit, start=begun, text=document.source[begun : edit.start] + edit.text)
    shown_at = between(document, whole.start, whole.end)
    # They cut at \n, and a \r would stay in the line.
    text = whole.text.replace("\r\n", "\n")
    return _Whole(text, shown_at, text[cursor - begun :])


def _line_start(document: TextDocument, cursor: int) -> int:
    return max(document.source.rfind(mark, 0, cursor) for mark in "\r\n") + 1
