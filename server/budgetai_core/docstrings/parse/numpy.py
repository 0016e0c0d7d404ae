"""Docstrings with underlined sections, as NumPy's style guide has them."""

import re
from collections.abc import Iterator
from itertools import pairwise

from budgetai_core.docstrings.parse.entries import Entry, Layout, Lines, Name, Section
from budgetai_core.docstrings.parse.google import TOKEN, dedented, named

HEADING = re.compile(r"^[ \t]*[A-Z][A-Za-z ]{1,30}\n[ \t]*(?:-{3,}|={3,})[ \t]*$", re.MULTILINE)
_KINDS = {
    "Parameters": "parameter",
    "Params": "parameter",
    "Other Parameters": "parameter",
    "Receives": "parameter",
    "Attributes": "attribute",
    "Returns": "returns",
    "Return": "returns",
    "Yields": "returns",
    "Raises": "raises",
}
_LABEL = rf"{TOKEN}(?:[ \t]*[,/][ \t]*(?:{TOKEN}|\.\.\.))*"
_ITEM = re.compile(rf"({_LABEL})([ \t]*:(?!:)[ \t]*(.*?))?[ \t]*\Z")
_RAISED = re.compile(r"(?::\w[\w:]*:)?`{0,2}[~!]?([\w.]+)`{0,2}[ \t]*(?::.*)?\Z")
_NAME = re.compile(r"[^\W\d][\w.]*")
_NOTHING = frozenset({"None", "Nothing"})


def read(text: str) -> Layout:
    """Read NumPy's sections. Those of other names are not prose, and hold no entries."""
    lines, entries, held = Lines(text), list[Entry](), set[int]()
    for title, section in _sections(lines):
        held.update(range(section.start, section.end))
        kind = _KINDS.get(title, "")
        if kind == "returns":
            entries += _returned(lines, section)
        elif kind:
            for start, end in lines.blocks(section.body, section.end):
                read_item = _raised if kind == "raises" else _item
                entries += read_item(lines, kind, start, end, section)
    return Layout(lines.without(held), tuple(entries))


def _sections(lines: Lines) -> Iterator[tuple[str, Section]]:
    heads = [
        number
        for number in range(len(lines) - 1)
        if number not in lines.code and HEADING.fullmatch(lines.span(number, number + 2))
    ]
    for number, below in pairwise([*heads, len(lines)]):
        section = Section(number, number + 2, max(lines.trimmed(number, below), number + 2))
        yield lines[number].strip(), section


def _item(lines: Lines, kind: str, start: int, end: int, section: Section) -> Iterator[Entry]:
    inner = lines.depth(start)
    at = lines.starts[start] + inner
    match = _ITEM.match(lines[start][inner:])
    if match is None or match[1] in _NOTHING or start in lines.code:
        return
    description_start = lines.starts[start + 1] + lines.depth(start + 1) if end > start + 1 else 0
    typed = (at + match.start(3), at + match.end(3)) if match[2] is not None else None
    yield Entry(
        kind,
        tuple(_names(match[1], at + match.start(1), kind)),
        start,
        end,
        label=(at + match.start(1), at + match.end(1)),
        typed=typed,
        grouped=(at + match.start(2), at + match.end(2)) if typed else None,
        type=match[3] or "",
        description=dedented("\n" + lines.span(start + 1, end)),
        description_start=description_start,
        section=section,
    )


def _names(label: str, at: int, kind: str) -> Iterator[Name]:
    """Yield the names of a label; `x_1, ..., x_4` are four."""
    above: Name | None = None
    for word in _NAME.finditer(label):
        name = named(word[0], at + word.start(), last=kind != "parameter")
        if above and "..." in label[above.end - at : word.start()]:
            yield from _between(above, name)
        yield name
        above = name


def _between(first: Name, last: Name) -> Iterator[Name]:
    low, high = (re.search(r"\d{1,3}\Z", name.text) for name in (first, last))
    if low and high and first.text[: low.start()] == last.text[: high.start()]:
        for number in range(int(low[0]) + 1, int(high[0])):
            yield Name(f"{first.text[: low.start()]}{number}", last.start, last.end)


def _raised(lines: Lines, kind: str, start: int, end: int, section: Section) -> Iterator[Entry]:
    at, names = lines.starts[start], []
    for part in re.finditer(r"[^,]+", lines[start].partition(" : ")[0]):
        if match := _RAISED.match(part[0].strip()):
            place = at + part.start() + part[0].index(match[1])
            names.append(named(match[1], place, last=True))
    if names:
        description = dedented("\n" + lines.span(start + 1, end))
        yield Entry(kind, tuple(names), start, end, description=description, section=section)


def _returned(lines: Lines, section: Section) -> Iterator[Entry]:
    for start, end in lines.blocks(section.body, section.end):
        line = lines[start].strip()
        description = dedented("\n" + lines.span(start + 1, end))
        kind = line.rpartition(" : ")[2] if " : " in line else line
        at = lines.starts[start] + len(lines[start].rstrip()) - len(kind)
        yield Entry(
            "returns", (), start, end, typed=(at, at + len(kind)) if description else None,
            type=kind if description else "", description=description or line, section=section,
        )  # fmt: skip
