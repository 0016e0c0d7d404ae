"""Comments and strings of a text, told by the marks of its language. No tree is needed.

A text may begin anywhere outside of them; what is not closed on its line, and does not go on over
lines in its language, is not one.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

from budgetai_core.context.languages import LexicalMarks

# Marks that begin a comment at the start of a line alone: words, and what is an operator elsewhere.
_AT_LINE_START = re.compile(r"\w|[*\"]")
_ESCAPED, _LONG = "\\", "+"


class Lexeme(NamedTuple):
    """A comment or string, from character `start` up to `end`; `closer` is the mark that ends one
    of several lines, and `closed` says that it is there."""

    kind: Literal["comment", "string"]
    start: int
    end: int
    closer: str
    closed: bool


def lexemes(
    text: str, marks: LexicalMarks, start: int = 0, end: int | None = None
) -> Iterator[Lexeme]:
    """Yield the comments and strings of a text in their order."""
    limit = len(text) if end is None else end
    for match in _compiled(marks).finditer(text, start, limit):
        yield lexeme(match[0], match.start(), marks)


def lexeme(mark: str, start: int, marks: LexicalMarks) -> Lexeme:
    """Return what a piece is that the patterns have found."""
    end = start + len(mark)
    for opener, closer in marks.blocks:
        if mark.startswith(opener):
            whole = len(mark) >= len(opener) + len(closer)
            return Lexeme("comment", start, end, closer, whole and mark.endswith(closer))
    if _begins_comment(mark, marks):
        return Lexeme("comment", start, end, "", False)
    for quote in marks.quotes:
        bare = quote.rstrip(_ESCAPED + _LONG)
        if mark.startswith(bare):
            whole = len(mark) >= 2 * len(bare)
            return Lexeme("string", start, end, bare, whole and mark.endswith(bare))
    return Lexeme("comment", start, end, "", False)


def masked(text: str, marks: LexicalMarks) -> str:
    """Return a text of the same length with spaces for what is in comments and strings."""
    return _compiled(marks).sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


@cache
def patterns(marks: LexicalMarks) -> tuple[str, ...]:
    """Return regular expressions for comments and strings, for MULTILINE and DOTALL."""
    blocks = [_block(opener, closer) for opener, closer in marks.blocks]
    lines = [_line(mark) for mark in marks.comments]
    quotes = sorted(marks.quotes, key=len, reverse=True)
    strings = [_string(q.rstrip(_ESCAPED + _LONG), _ESCAPED in q, _LONG in q) for q in quotes]
    return (*blocks, *lines, *strings)


@cache
def _compiled(marks: LexicalMarks) -> re.Pattern[str]:
    return re.compile("|".join(patterns(marks)) or r"(?!)", re.MULTILINE | re.DOTALL)


def _begins_comment(mark: str, marks: LexicalMarks) -> bool:
    return any(mark.lstrip(" \t").startswith(comment) for comment in marks.comments)


def _block(opener: str, closer: str) -> str:
    first, rest = re.escape(closer[0]), re.escape(closer[1:])
    inner = rf"(?:[^{first}]|{first}(?!{rest}))*+" if rest else rf"[^{first}]*+"
    return rf"{re.escape(opener)}{inner}(?:{re.escape(closer)})?"


def _line(mark: str) -> str:
    if _AT_LINE_START.match(mark):
        word = r"\b" if mark[-1].isalnum() else ""
        return rf"^[ \t]*{re.escape(mark)}{word}[^\n]*+"
    # In the middle of a word # and // are not comments: ${#x}, https://x.
    return rf"(?<![^\s;(){{}},]){re.escape(mark)}[^\n]*+"


def _string(quote: str, escaped: bool, long: bool) -> str:
    mark = re.escape(quote)
    if len(quote) > 1 or (long and quote == "`"):
        step = rf"\\.|(?!{mark})." if escaped else rf"(?!{mark})."
        return rf"{mark}(?:{step})*+(?:{mark})?"
    inner = rf"[^{mark}\\\n]|\\." if escaped else rf"[^{mark}\n]"
    # Behind a name ' may transpose a matrix or name an attribute.
    behind = r"(?<![\w)\]}'.])" if quote == "'" else ""
    return rf"{behind}{mark}(?:{inner})*+{mark}"
