"""Which lines of a text are new to someone who knows an older state. Pure functions."""

import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from difflib import SequenceMatcher

Range = tuple[int, int]

# Shorter lines stand everywhere: `return None`, `} else {`.
_MAX_SHORT_LINE_CHARACTERS = 20
_NUMBERS = re.compile(r"\d+")
_SPACING = re.compile(r"[\s'\"`,;()]+")


def informative_lines(texts: Iterable[str]) -> set[str]:
    """Return the lines of texts that are long enough to be recognised, as `fresh_ranges` compares
    them."""
    return {key for text in texts for line in text.split("\n") if (key := _key(line))}


def added_ranges(text: str, before: str, known: AbstractSet[str]) -> tuple[Range, ...]:
    """Return character ranges, whole lines, of what was added to `before` and is not `known` from
    elsewhere.

    A line that differs from a known one in spacing, quotes, case or numbers is a near-copy. A
    short line counts only beside one that is informative.
    """
    lines = text.split("\n")
    starts = _starts(lines)
    ranges = []
    for first, last in _runs(_added(before.split("\n"), lines), lines, known):
        ranges.append((starts[first], min(starts[last], len(text))))
    return tuple(ranges)


def intersection(first: Sequence[Range], second: Sequence[Range]) -> tuple[Range, ...]:
    """Return the parts of ranges that both have; each of the two is in order."""
    return tuple(
        (max(a, c), min(b, d)) for a, b in first for c, d in second if max(a, c) < min(b, d)
    )


def _key(line: str) -> str:
    stripped = line.strip()
    if len(stripped) <= _MAX_SHORT_LINE_CHARACTERS:
        return ""
    return _NUMBERS.sub("0", _SPACING.sub("", stripped)).casefold()


def _starts(lines: Sequence[str]) -> list[int]:
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    return starts


def _added(before: Sequence[str], lines: Sequence[str]) -> list[int]:
    """Return numbers of the lines that a difference says were added."""
    steps = SequenceMatcher(None, before, lines).get_opcodes()
    return [n for kind, _, _, low, high in steps if kind != "equal" for n in range(low, high)]


def _runs(
    added: Sequence[int], lines: Sequence[str], known: AbstractSet[str]
) -> list[tuple[int, int]]:
    """Return first and one past the last line of each run of added lines with an informative one
    among them."""
    runs: list[list[int]] = []
    informative: set[int] = set()
    for number in added:
        key = _key(lines[number])
        if key in known:
            continue
        if not runs or runs[-1][1] != number:
            runs.append([number, number])
        runs[-1][1] = number + 1
        if key:
            informative.add(len(runs) - 1)
    return [(low, high) for at, (low, high) in enumerate(runs) if at in informative]
