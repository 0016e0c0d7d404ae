"""Requests for a completion: ghost text at the cursor (`textDocument/inlineCompletion`), or one
item in the editor's list, below those of other servers (`textDocument/completion`).

Ghost text has no `filterText`: without one, editors take the text itself, and a range that begins
at the cursor leaves VS Code nothing to filter by; Neovim 0.12 does not look at it. An explicit
request is not different from one while typing, which older editors call explicit too.
"""

import logging
import re
from typing import NamedTuple
from urllib.parse import unquote

from lsprotocol import types
from pygls.workspace import TextDocument

from budgetai_core.context.languages import language_called, language_of
from budgetai_core.errors import BudgetAIError
from budgetai_server.completion.text_edit import TextEdit
from budgetai_server.lsp.language_server import BudgetAIServer
from budgetai_server.lsp.positions import between

log = logging.getLogger(__name__)

ACCEPTED = "budgetai.accepted"
_MAX_LABEL_CHARACTERS = 60
_FENCE = re.compile(r"`{3,}")
# Behind what is sorted by a name or a number.
_LAST = "~"


class Place(NamedTuple):
    """A place in an open document, as a character offset."""

    document: TextDocument
    cursor: int


async def inline(
    server: BudgetAIServer, params: types.InlineCompletionParams
) -> types.InlineCompletionList:
    place = place_of(server, params.text_document.uri, params.position)
    info = params.context.selected_completion_info
    selected = _selected(place, info) if place and info else None
    edit = await complete_at(server, place, selected) if place else None
    if place is None or edit is None:
        return types.InlineCompletionList(items=[])
    # VS Code wants the very range that it has sent, or it shows nothing.
    sent = info.range if selected and info else None
    shown_at = sent or between(place.document, edit.start, edit.end)
    # It cuts ghost text at each \n, and a \r would stay in the line.
    text = edit.text.replace("\r\n", "\n") if server.client == "Neovim" else edit.text
    item = types.InlineCompletionItem(text, range=shown_at, command=_command(edit))
    return types.InlineCompletionList(items=[item])


async def completion(
    server: BudgetAIServer, params: types.CompletionParams
) -> types.CompletionList:
    place = place_of(server, params.text_document.uri, params.position)
    edit = await complete_at(server, place) if place else None
    # Vim's own list keeps a line break as a NUL byte, whoever fills it. No capability tells.
    if place and edit and server.client.casefold().startswith("vim"):
        edit = first_line(place, edit)
    items = [list_item(place, edit, _item_support(server))] if place and edit else []
    return types.CompletionList(is_incomplete=True, items=items)


def accepted(server: BudgetAIServer, number: int) -> None:
    """Take the command that an editor runs when the user has taken a suggestion whole."""
    if server.session:
        server.session.accepted(number)


def _command(edit: TextEdit) -> types.Command | None:
    if not edit.number:
        return None
    return types.Command(title="accepted", command=ACCEPTED, arguments=[edit.number])


def place_of(server: BudgetAIServer, uri: str, position: types.Position) -> Place | None:
    """Return the place of a request; None for a document that is not open."""
    # pygls keeps documents by the URI without its percent escapes.
    if server.session is None or unquote(uri) not in server.workspace.text_documents:
        return None
    document = server.workspace.get_text_document(uri)
    return Place(document, document.offset_at_position(position))


def _selected(place: Place, info: types.SelectedCompletionInfo) -> TextEdit | None:
    """Return the item selected in the editor's list, if it is one for this place."""
    start, end = (
        place.document.offset_at_position(info.range.start),
        place.document.offset_at_position(info.range.end),
    )
    return TextEdit(start, end, info.text) if start <= place.cursor <= end else None


async def complete_at(
    server: BudgetAIServer, place: Place, selected: TextEdit | None = None
) -> TextEdit | None:
    """Return what to put in at a place; None where there is nothing to show."""
    session = server.session
    assert session is not None
    try:
        return await session.complete(place.document, place.cursor, selected)
    except BudgetAIError as error:
        log.error("no completion: %s", error)
        return None
    finally:
        if session is server.session:
            server.report(session.state)
        server.look_for_newer_model()


def first_line(place: Place, edit: TextEdit) -> TextEdit | None:
    """Return what an edit puts on the cursor's line; None where that is nothing. It has no number:
    who takes it has not taken the whole."""
    line, several, _ = edit.text.partition("\n")
    if not several:
        return edit
    replaced = place.document.source[place.cursor : edit.end]
    end = edit.end if replaced and replaced in line else place.cursor
    return TextEdit(edit.start, end, line.rstrip()) if line.strip() else None


def _item_support(server: BudgetAIServer) -> types.ClientCompletionItemOptions:
    """Return what the client says it understands of an item."""
    document = server.client_capabilities.text_document
    completion = document.completion if document else None
    return (completion and completion.completion_item) or types.ClientCompletionItemOptions()


def list_item(
    place: Place, edit: TextEdit, support: types.ClientCompletionItemOptions
) -> types.CompletionItem:
    """Make an item of a list. The word before the cursor is a part of it, as it is with other
    servers: editors filter, sort and highlight by it."""
    added, end = _leaving_closers(place, edit)
    start = _word_start(place.document.source, place.cursor)
    text = place.document.source[start : place.cursor] + added
    shown_at = between(place.document, start, end)
    more = text.count("\n")
    details = types.CompletionItemLabelDetails(
        detail=f" +{more} lines" if more else None, description="BudgetAI"
    )
    return types.CompletionItem(
        label=_label(text),
        label_details=details if support.label_details_support else None,
        # What is mere Text blink.cmp leaves out.
        kind=types.CompletionItemKind.Snippet,
        detail="BudgetAI",
        documentation=_documentation(place, text, support),
        text_edit=types.TextEdit(range=shown_at, new_text=text),
        # For clients that do not look at the edit, and would take the label, which is cut.
        insert_text=text,
        insert_text_format=types.InsertTextFormat.PlainText,
        insert_text_mode=_as_is(support),
        filter_text=text,
        sort_text=_LAST,
        command=_command(edit),
    )


def _leaving_closers(place: Place, edit: TextEdit) -> tuple[str, int]:
    """Return the text and where its range ends: at the cursor where what stands behind it can stay.
    Neovim's own list leaves that in, whatever the range, and would double it."""
    replaced = place.document.source[place.cursor : edit.end]
    text = edit.text.removesuffix(replaced)
    kept = len(text) + len(replaced) == len(edit.text)
    return (text, place.cursor) if kept and text else (edit.text, edit.end)


def _word_start(source: str, cursor: int) -> int:
    start = cursor
    while start and (source[start - 1].isalnum() or source[start - 1] == "_"):
        start -= 1
    return start


def _label(text: str) -> str:
    line = next((line.strip() for line in text.split("\n") if line.strip()), text)
    return line if len(line) <= _MAX_LABEL_CHARACTERS else line[: _MAX_LABEL_CHARACTERS - 1] + "…"


def _as_is(support: types.ClientCompletionItemOptions) -> types.InsertTextMode | None:
    """Ask for the text as it is: editors would add the line's indentation to it."""
    known = support.insert_text_mode_support
    mode = types.InsertTextMode.AsIs
    return mode if known and mode in known.value_set else None


def _documentation(
    place: Place, text: str, support: types.ClientCompletionItemOptions
) -> str | types.MarkupContent:
    if types.MarkupKind.Markdown not in (support.documentation_format or ()):
        return text
    fence = max(_FENCE.findall(text), key=len, default="``") + "`"
    language_id, path = place.document.language_id or "", place.document.path
    language = language_called(language_id) or language_of(path)
    name = next((name for name in language.ids if " " not in name), "") if language else ""
    value = f"{fence}{name}\n{text}\n{fence}"
    return types.MarkupContent(types.MarkupKind.Markdown, value)
