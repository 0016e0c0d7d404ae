"""Large files in parts: each is learned or held out like a file of its own.

A part ends in front of a definition, or at an empty line, so that what belongs together stays
together. The same text always has the same parts.
"""

from bisect import bisect_right
from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

from budgetai_core.context.languages import Language
from budgetai_core.context.symbols import file_symbols

# Characters. Larger files are taken apart; parts are about as long as a file usually is.
LARGE_CHARACTERS = 400_000
_MIN_PART, _MAX_PART = 16_000, 32_000


class FilePart(NamedTuple):
    """The characters `start` up to `end` of a file; `name` is its path and the part's number."""

    name: str
    start: int
    end: int


def parts(path: str, text: str, language: Language | None) -> list[FilePart]:
    """Return the parts of a large file, which together are all of it; none of a smaller one."""
    if len(text) <= LARGE_CHARACTERS:
        return []
    ends = list(_ends(text, language))
    starts = [0, *ends[:-1]]
    return [
        FilePart(f"{path}#{number}", start, end)
        for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1)
    ]


def held_ranges(
    path: str, text: str, language: Language | None, held: Container[str]
) -> tuple[tuple[int, int], ...]:
    """Return the character ranges of a file that are held out, by the names of held-out files and
    parts."""
    if path in held:
        return ((0, len(text)),)
    return tuple(
        (part.start, part.end) for part in parts(path, text, language) if part.name in held
    )


def _ends(text: str, language: Language | None) -> Iterator[int]:
    definitions = file_symbols(text, language).definitions
    begins = sorted({text.rfind("\n", 0, d.start) + 1 for d in definitions if not d.owner})
    start = 0
    while len(text) - start > _MAX_PART:
        start = _cut(text, start + _MIN_PART, start + _MAX_PART, begins)
        yield start
    yield len(text)


def _cut(text: str, low: int, high: int, begins: Sequence[int]) -> int:
    """Return where a part ends: in front of the last definition, else behind the last empty line,
    the last line, or anywhere."""
    last = bisect_right(begins, high) - 1
    if last >= 0 and begins[last] > low:
        return begins[last]
    for mark in ("\n\n", "\n"):
        at = text.rfind(mark, low, high)
        if at >= 0:
            return at + len(mark)
    return high
