"""What an editor is asked to put into a document: a text, in the place of some characters.

Pure functions. Offsets count characters of the document, line ends as they are in it.
"""

from dataclasses import dataclass, field

from budgetai_server.completion.render import Completion


@dataclass(frozen=True)
class Suggestion:
    """`text` goes in the place of the characters from `start` up to `end`, all on one line. The
    `number` is that of an item that was shown; 0 where nobody follows what becomes of it."""

    start: int
    end: int
    text: str
    number: int = field(default=0, compare=False)


def accepted(source: str, item: Suggestion) -> tuple[str, int]:
    """The document as if an item were in it already, and the cursor behind that item."""
    text = source[: item.start] + item.text + source[item.end :]
    return text, item.start + len(item.text)


def from_completion(
    found: Completion, source: str, cursor: int, selected: Suggestion | None
) -> Suggestion | None:
    """The item that puts an answer into a document, given as an editor takes it.

    With an item `selected` in the editor's list, the answer goes on from it, and editors want its
    very range: what the answer takes the place of behind it can only stay where it is, if the
    answer ends with it. None where no item can say what the answer says.
    """
    behind = selected.end if selected else cursor
    replaced = source[behind : behind + found.replaces]
    if not found.text or "\n" in replaced or "\r" in replaced:
        return None
    text = found.text.replace("\r\n", "\n").replace("\n", "\r\n" if "\r\n" in source else "\n")
    if selected is None:
        return Suggestion(cursor, cursor + len(replaced), text)
    rest = text.removesuffix(replaced)
    if len(rest) + len(replaced) != len(text) or not rest:
        return None
    return Suggestion(selected.start, selected.end, selected.text + rest)


def from_cursor(item: Suggestion, source: str, cursor: int) -> Completion | None:
    """An item as a completion at the cursor; None where it changes what stands before it."""
    typed = source[item.start : cursor]
    if not item.text.startswith(typed):
        return None
    text = item.text[len(typed) :].replace("\r\n", "\n")
    return Completion(text, replaces=item.end - cursor)
