"""A text with its syntax tree, and what of the tree lasts when the text is edited.

Trees count bytes, everything else counts characters: the two are converted here.
"""

from bisect import bisect_right
from functools import cached_property
from itertools import accumulate

import tree_sitter

from budgetai_server.context.languages import Language, parser

# Characters between two known byte offsets: few to store, and few to count from there.
_STEP = 256


class Parsed:
    """A text, its language and its tree, none of which change. `root` is None without a grammar."""

    def __init__(
        self, text: str, language: Language | None, data: bytes, tree: tree_sitter.Tree | None
    ) -> None:
        self.text = text
        self.language = language
        self.data = data
        self.tree = tree

    @classmethod
    def of(cls, text: str, language: Language | None) -> "Parsed":
        """Parse a whole text."""
        data = encoded(text)
        parse = parser(language) if language else None
        return cls(text, language, data, parse.parse(data) if parse else None)

    @property
    def root(self) -> tree_sitter.Node | None:
        return self.tree.root_node if self.tree else None

    def edited(self, text: str) -> "Parsed":
        """The same document with another text; parses only what changed."""
        parse = parser(self.language) if self.language else None
        if parse is None or self.tree is None:
            return Parsed(text, self.language, encoded(text), None)
        if text == self.text:
            return self
        data = encoded(text)
        low = _head(self.data, data)
        tail = _tail(self.data[low:], data[low:])
        old_high, new_high = len(self.data) - tail, len(data) - tail
        # Other holders of the old tree go on with it.
        tree = self.tree.copy()
        tree.edit(
            low, old_high, new_high,
            _point(data, low), _point(self.data, old_high), _point(data, new_high),
        )  # fmt: skip
        return Parsed(text, self.language, data, parse.parse(data, tree))

    def byte(self, character: int) -> int:
        """Where a character starts, in bytes of UTF-8; a place outside the text is moved in."""
        character = min(max(character, 0), len(self.text))
        if len(self.data) == len(self.text):
            return character
        step, rest = divmod(character, _STEP)
        return self._offsets[step] + len(encoded(self.text[character - rest : character]))

    def character(self, byte: int) -> int:
        """The character that starts at a byte, or that the byte is a part of."""
        byte = min(max(byte, 0), len(self.data))
        if len(self.data) == len(self.text):
            return byte
        step = bisect_right(self._offsets, byte) - 1
        return step * _STEP + len(self.data[self._offsets[step] : byte].decode("utf-8", "ignore"))

    @cached_property
    def _offsets(self) -> list[int]:
        """The byte at which each _STEP-th character starts."""
        # A last, shorter piece would end at no multiple of the step.
        pieces = range(0, len(self.text) // _STEP * _STEP, _STEP)
        sizes = (len(encoded(self.text[start : start + _STEP])) for start in pieces)
        return list(accumulate(sizes, initial=0))


def encoded(text: str) -> bytes:
    """UTF-8; a lone surrogate, which has none, becomes a question mark."""
    return text.encode("utf-8", "replace")


def _head(one: bytes, other: bytes) -> int:
    """How many bytes two texts share at their start; whole characters."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    while low and (_inside(one, low) or _inside(other, low)):
        low -= 1
    return low


def _tail(one: bytes, other: bytes) -> int:
    """How many bytes two texts share at their end; whole characters."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[len(one) - middle : len(one) - low] == other[len(other) - middle : len(other) - low]:
            low = middle
        else:
            high = middle - 1
    while low and _inside(one, len(one) - low):
        low -= 1
    return low


def _inside(data: bytes, byte: int) -> bool:
    """Whether a character began before this byte and goes on with it."""
    return byte < len(data) and data[byte] & 0xC0 == 0x80


def _point(data: bytes, byte: int) -> tuple[int, int]:
    """Row and column of a byte, as tree-sitter counts them."""
    return data.count(b"\n", 0, byte), byte - data.rfind(b"\n", 0, byte) - 1
