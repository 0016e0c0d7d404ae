"""What is shown at a cursor, and the edit that an editor is asked to make of it.

Pure functions. Offsets count characters of the document, line ends as they are in it.
"""

from dataclasses import dataclass, field

from budgetai_server.inference.engine import Usage


@dataclass(frozen=True)
class Suggestion:
    """`text` goes in at the cursor, in the place of `replaces` characters right of it; empty when
    there is nothing worth showing. Its line ends are \\n."""

    text: str
    usage: Usage = field(default_factory=Usage)
    confidence: float | None = None
    replaces: int = 0


@dataclass(frozen=True)
class TextEdit:
    """`text` goes in the place of the characters from `start` up to `end`, all on one line. The
    `number` is that of a suggestion that was shown; 0 where nobody follows what becomes of it."""

    start: int
    end: int
    text: str
    number: int = field(default=0, compare=False)


def applied(source: str, edit: TextEdit) -> tuple[str, int]:
    """Return the document as if an edit were made already, and the cursor behind what it put in."""
    text = source[: edit.start] + edit.text + source[edit.end :]
    return text, edit.start + len(edit.text)


def from_suggestion(
    suggestion: Suggestion, source: str, cursor: int, selected: TextEdit | None
) -> TextEdit | None:
    """Return the edit that puts a suggestion into a document, given as an editor takes it.

    With an item `selected` in the editor's list, the suggestion goes on from it, and editors want
    its very range: what the suggestion replaces behind it can only stay where it is, if the
    suggestion ends with it. None where no edit can do what the suggestion does.
    """
    behind = selected.end if selected else cursor
    replaced = source[behind : behind + suggestion.replaces]
    if not suggestion.text or "\n" in replaced or "\r" in replaced:
        return None
    line_end = "\r\n" if "\r\n" in source else "\n"
    text = suggestion.text.replace("\r\n", "\n").replace("\n", line_end)
    if selected is None:
        return TextEdit(cursor, cursor + len(replaced), text)
    rest = text.removesuffix(replaced)
    if len(rest) + len(replaced) != len(text) or not rest:
        return None
    return TextEdit(selected.start, selected.end, selected.text + rest)


def from_cursor(edit: TextEdit, source: str, cursor: int) -> Suggestion | None:
    """Return an edit as a suggestion at the cursor; None where it changes what stands before."""
    typed = source[edit.start : cursor]
    if not edit.text.startswith(typed):
        return None
    text = edit.text[len(typed) :].replace("\r\n", "\n")
    return Suggestion(text, replaces=edit.end - cursor)


def insertion(edit: TextEdit, source: str, cursor: int) -> str:
    """Return what goes in at the cursor where a client leaves all that stands behind it: of an edit
    that takes its place, what comes before it; else the most of the first line that can be kept.
    It has no line end at its end."""
    replaced = source[cursor : edit.end]
    kept = edit.text.removesuffix(replaced)
    if len(kept) + len(replaced) == len(edit.text) and not (replaced and kept.endswith("\n")):
        return kept.rstrip("\r\n")
    # Every character of it stands in the text, in this order: they are looked for from the end.
    line = edit.text.splitlines()[0] if edit.text else ""
    for character in reversed(replaced):
        if character not in line:
            return ""
        line = line[: line.rindex(character)]
    return line if line.strip() else ""
