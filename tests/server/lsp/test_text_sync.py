"""Where a change leaves the cursor."""

import pytest
from lsprotocol import types
from pygls.workspace import TextDocument

from budgetai_server.lsp.text_sync import cursor_after


def change(text: str, column: int = 3) -> types.TextDocumentContentChangePartial:
    at = types.Position(0, column)
    return types.TextDocumentContentChangePartial(range=types.Range(at, at), text=text)


@pytest.mark.parametrize(
    ("typed", "document", "cursor"),
    [
        ("(", "foo(", 4),
        ("bar", "foobar", 6),
        # The editor has closed what was opened: the cursor is between.
        ("()", "foo()", 4),
        ('""', 'foo""', 4),
        ("){", "foo){", 5),
    ],
)
def test_the_cursor_is_behind_what_was_typed(typed: str, document: str, cursor: int) -> None:
    assert cursor_after(TextDocument("file:///a.py", document), [change(typed)]) == cursor


def test_a_text_that_was_replaced_tells_nothing() -> None:
    whole = types.TextDocumentContentChangeWholeDocument(text="foo")
    assert cursor_after(TextDocument("file:///a.py", "foo"), [whole]) is None
    assert cursor_after(TextDocument("file:///a.py", "foo"), []) is None
