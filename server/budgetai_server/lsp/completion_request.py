"""A request for a completion, whatever the editor makes of it: ghost text or an item of a list."""

import logging
from typing import NamedTuple
from urllib.parse import unquote

from lsprotocol import types
from pygls.workspace import TextDocument

from budgetai_core.errors import BudgetAIError
from budgetai_server.completion.text_edit import Suggestion
from budgetai_server.lsp.language_server import BudgetAIServer
from budgetai_server.lsp.positions import offset

log = logging.getLogger(__name__)


class Place(NamedTuple):
    """A place in an open document: as the protocol says it, and as a character offset."""

    document: TextDocument
    position: types.Position
    cursor: int


ACCEPTED = "budgetai.accepted"


def command_of(item: Suggestion) -> types.Command | None:
    """What an editor is to run when the user has taken an item whole."""
    if not item.number:
        return None
    return types.Command(title="accepted", command=ACCEPTED, arguments=[item.number])


def accepted(server: BudgetAIServer, number: int) -> None:
    if server.session:
        server.session.accepted(number)


def place_of(server: BudgetAIServer, uri: str, position: types.Position) -> Place | None:
    """None for a document that is not open."""
    # pygls keeps documents by the URI without its percent escapes.
    if server.session is None or unquote(uri) not in server.workspace.text_documents:
        return None
    document = server.workspace.get_text_document(uri)
    return Place(document, position, offset(document, position))


async def complete(
    server: BudgetAIServer, place: Place, selected: Suggestion | None = None
) -> Suggestion | None:
    """What to put in at a place; None where there is nothing to say."""
    session = server.session
    assert session is not None
    try:
        return await session.complete(place.document, place.cursor, selected)
    except BudgetAIError as error:
        log.error("no completion: %s", error)
        return None
    finally:
        server.report(session.state)
