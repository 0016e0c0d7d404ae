"""What an answer repeats of the text after the cursor: it takes that text's place."""

import re
from typing import NamedTuple

from budgetai_server.completion.postprocess.brackets import CLOSERS, brackets
from budgetai_server.completion.postprocess.cursor_context import CursorContext

_QUOTES = "\"'`"


class Edit(NamedTuple):
    """`text` goes in at the cursor, in the place of `replaces` characters right of it, which it
    holds in their order: editors hide an edit that takes anything away."""

    text: str
    replaces: int = 0


def edit(context: CursorContext, text: str) -> Edit:
    """Return the edit that puts an answer in, and doubles nothing of the cursor's line, nor the
    next line with text."""
    rest = context.line_after
    if not rest:
        return Edit(_without_next_line(context, text))
    if not rest.strip(CLOSERS):
        return Edit(text, _closers(context, text, rest))
    length = repeated(text, rest)
    return Edit(text, length or _contained(text, rest))


def within(part: str, text: str) -> bool:
    """Return whether a text holds the characters of a part in their order."""
    characters = iter(text)
    return all(character in characters for character in part)


def _without_next_line(context: CursorContext, text: str) -> str:
    head, newline, last = text.rpartition("\n")
    same = newline and context.line_below and last.rstrip() == context.line_below
    return head if same else text


def _closers(context: CursorContext, text: str, rest: str) -> int:
    """Return how many of the closers in `rest` the answer brings itself. Brackets that were opened
    on this line and that neither side closes keep theirs."""
    closed = brackets(text, context.language).unmatched
    brought = "".join(text[at] for at in closed)
    surplus = len(brought) + len(rest) - len(brackets(context.line_before, context.language).open)
    count = max(0, min(surplus, len(rest), len(brought)))
    while count and not within(rest[:count], brought):
        count -= 1
    return count


def repeated(text: str, rest: str) -> int:
    """Return the length of the longest end of the answer with which the rest of the line begins.
    Words are repeated whole: the a of `data` is not the a of `and`."""
    for length in range(min(len(text), len(rest)), 0, -1):
        if text.endswith(rest[:length]) and not (
            _splits(text, len(text) - length) or _splits(rest, length)
        ):
            return length
    return 0


def _contained(text: str, rest: str) -> int:
    """Return all of the rest of the line, where the answer says it anew and goes on behind it."""
    says_something = len(rest) > 2 or not rest.strip(CLOSERS + _QUOTES + ";,")
    at = text.find(rest) if says_something else -1
    whole = at >= 0 and not (_splits(text, at) or _splits(text, at + len(rest)))
    return len(rest) if whole else 0


def _splits(text: str, at: int) -> bool:
    """Return whether a place is in the middle of a word."""
    return bool(re.fullmatch(r"\w\w", text[at - 1 : at + 1])) if at else False
