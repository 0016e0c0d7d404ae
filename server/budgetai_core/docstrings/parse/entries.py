"""The entries of a docstring's lists, and where in its text each of them stands.

A text is the inside of a docstring without the marks of its lines. Places in it are numbers of
lines, and characters of the whole text. What no parser understands is in no entry, and hides none.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

Span = tuple[int, int]

# The key under which the type of what comes back stands among those of parameters.
RETURN = "return"
RECEIVER_NAMES = frozenset({"self", "cls"})
_CLOSERS = {"(": ")", "{": "}", "[": "]", "<": ">"}
_QUOTES = "\"'`"
_FENCE = re.compile(r"[ \t]*(```+|~~~+)")
_LITERAL = re.compile(r"(?:\.\. (?:code|code-block|sourcecode|doctest|testcode)::.*|.*::)\Z")
# What begins something of its own, and goes on with no entry.
_BEGINS = re.compile(r"\w[\w ]*:(?:\s|\Z)")


@dataclass(frozen=True)
class Name:
    """A name as code has it, without stars and marks, by the characters it stands at."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Section:
    """Lines from a heading's first up to `end`; `body` is the first below the heading."""

    start: int
    body: int
    end: int


@dataclass(frozen=True)
class Entry:
    """What is told of one name or several that share a line.

    `kind` is parameter, attribute, returns, raises, property (a part of a parameter, as
    `options.size`), or type (a field that tells a parameter's type alone). `start` to `end` are its
    lines. The spans are characters: `label` holds the names with all that marks them, `typed` the
    type alone, `grouped` the type with its brackets and the space around, `description_start` where
    the description begins.
    """

    kind: str
    names: tuple[Name, ...]
    start: int
    end: int
    label: Span = (0, 0)
    typed: Span | None = None
    grouped: Span | None = None
    type: str = ""
    description: str = ""
    description_start: int = 0
    section: Section | None = None


@dataclass(frozen=True)
class Layout:
    """`prose` are the sentences that stand in no section."""

    prose: str
    entries: tuple[Entry, ...] = ()


class Lines:
    """A text by its lines."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, number: int) -> str:
        return self.lines[number]

    @cached_property
    def code(self) -> set[int]:
        """The lines that show code: no heading stands there, no field and no item."""
        return _code_lines(self.lines)

    def depth(self, number: int) -> int:
        return depth(self.lines[number])

    def span(self, start: int, end: int) -> str:
        """Return the text of lines, without the line end behind the last."""
        return "\n".join(self.lines[start:end])

    def without(self, numbers: set[int]) -> str:
        return "\n".join(line for n, line in enumerate(self.lines) if n not in numbers)

    def trimmed(self, start: int, end: int) -> int:
        """Return `end` without the empty lines in front of it."""
        while end > start and not self.lines[end - 1].strip():
            end -= 1
        return end

    def blocks(self, start: int, end: int) -> Iterator[Span]:
        """Yield the lines that stand as far out as the first of some lines, each with those below
        it that stand further in."""
        first = next((n for n in range(start, end) if self.lines[n].strip()), end)
        if first == end:
            return
        margin, begun = self.depth(first), first
        for number in range(first + 1, end):
            if self.lines[number].strip() and self.depth(number) <= margin:
                yield begun, self.trimmed(begun, number)
                begun = number
        yield begun, self.trimmed(begun, end)

    def goes_on(self, end: int, number: int) -> bool:
        """Return whether a line below an entry that ends at `end` is its sentence, wrapped but not
        indented."""
        if number != end:
            return False
        line, above = self.lines[number].strip(), self.lines[end - 1].rstrip()
        begins = not line[:1].islower() or _BEGINS.match(line)
        return not begins and not above.endswith((".", ":", "!", "?"))


def depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _code_lines(lines: Sequence[str]) -> set[int]:
    """Return the numbers of lines that show code: in fences that are closed, in literal blocks, and
    in sessions."""
    shown, literal, session = set[int](), -1, False
    fences = _fenced(lines)
    for number, line in enumerate(lines):
        inner = depth(line)
        if number in fences or (literal >= 0 and (not line.strip() or inner > literal)):
            shown.add(number)
        elif line.lstrip().startswith(">>>") or (session and line.strip()):
            shown.add(number)
            session = True
            literal = -1
        else:
            session = False
            literal = inner if _LITERAL.match(line.strip()) else -1
    return shown


def _fenced(lines: Sequence[str]) -> set[int]:
    held, opened, mark = set[int](), -1, ""
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if opened < 0 and fence:
            opened, mark = number, fence[1]
        elif opened >= 0 and fence and fence[1].startswith(mark) and line.strip() == fence[1]:
            held.update(range(opened, number + 1))
            opened = -1
    return held


def bracket_end(text: str, start: int) -> int:
    """Return where the bracket closes that opens at a character; -1 where it does not. Brackets in
    quotes count only where no quotes make sense of them."""
    closer = _CLOSERS.get(text[start : start + 1], "")
    if not closer:
        return -1
    end = _balanced(text, start, closer, quotes=True)
    return end if end >= 0 else _balanced(text, start, closer, quotes=False)


def _balanced(text: str, start: int, closer: str, *, quotes: bool) -> int:
    level, quote = 0, ""
    for at in range(start, len(text)):
        character = text[at]
        if quote:
            quote = "" if character == quote or character == "\n" else quote
        elif quotes and character in _QUOTES:
            quote = character
        elif character == text[start]:
            level += 1
        elif character == closer:
            level -= 1
            if not level:
                return at
    return -1
