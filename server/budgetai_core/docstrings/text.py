"""What a docstring says, without the marks of its strings and comments, and back to its source."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import dropwhile

_QUOTED = re.compile(r"[rRuU]?(\"\"\"|'''|\"|')")
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_CONTINUED = re.compile(r"[ \t]*\* ?")
_DIRECTIVE = re.compile(r"//(?:[a-z0-9]+:[a-z0-9]|nolint|export |line )")


@dataclass(frozen=True)
class Docstring:
    """From character `start` up to `end`, marks included, without the indentation in front and the
    newline behind. `text` is the inside as it is written: dedented, without the marks of its lines,
    escapes kept. `mark` opens it; `below` tells that its text begins on the next line."""

    start: int
    end: int
    text: str
    mark: str = ""
    below: bool = False


@dataclass(frozen=True)
class Inside:
    """The inside of a docstring as its source has it.

    `opening` and `closing` stand around it. `rows` are its lines in full, and `prefixes` say how
    many characters of each are marks and indentation. Line `n` of the docstring's text is row
    `skipped + n`.
    """

    opening: str
    closing: str
    rows: tuple[str, ...] = field(repr=False)
    prefixes: tuple[int, ...] = field(repr=False)

    @property
    def source(self) -> str:
        return "\n".join(self.rows)

    @cached_property
    def skipped(self) -> int:
        blank = (not row[at:].strip() for row, at in zip(self.rows, self.prefixes, strict=True))
        return next((n for n, empty in enumerate(blank) if not empty), 0)


def inside_of(text: str, docstring: Docstring) -> Inside:
    """Return the inside of a docstring that was read from a text."""
    whole, mark = text[docstring.start : docstring.end], docstring.mark
    if mark.startswith("//"):
        rows = whole.split("\n")
        leads = [re.match(rf"[ \t]*(?:{re.escape(mark)})? ?", row) for row in rows]
        first = len(mark)
        rows[0] = rows[0][first:]
        ends = [len(rows[0]) - len(rows[0].removeprefix(" "))]
        ends += [lead.end() if lead else 0 for lead in leads[1:]]
        return _inside(whole[:first], "", rows, ends)
    if mark.startswith("/*"):
        closing = "*/" if whole.endswith("*/") else ""
        rows = whole[len(mark) : len(whole) - len(closing)].split("\n")
        ends = [len(rows[0]) - len(rows[0].lstrip("*"))]
        leads = [_CONTINUED.match(row) for row in rows[1:]]
        return _inside(mark, closing, rows, [*ends, *(m.end() if m else 0 for m in leads)])
    begin = whole.index(mark) + len(mark)
    rows = whole[begin : len(whole) - len(mark)].split("\n")
    return _inside(whole[:begin], mark, rows, [int(rows[0].startswith("\\")), *[0] * len(rows[1:])])


def _inside(opening: str, closing: str, rows: list[str], ends: list[int]) -> Inside:
    """Return the inside, with the indentation of each line among its prefix."""
    prefixes = [end + _indent(row[end:]) for row, end in zip(rows, ends, strict=True)]
    return Inside(opening, closing, tuple(rows), tuple(prefixes))


def quoted(text: str, start: int, end: int) -> Docstring | None:
    """Return a Python string; None for what says something else than it shows, as an f-string."""
    whole = text[start:end]
    opening = _QUOTED.match(whole)
    if opening is None or len(whole) < opening.end() + len(opening[1]):
        return None
    if not whole.endswith(opening[1]):
        return None
    inside = whole[opening.end() : -len(opening[1])]
    if opening[1] in _ESCAPED.sub("", inside):
        # Two strings, one behind the other.
        return None
    inside = inside.removeprefix("\\")
    return Docstring(start, end, _cleaned(inside), opening[1], _begins_below(inside))


def commented(text: str, start: int, end: int, mark: str) -> Docstring:
    """Return a comment that `mark` opens, or lines that all begin with it."""
    whole = text[start:end]
    if mark.startswith("/*"):
        inside = whole.removesuffix("*/").removeprefix(mark)
        first, *rest = inside.split("\n")
        bare = [first.lstrip("*"), *map(_without_star, rest)]
        return Docstring(start, end, _cleaned("\n".join(bare)), mark, _begins_below(inside))
    lines = (line.strip().removeprefix(mark).removeprefix(" ") for line in whole.split("\n"))
    return Docstring(start, end, _cleaned("\n".join(("", *lines))), mark)


def _without_star(line: str) -> str:
    star = _CONTINUED.match(line)
    return line[star.end() :] if star else line


def _begins_below(inside: str) -> bool:
    return inside.lstrip(" \t").startswith("\n") and bool(inside.strip())


def directive(line: str) -> bool:
    """Return whether a line comment speaks to a tool, as `//go:build` does."""
    return _DIRECTIVE.match(line) is not None


def _cleaned(inside: str) -> str:
    """Return the text without the indentation that all lines but the first share, and the blanks
    around. Each line stays one, and keeps its tabs behind the indentation."""
    first, *rest = inside.split("\n")
    lines = [first.strip(), *(_spaced(line) for line in rest)]
    margin = min((_indent(line) for line in lines[1:] if line), default=0)
    lines = [lines[0], *(line[margin:] for line in lines[1:])]
    lines = list(dropwhile(lambda line: not line, lines))
    while lines and not lines[-1]:
        lines.pop()
    if lines:
        lines[0] = lines[0].lstrip()
    return "\n".join(lines)


def _spaced(line: str) -> str:
    line = line.rstrip()
    indent = line[: _indent(line)]
    return indent.expandtabs() + line[len(indent) :]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
