"""A text with its syntax tree, and what of the tree lasts when the text is edited.

Trees count bytes, everything else counts characters: the two are converted here.
"""

from bisect import bisect_right
from functools import cached_property
from itertools import accumulate
from time import thread_time

import tree_sitter

from budgetai_core.context.common_prefix import common_length
from budgetai_core.context.languages import Language, parser

# Characters between two known byte offsets: few to store, and few to count from there.
_STEP = 256
# Code takes a millisecond for some thousand characters. But with some garbage tree-sitter's time
# grows with the square of its length: 160,000 characters of Bash took half a minute. So a parse is
# given up after so many seconds of its thread's time.
_PATIENCE = 0.5
_READ = 65536
# Their scanners are sure to come to an end only where the text ends with its line.
_NEEDS_LINE_END = frozenset({"kotlin"})
# Queries take a time that grows with the square of how many brackets stand side by side in one
# error: among 150,000 it was half a minute, and nothing can stop them.
_MAX_SIBLINGS = 8192


class ParsedDocument:
    """A text, its language and its tree, none of which change. `root` is None without a grammar,
    where parsing was given up, and where the tree is rubble."""

    def __init__(
        self, text: str, language: Language | None, data: bytes, tree: tree_sitter.Tree | None
    ) -> None:
        self.text = text
        self.language = language
        self.data = data
        self.tree = tree

    @classmethod
    def of(cls, text: str, language: Language | None) -> "ParsedDocument":
        """Parse a whole text."""
        data = encoded(text)
        parse = parser(language) if language else None
        if language is None or parse is None:
            return cls(text, language, data, None)
        return cls(text, language, data, _tree(parse, readable(data, language)))

    @cached_property
    def root(self) -> tree_sitter.Node | None:
        return (
            self.tree.root_node
            if self.tree and not _is_heap_of_errors(self.tree.root_node)
            else None
        )

    def edited(self, text: str) -> "ParsedDocument":
        """Return the same document with another text; parses only what changed."""
        parse = parser(self.language) if self.language else None
        if self.language is None or parse is None or self.tree is None:
            return ParsedDocument(text, self.language, encoded(text), None)
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
        read = readable(data, self.language)
        return ParsedDocument(text, self.language, data, _tree(parse, read, tree))

    def byte(self, character: int) -> int:
        """Return where a character starts, in bytes of UTF-8; a place outside the text is moved
        in."""
        character = min(max(character, 0), len(self.text))
        if len(self.data) == len(self.text):
            return character
        step, rest = divmod(character, _STEP)
        return self._offsets[step] + len(encoded(self.text[character - rest : character]))

    def character(self, byte: int) -> int:
        """Return the character that starts at a byte, or that the byte is a part of."""
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


def _tree(
    parse: tree_sitter.Parser, data: bytes, old: tree_sitter.Tree | None = None
) -> tree_sitter.Tree | None:
    """Return a tree, or None where it would take too long."""
    end = thread_time() + _PATIENCE

    def read(byte: int, _: tree_sitter.Point) -> bytes:
        return data[byte : byte + _READ]

    def late(_: int, __: bool) -> bool:
        return thread_time() > end

    try:
        if old is None:
            return parse.parse(read, progress_callback=late)
        return parse.parse(read, old, progress_callback=late)
    except ValueError:
        return None


def _is_heap_of_errors(root: tree_sitter.Node) -> bool:
    """Return whether some error is a heap of parts that belong to nothing."""
    pending = [root]
    while pending:
        node = pending.pop()
        if node.end_byte - node.start_byte <= _MAX_SIBLINGS or not node.has_error:
            continue
        if node.is_error and node.child_count > _MAX_SIBLINGS:
            return True
        pending += node.children
    return False


def readable(data: bytes, language: Language) -> bytes:
    """Return the bytes of a text as its parser is given them: with a line end where it would not
    come to an end without one."""
    ended = language.name not in _NEEDS_LINE_END or data.endswith(b"\n")
    return data if ended else data + b"\n"


def encoded(text: str) -> bytes:
    """Return UTF-8; a lone surrogate, which has none, becomes a question mark."""
    return text.encode("utf-8", "replace")


def _head(old: bytes, new: bytes) -> int:
    """Return how many bytes two texts share at their start; whole characters."""
    shared = common_length(old, new)
    while shared and (_inside(old, shared) or _inside(new, shared)):
        shared -= 1
    return shared


def _tail(old: bytes, new: bytes) -> int:
    """Return how many bytes two texts share at their end; whole characters."""
    shared = common_length(old[::-1], new[::-1])
    while shared and _inside(old, len(old) - shared):
        shared -= 1
    return shared


def _inside(data: bytes, byte: int) -> bool:
    """Return whether a character began before this byte and goes on with it."""
    return byte < len(data) and data[byte] & 0xC0 == 0x80


def _point(data: bytes, byte: int) -> tuple[int, int]:
    """Return row and column of a byte, as tree-sitter counts them."""
    return data.count(b"\n", 0, byte), byte - data.rfind(b"\n", 0, byte) - 1
