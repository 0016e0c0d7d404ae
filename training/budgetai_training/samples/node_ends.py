"""Where the spans of a text end: its nodes by kind, its lines."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from budgetai_core.context.languages import Language
from budgetai_core.context.tree import nodes
from budgetai_training.hyperparameters.span_kinds import kind_of

# Shorter ones are typed faster than a completion is read; longer ones no server writes at once.
_MIN_CHARACTERS, _MAX_CHARACTERS = 4, 600


class Span(NamedTuple):
    """A range of characters. The end comes first: spans are sorted by it."""

    end: int
    start: int


class Line(NamedTuple):
    """A line with text: where it starts, where its text does, and where its newline is."""

    start: int
    text: int
    end: int


class NodeEnds:
    """The nodes of a text that a completion may fill in, by kind. None without a grammar."""

    def __init__(self, text: str, language: Language | None) -> None:
        by_kind: defaultdict[str, set[Span]] = defaultdict(set)
        for node in nodes(text, language) if language else ():
            kind = kind_of(node.type, language)
            if kind and _MIN_CHARACTERS <= node.end - node.start <= _MAX_CHARACTERS:
                by_kind[kind].add(Span(node.end, node.start))
        self._spans = {kind: sorted(spans) for kind, spans in by_kind.items()}

    def of_kind(self, kind: str) -> list[Span]:
        return self._spans.get(kind, [])

    def last(self, kind: str, start: int, low: int, high: int) -> Span | None:
        """Return the last span of a kind that ends after `low`, at `high` at most, and lies behind
        `start`; the longest of those that end at one place."""
        spans = self.of_kind(kind)
        place = bisect_right(spans, (high + 1,)) - 1
        longest = None
        while place >= 0 and spans[place].end > low:
            if longest and spans[place].end < longest.end:
                break
            if spans[place].start >= start:
                longest = spans[place]
            place -= 1
        return longest


def lines_up(text: str, start: int, limit: int) -> Iterator[Line]:
    """Yield the lines with text whose newline lies in [start, limit), the last one first. The line
    at `start` may lack its head."""
    newline = text.rfind("\n", start, limit)
    while newline >= start:
        first = text.rfind("\n", start, newline) + 1 or start
        content = text[first:newline]
        if content.strip():
            indent = len(content) - len(content.lstrip())
            # A cursor at the end of a line stands in front of both halves of a Windows newline.
            yield Line(first, first + indent, newline - content.endswith("\r"))
        newline = first - 1
