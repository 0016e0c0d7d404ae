"""Which brackets and quotes a piece of code leaves open, read without a parser.

A piece begun in the middle of a program has no tree worth trusting; its brackets can be counted.
"""

import re
from functools import cache
from typing import NamedTuple

from budgetai_core.context.languages import Language, LexicalMarks
from budgetai_core.context.lexing import lexeme, patterns

PAIRS = {"(": ")", "[": "]", "{": "}"}
OPENERS, CLOSERS = "".join(PAIRS), "".join(PAIRS.values())
# What reaches over lines comes with the mark that ends it; a lone ' may be a Rust lifetime. There
# are not groups: before 3.11.5 Python forgets those behind what is possessive.
_TEXTS = (
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:""")?',
    r"'''(?:[^'\\]|\\.|'(?!''))*+(?:''')?",
    r"`(?:[^`\\]|\\.)*+`?",
    r'"(?:[^"\\\n]|\\.)*+"?',
    r"'(?:[^'\\\n]|\\.)*+'",
)
_BLOCK_COMMENT = r"/\*(?:[^*]|\*(?!/))*+(?:\*/)?"
_MARKS = r"[()\[\]{}]"
_OPEN_ENDED = {'"""': '"""', "'''": "'''", "`": "`", "/*": "*/"}


class Brackets(NamedTuple):
    """Offsets of the brackets left open, and of closers that close nothing in the piece. `text`
    says that it ends inside a string or comment of several lines."""

    open: tuple[int, ...]
    unmatched: tuple[int, ...]
    text: bool


def brackets(piece: str, language: Language | None) -> Brackets:
    """Count the brackets of a piece that begins outside of strings and comments."""
    opened: list[int] = []
    unmatched: list[int] = []
    inside = False
    marks = language.marks if language else None
    known = _lexical(marks) if marks else _lexemes(language.comment if language else "")
    for match in known.finditer(piece):
        mark = match[0]
        if mark in PAIRS:
            opened.append(match.start())
        elif mark in CLOSERS:
            _close(piece, match.start(), opened, unmatched)
        elif match.end() == len(piece):
            inside = _goes_on(mark, marks) if marks else _unclosed(mark)
    return Brackets(tuple(opened), tuple(unmatched), inside)


def _unclosed(mark: str) -> bool:
    """Return whether a text of several lines, or what was read of it, lacks the mark that ends
    it."""
    for opener, closer in _OPEN_ENDED.items():
        if mark.startswith(opener):
            content = mark[len(opener) :]
            inner = content.removesuffix(closer)
            escaped = (len(inner) - len(inner.rstrip("\\"))) % 2 and opener != "/*"
            return bool(escaped) or not content.endswith(closer)
    return False


def _goes_on(mark: str, marks: LexicalMarks) -> bool:
    read = lexeme(mark, 0, marks)
    return bool(read.closer) and not read.closed


@cache
def _lexical(marks: LexicalMarks) -> re.Pattern[str]:
    return re.compile("|".join((*patterns(marks), _MARKS)), re.MULTILINE | re.DOTALL)


def _close(piece: str, at: int, opened: list[int], unmatched: list[int]) -> None:
    """Close the closer's own bracket, and with it those opened since."""
    for number in range(len(opened) - 1, -1, -1):
        if PAIRS[piece[opened[number]]] == piece[at]:
            del opened[number:]
            return
    unmatched.append(at)


@cache
def _lexemes(comment: str) -> re.Pattern[str]:
    kinds = [*_TEXTS, _MARKS]
    if comment:
        # In the middle of a word # and // are not comments: ${#x}, https://x.
        kinds.insert(0, rf"(?<![^\s;(){{}}]){re.escape(comment)}[^\n]*+")
    if comment == "//":
        kinds.insert(0, _BLOCK_COMMENT)
    return re.compile("|".join(kinds), re.DOTALL)
