"""Blocks of the repository that resemble a text: BM25 over the words of short blocks.

Small models copy better than they know. Lines that look like the ones at the cursor, and what
follows them, are the cheapest thing to copy from (RepoCoder, Zhang et al. 2023).
"""

import math
import re
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache
from heapq import nlargest
from operator import itemgetter
from typing import NamedTuple

_WORD = re.compile(r"[^\W\d]\w+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+")
# A block ends at an empty line if it has so many lines already, and at the longest length anyway.
_MIN_BLOCK_LINES, _MAX_BLOCK_LINES = 6, 12
# Lines longer than this are data.
_MAX_LINE_CHARACTERS = 400
# Robertson and Zaragoza, 2009. Words count once in a block: blocks are short.
_K, _B = 1.2, 0.5
# So many blocks are looked at for a query, the rarest words' first: about 3 ms.
_MAX_POSTINGS = 20_000
_CONSIDERED = 16
_COMPACT = 1024


class Block(NamedTuple):
    """Lines `first` to `last`, counted from 0, without the last."""

    path: str
    first: int
    last: int


class BlockIndex:
    """The blocks of files by their words.

    It keeps numbers, not texts: about 5 bytes for a word of a block. A removed file's numbers are
    passed over, and cleared away once they are half of all.
    """

    def __init__(self) -> None:
        # Of each block: its path, None once it is removed, its lines, and its number of words.
        self._block_paths: list[str | None] = []
        self._firsts, self._lasts = array("I"), array("I")
        self._lengths = array("H")
        self._of_path: dict[str, range] = {}
        self._postings: defaultdict[str, array[int]] = defaultdict(_numbers)
        self._dead = 0
        self._words = 0

    def __len__(self) -> int:
        return len(self._block_paths) - self._dead

    def update(self, path: str, text: str) -> None:
        """Take in a file, or take it in again after a change."""
        self.remove(path)
        start = len(self._block_paths)
        lines = text.split("\n")
        for first, last in blocks(lines):
            words = words_of("\n".join(lines[first:last]))
            for word in words:
                self._postings[word].append(len(self._block_paths))
            self._block_paths.append(path)
            self._firsts.append(first)
            self._lasts.append(last)
            self._lengths.append(len(words))
            self._words += len(words)
        self._of_path[path] = range(start, len(self._block_paths))

    def remove(self, path: str) -> None:
        for number in self._of_path.pop(path, ()):
            self._block_paths[number] = None
            self._dead += 1
        if self._dead > max(_COMPACT, len(self._block_paths) // 2):
            self._compact()

    def _compact(self) -> None:
        number = {old: new for new, old in enumerate(self._living())}
        postings = (
            (word, array("I", (number[n] for n in numbers if n in number)))
            for word, numbers in self._postings.items()
        )
        self._postings = defaultdict(
            _numbers, {word: numbers for word, numbers in postings if numbers}
        )
        self._of_path = {
            path: range(number[old[0]], number[old[-1]] + 1) if old else range(0)
            for path, old in self._of_path.items()
        }
        self._lengths = array("H", (self._lengths[old] for old in number))
        self._firsts = array("I", (self._firsts[old] for old in number))
        self._lasts = array("I", (self._lasts[old] for old in number))
        self._words = sum(self._lengths)
        self._block_paths = [self._block_paths[old] for old in number]
        self._dead = 0

    def _living(self) -> Iterator[int]:
        return (number for number, path in enumerate(self._block_paths) if path is not None)

    def rarity(self, word: str) -> float:
        """Return inverse document frequency; 0 for a word that no block has."""
        blocks = len(self._postings.get(word.lower(), ()))
        return (
            math.log(1 + (len(self._block_paths) - blocks + 0.5) / (blocks + 0.5))
            if blocks
            else 0.0
        )

    def search(
        self, words: set[str], most: int, wanted: Callable[[str], bool] = lambda path: True
    ) -> list[tuple[float, Block]]:
        """Return at most `most` blocks with their scores, the best first, of paths that are
        `wanted`."""
        scores: defaultdict[int, float] = defaultdict(float)
        for word in self._rarest(words):
            weight = self.rarity(word)
            for number in self._postings[word]:
                scores[number] += weight
        # Lengths change a rank by little: they are looked at where the sum is among the best.
        best = nlargest(_CONSIDERED * most, scores.items(), key=itemgetter(1))
        ranked = [
            (
                score * self._norm(number),
                Block(path, self._firsts[number], self._lasts[number]),
            )
            for number, score in best
            if (path := self._block_paths[number]) is not None and wanted(path)
        ]
        ranked.sort(key=lambda entry: (-entry[0], entry[1]))
        return ranked[:most]

    def _rarest(self, words: set[str]) -> Iterator[str]:
        """Yield words that blocks have, the rarest first, until their postings are as many as a
        key's time allows."""
        known = sorted(
            (len(self._postings[word]), word) for word in words if word in self._postings
        )
        room = _MAX_POSTINGS
        for count, word in known:
            room -= count
            if room < 0:
                return
            yield word

    def _norm(self, number: int) -> float:
        mean = self._words / max(len(self._block_paths), 1) or 1.0
        return (_K + 1) / (1 + _K * (1 - _B + _B * self._lengths[number] / mean))


def _numbers() -> "array[int]":
    return array("I")


def blocks(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Yield from which line to which each block goes. Where one ends depends on the lines near it,
    so that an edit moves few of them."""
    first = 0
    for number, line in enumerate(lines):
        long = number + 1 - first
        if long >= _MAX_BLOCK_LINES or (long >= _MIN_BLOCK_LINES and not line.strip()):
            yield first, number + 1
            first = number + 1
    if any(line.strip() for line in lines[first:]):
        yield first, len(lines)


def words_of(text: str) -> set[str]:
    """Return the names in a text and their parts, in small letters: `list_tools` is list and tools
    too."""
    words: set[str] = set()
    for line in text.split("\n"):
        for word in _WORD.findall(line[:_MAX_LINE_CHARACTERS]):
            words.update(_parts(word))
    return words


@lru_cache(maxsize=65536)
def _parts(word: str) -> tuple[str, ...]:
    parts = {part.lower() for part in _PART.findall(word) if len(part) > 2}
    return tuple({word.lower(), *parts}) if len(word) <= 80 else ()
