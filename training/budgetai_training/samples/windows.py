"""Windows over a text, and where each is cut."""

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from budgetai_training.hyperparameters.mixture import Mixture
from budgetai_training.hyperparameters.span_kinds import KINDS, LINES, NODES, NOTHING
from budgetai_training.samples.node_ends import Line, NodeEnds, lines_up

# A file of so many characters is one window.
_MAX_CHARACTERS_UNCUT = 240
# Behind one of these a line goes on.
_UNFINISHED = tuple(",([{:=+-*/&|\\<.?")
_COMPLETE = ("statement", "body", "arguments")


class Window(NamedTuple):
    """Text from `start` to `end`, whose last `answer` characters are a whole span of `kind`."""

    start: int
    end: int
    kind: str
    answer: int


def windows(
    text: str, node_ends: NodeEnds, rng: random.Random, mixture: Mixture
) -> Iterator[Window]:
    """Yield windows side by side, from the first character to the last; none is longer than
    `mixture.before`. The first has any length, so that epochs differ and small files are cut
    too."""
    widest = min(mixture.before, len(text))
    whole = widest <= _MAX_CHARACTERS_UNCUT
    start, room = 0, mixture.before if whole else rng.randint(widest // 3, widest)
    while start < len(text):
        window = _window(text, node_ends, start, room, rng, mixture)
        yield window
        start, room = window.end, mixture.before


def _window(
    text: str, node_ends: NodeEnds, start: int, room: int, rng: random.Random, mixture: Mixture
) -> Window:
    limit = start + room
    if limit >= len(text):
        return _rest(text, start)
    kind = rng.choices(KINDS, mixture.weights)[0]
    window = None
    if kind in NODES:
        window = _node(node_ends, kind, start, limit)
    elif kind == NOTHING:
        window = _complete(text, node_ends, start, limit, rng)
    if window is None:
        kind = kind if kind in LINES else _line_kind(rng, mixture)
        window = _line(text, kind, start, limit, rng)
    # A line that is longer than a window is cut anywhere.
    return window or Window(start, limit, "inside", rng.randint(1, room))


def _rest(text: str, start: int) -> Window:
    """Return the end of the file: its last line is the answer."""
    last = text.rfind("\n", start, len(text) - 1) + 1 or start
    kind = "newline" if text.endswith("\n") else "line"
    return Window(start, len(text), kind, len(text) - last)


def _line_kind(rng: random.Random, mixture: Mixture) -> str:
    weights = mixture.weights[: len(LINES)]
    return rng.choices(LINES, weights)[0] if sum(weights) else "line"


def _line(text: str, kind: str, start: int, limit: int, rng: random.Random) -> Window | None:
    """Return a cut at or in the last line with text, or None where no whole line ends in the
    window."""
    line = next(lines_up(text, start, limit), None)
    if line is None:
        return None
    if kind == "newline" or line.end - line.text < 2:
        end = text.index("\n", line.end) + 1
        return Window(start, end, "newline", end - line.text)
    answer_start, end = line_span(line, kind, rng)
    return Window(start, end, kind, end - answer_start)


def line_span(line: Line, kind: str, rng: random.Random) -> tuple[int, int]:
    """Return from where to where a span of kind line, end or inside goes, in a line of two
    characters or more. Behind a span inside a line there is more of the line."""
    if kind == "line":
        return line.text, line.end
    if kind == "end":
        return rng.randrange(line.text + 1, line.end), line.end
    end = rng.randrange(line.text + 1, line.end)
    return rng.randrange(line.text, end), end


def _node(node_ends: NodeEnds, kind: str, start: int, limit: int) -> Window | None:
    span = node_ends.last(kind, start, (start + limit) // 2, limit)
    return Window(start, span.end, kind, span.end - span.start) if span else None


def _complete(
    text: str, node_ends: NodeEnds, start: int, limit: int, rng: random.Random
) -> Window | None:
    """Return a place where a cursor rests and nothing is missing: the model must end at once.

    The end marker is learned behind every sample. But where the other kinds are cut, something has
    just been typed that was missing; a server is asked behind complete spans as well, and one
    that always has something to add is a nuisance.
    """
    span = node_ends.last(rng.choice(_COMPLETE), start, (start + limit) // 2, limit)
    if span:
        return Window(start, span.end, NOTHING, 0)
    for below, line in pairwise(lines_up(text, start, limit)):
        deeper = below.text - below.start > line.text - line.start
        if not deeper and not text.endswith(_UNFINISHED, start, line.end):
            return Window(start, line.end, NOTHING, 0)
    return None
