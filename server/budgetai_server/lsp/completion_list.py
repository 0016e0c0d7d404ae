"""`textDocument/completion`: one item in the editor's list, below those of other servers."""

import re

from lsprotocol import types

from budgetai_core.context.languages import language_of
from budgetai_server.completion.text_edit import Suggestion
from budgetai_server.lsp.completion_request import Place, command_of, complete, place_of
from budgetai_server.lsp.language_server import BudgetAIServer
from budgetai_server.lsp.positions import around

_LABEL_LENGTH = 60
_FENCE = re.compile(r"`{3,}")
# Behind what is sorted by a name or a number.
_LAST = "~"


async def completion(
    server: BudgetAIServer, params: types.CompletionParams
) -> types.CompletionList:
    place = place_of(server, params.text_document.uri, params.position)
    found = await complete(server, place) if place else None
    items = [list_item(place, found, _takes(server))] if place and found else []
    return types.CompletionList(is_incomplete=True, items=items)


def _takes(server: BudgetAIServer) -> types.ClientCompletionItemOptions:
    """What the client says it understands of an item."""
    document = server.client_capabilities.text_document
    asked = document.completion if document else None
    return (asked.completion_item if asked else None) or types.ClientCompletionItemOptions()


def list_item(
    place: Place, found: Suggestion, takes: types.ClientCompletionItemOptions
) -> types.CompletionItem:
    """The word before the cursor is a part of the item, as it is with other servers: editors
    filter, sort and highlight by it."""
    added, end = _leaving_closers(place, found)
    start = _word_start(place.document.source, place.cursor)
    text = place.document.source[start : place.cursor] + added
    where = around(place.document, place.position, place.cursor, start, end)
    more = text.count("\n")
    details = types.CompletionItemLabelDetails(
        detail=f" +{more} lines" if more else None, description="BudgetAI"
    )
    return types.CompletionItem(
        label=_label(text),
        label_details=details if takes.label_details_support else None,
        # What is mere Text blink.cmp leaves out.
        kind=types.CompletionItemKind.Snippet,
        detail="BudgetAI",
        documentation=_documentation(place, text, takes),
        text_edit=types.TextEdit(range=where, new_text=text),
        insert_text_format=types.InsertTextFormat.PlainText,
        insert_text_mode=_as_is(takes),
        filter_text=text,
        sort_text=_LAST,
        command=command_of(found),
    )


def _leaving_closers(place: Place, found: Suggestion) -> tuple[str, int]:
    """The text and where its range ends: at the cursor where what stands behind it can stay.
    Neovim's own list leaves that in, whatever the range, and would double it."""
    replaced = place.document.source[place.cursor : found.end]
    text = found.text.removesuffix(replaced)
    kept = len(text) + len(replaced) == len(found.text)
    return (text, place.cursor) if kept and text else (found.text, found.end)


def _word_start(source: str, cursor: int) -> int:
    start = cursor
    while start and (source[start - 1].isalnum() or source[start - 1] == "_"):
        start -= 1
    return start


def _label(text: str) -> str:
    line = next((line.strip() for line in text.split("\n") if line.strip()), text)
    return line if len(line) <= _LABEL_LENGTH else line[: _LABEL_LENGTH - 1] + "…"


def _as_is(takes: types.ClientCompletionItemOptions) -> types.InsertTextMode | None:
    """The text has its indentation; editors would add that of the line to it."""
    known = takes.insert_text_mode_support
    mode = types.InsertTextMode.AsIs
    return mode if known and mode in known.value_set else None


def _documentation(
    place: Place, text: str, takes: types.ClientCompletionItemOptions
) -> str | types.MarkupContent:
    if types.MarkupKind.Markdown not in (takes.documentation_format or ()):
        return text
    fence = max(_FENCE.findall(text), key=len, default="``") + "`"
    language = language_of(place.document.path)
    name = language.name if language else ""
    value = f"{fence}{name}\n{text}\n{fence}"
    return types.MarkupContent(types.MarkupKind.Markdown, value)
