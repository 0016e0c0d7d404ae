"""Texts of sentences with Markdown's headings, as Rust has them: `# Arguments`, `# Errors`."""

import re
from collections.abc import Iterator
from itertools import pairwise

from budgetai_core.docstrings.parse.entries import (
    Entry,
    Layout,
    Lines,
    Name,
    Section,
)
from budgetai_core.docstrings.parse.google import dedented

_HEADING = re.compile(r"#{1,6}[ \t]+(\w[\w \t]*?)[ \t]*#*\Z")
_ITEM = re.compile(
    r"[*+-][ \t]+(`[^`\n]+`|\*\*[^*\n]+\*\*|\w+)([ \t]*\([^()\n]*\))?"
    r"[ \t]*(?:[-:\u2013\u2014]+[ \t]*)?"
)
_NAME = re.compile(r"(?:&(?:'\w+[ \t]+)?)?(?:mut[ \t]+|ref[ \t]+)*([^\W\d]\w*)")
_LISTS = frozenset({"arguments", "parameters", "params", "args"})
_RAISES = {"errors": "Errors", "panics": "Panics"}
_RETURNS = frozenset({"returns", "return value"})


def read(text: str) -> Layout:
    """Read sections under Markdown headings; those inside of code do not count. What stands under
    others, as examples, is not prose."""
    lines, entries, held = Lines(text), list[Entry](), set[int]()
    heads = [
        number
        for number in range(len(lines))
        if number not in lines.code and _HEADING.match(lines[number].strip())
    ]
    for number, below in pairwise([*heads, len(lines)]):
        held.update(range(number, below))
        body = number + 1
        while body < below and not lines[body].strip():
            body += 1
        section = Section(number, body, max(lines.trimmed(number, below), number + 1))
        entries += _entries(lines, section)
    return Layout(lines.without(held), tuple(entries))


def _entries(lines: Lines, section: Section) -> Iterator[Entry]:
    match = _HEADING.match(lines[section.start].strip())
    title = match[1].lower() if match else ""
    description = lines.span(section.body, section.end).strip()
    if title in _LISTS:
        for start, end in lines.blocks(section.body, section.end):
            yield from _item(lines, start, end, section)
    elif title in _RAISES:
        name = Name(_RAISES[title], 0, 0)
        yield Entry("raises", (name,), section.start, section.end, description=description)
    elif title in _RETURNS:
        yield Entry("returns", (), section.start, section.end, description=description)


def _item(lines: Lines, start: int, end: int, section: Section) -> Iterator[Entry]:
    at, stop = lines.starts[start] + lines.depth(start), lines.starts[end] - 1
    match = _ITEM.match(lines.text, at, lines.starts[start + 1] - 1)
    word = _NAME.match(lines.text, match.start(1) + _marks(match[1])) if match else None
    if match is None or word is None or word.end() > match.end(1) or start in lines.code:
        return
    while end < section.end and lines.goes_on(end, end) and not _is_item(lines, end):
        end += 1
        stop = lines.starts[end] - 1
    yield Entry(
        "parameter",
        (Name(word[1], *word.span(1)),),
        start,
        end,
        label=(match.start(1), match.end(1)),
        typed=(match.start(2) + match[2].index("(") + 1, match.end(2) - 1) if match[2] else None,
        grouped=match.span(2) if match[2] else None,
        type=match[2].strip(" \t()") if match[2] else "",
        description=dedented(lines.text[match.end() : stop]),
        description_start=match.end(),
        section=section,
    )


def _is_item(lines: Lines, number: int) -> bool:
    return _ITEM.match(lines[number].strip()) is not None


def _marks(label: str) -> int:
    return len(label) - len(label.lstrip("`*"))
