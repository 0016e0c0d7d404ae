"""What a docstring says, without the marks of its strings and comments."""

import re
from dataclasses import dataclass
from inspect import cleandoc

_QUOTED = re.compile(r"[rRuU]?(\"\"\"|'''|\"|')")
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_CONTINUED = re.compile(r"^[ \t]*\* ?", re.MULTILINE)
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


def quoted(text: str, start: int, end: int) -> Docstring | None:
    """A Python string; None for what says something else than it shows, as an f-string."""
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
    """A comment that `mark` opens, or lines that all begin with it."""
    whole = text[start:end]
    if mark.startswith("/*"):
        inside = whole.removesuffix("*/").removeprefix(mark)
        first, newline, rest = inside.partition("\n")
        said = first.lstrip("*") + newline + _CONTINUED.sub("", rest)
        return Docstring(start, end, _cleaned(said), mark, _begins_below(inside))
    lines = (line.strip().removeprefix(mark).removeprefix(" ") for line in whole.split("\n"))
    return Docstring(start, end, _cleaned("\n".join(("", *lines))), mark)


def _begins_below(inside: str) -> bool:
    return inside.lstrip(" \t").startswith("\n") and bool(inside.strip())


def directive(line: str) -> bool:
    """Whether a line comment speaks to a tool, as `//go:build` does."""
    return _DIRECTIVE.match(line) is not None


def _cleaned(inside: str) -> str:
    """Without the indentation that all lines but the first share, and the blanks around."""
    return "\n".join(map(str.rstrip, cleandoc(inside).split("\n"))).strip()
