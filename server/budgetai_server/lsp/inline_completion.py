"""`textDocument/inlineCompletion`: ghost text at the cursor.

There is no `filterText`: without one, editors take the text itself, and a range that begins at the
cursor leaves VS Code nothing to filter by; Neovim 0.12 does not look at it. An explicit request is
no different from one while typing, which older editors call explicit too.
"""

from lsprotocol import types

from budgetai_server.completion.text_edit import Suggestion
from budgetai_server.lsp.completion_request import Place, command_of, complete, place_of
from budgetai_server.lsp.language_server import BudgetAIServer
from budgetai_server.lsp.positions import around, offset


async def inline(
    server: BudgetAIServer, params: types.InlineCompletionParams
) -> types.InlineCompletionList:
    place = place_of(server, params.text_document.uri, params.position)
    info = params.context.selected_completion_info
    selected = _selected(place, info) if place and info else None
    found = await complete(server, place, selected) if place else None
    if place is None or found is None:
        return types.InlineCompletionList(items=[])
    if selected and info:
        # VS Code wants the very range that it has sent, or it shows nothing.
        where = info.range
    else:
        where = around(place.document, place.position, place.cursor, found.start, found.end)
    # It cuts ghost text at each \n, and a \r would stay in the line.
    text = found.text.replace("\r\n", "\n") if server.client == "Neovim" else found.text
    item = types.InlineCompletionItem(text, range=where, command=command_of(found))
    return types.InlineCompletionList(items=[item])


def _selected(place: Place, info: types.SelectedCompletionInfo) -> Suggestion | None:
    """The item selected in the editor's list, if it is one for this place."""
    start, end = offset(place.document, info.range.start), offset(place.document, info.range.end)
    return Suggestion(start, end, info.text) if start <= place.cursor <= end else None
