"""Docstrings with indented sections, as Google's style guide has them."""

import re
from collections.abc import Iterator
from inspect import cleandoc

from budgetai_core.docstrings.parse.entries import (
    Entry,
    Layout,
    Lines,
    Name,
    Section,
    bracket_end,
)

_KINDS = {
    "Args": "parameter",
    "Arguments": "parameter",
    "Parameters": "parameter",
    "Params": "parameter",
    "Keyword Args": "parameter",
    "Keyword Arguments": "parameter",
    "Other Parameters": "parameter",
    "Attributes": "attribute",
    "Return": "returns",
    "Returns": "returns",
    "Yield": "returns",
    "Yields": "returns",
    "Raise": "raises",
    "Raises": "raises",
}
HEADING = re.compile(rf"^[ \t]*({'|'.join(_KINDS)}):[ \t]*$", re.MULTILINE)
_INLINE = re.compile(r"(Returns?|Yields?): +\S")
TOKEN = r"(?::\w[\w:]*:(?=`))?(?:\\?[*`~!])*[^\W\d][\w.]*`{0,2}"
_ITEM = re.compile(rf"(?:[-*+] +)?({TOKEN}(?: *(?:[,/]| or | and ) *{TOKEN})*)[ \t]*")
_NAME = re.compile(r"[^\W\d][\w.]*")
_ROLE = re.compile(r":\w[\w:]*:(?=`)")
_TYPE = re.compile(r"(?:`[^`\n]+`|[\w.]+(?:\[[^\n:]*\])?)(?: \([^()\n]*\))?:(?:\s+|\Z)")
# Words that begin a remark, and are not names.
_REMARKS = frozenset(
    {"Note", "Notes", "Default", "Defaults", "Example", "Examples", "Warning", "Shape", "Usage"}
)


def read(text: str) -> Layout:
    lines, entries, held = Lines(text), list[Entry](), set[int]()
    for kind, section in _sections(lines):
        held.update(range(section.start, section.end))
        if kind == "returns":
            entries.append(_returned(lines, section))
        else:
            entries += _items(lines, kind, section)
    return Layout(lines.without(held), tuple(entries))


def _sections(lines: Lines) -> Iterator[tuple[str, Section]]:
    """Yield the sections. One goes on as long as its lines stand further in than its heading."""
    number = 0
    while number < len(lines):
        word = _heading(lines, number)
        end = number + 1
        if word:
            margin = lines.depth(number)
            while end < len(lines) and not _heading(lines, end):
                if lines[end].strip() and lines.depth(end) <= margin:
                    break
                end += 1
            inline = not lines[number].rstrip().endswith(":")
            last = lines.trimmed(number + 1, end)
            yield _KINDS[word], Section(number, number if inline else number + 1, last)
        number = end


def _heading(lines: Lines, number: int) -> str:
    """Return the word that begins a section on a line; "" for other lines."""
    line = lines[number]
    begins = HEADING.match(line) or _INLINE.match(line.strip())
    return line.strip().partition(":")[0] if begins and number not in lines.code else ""


def _returned(lines: Lines, section: Section) -> Entry:
    inside = cleandoc("\n" + lines.span(section.body, section.end)).strip()
    if section.body == section.start:
        inside = inside.partition(":")[2].strip()
    typed = _TYPE.match(inside)
    description = inside[typed.end() if typed else 0 :].strip() or inside
    kind = typed[0].strip().removesuffix(":") if typed and description != inside else ""
    at = lines.text.find(kind, lines.starts[section.body])
    return Entry(
        "returns", (), section.start, section.end, typed=(at, at + len(kind)) if kind else None,
        type=kind, description=description, section=section,
    )  # fmt: skip


def _items(lines: Lines, kind: str, section: Section) -> Iterator[Entry]:
    """Yield entries at the margin of a section."""
    held: Entry | None = None
    for start, end in lines.blocks(section.body, section.end):
        entry = _item(lines, kind, start, end, section)
        if entry is None and held and lines.goes_on(held.end, start):
            description = f"{held.description}\n{lines.span(start, end)}".strip()
            held = Entry(**{**vars(held), "end": end, "description": description})
        else:
            if held:
                yield held
            held = entry
    if held:
        yield held


def _item(lines: Lines, kind: str, start: int, end: int, section: Section) -> Entry | None:
    at, stop = lines.starts[start] + lines.depth(start), lines.starts[end] - 1
    match = _ITEM.match(lines.text, at, stop)
    if match is None or start in lines.code or match[1] in _REMARKS or "\n" in match[0]:
        return None
    behind, typed = match.end(), None
    close = bracket_end(lines.text[:stop], behind) if lines.text[behind:stop][:1] == "(" else -1
    if close >= 0:
        typed, behind = (behind + 1, close), close + 1
    rest = lines.text[behind:stop]
    colon = len(rest) - len(rest.lstrip(" \t"))
    marked = rest[colon : colon + 1] == ":" and rest[colon : colon + 2] != "::"
    # A bracket alone tells a type where the description stands below.
    if not marked and not (typed and not rest.partition("\n")[0].strip()):
        return None
    description_start = behind + colon + 1 if marked else behind
    description_start += len(lines.text[description_start:stop]) - len(
        lines.text[description_start:stop].lstrip(" \t")
    )
    return Entry(
        kind,
        _names(match[1], match.start(1), kind),
        start,
        end,
        label=match.span(1),
        typed=typed,
        grouped=(match.end(1), close + 1) if typed else None,
        type=" ".join(lines.text[slice(*typed)].split()) if typed else "",
        description=dedented(lines.text[description_start:stop]),
        description_start=description_start,
        section=section,
    )


def _names(label: str, at: int, kind: str) -> tuple[Name, ...]:
    """Return the names of a label without their marks; of exceptions the last part alone."""
    plain = _ROLE.sub(lambda role: " " * len(role[0]), label)
    plain = re.sub(r" (?:or|and) ", lambda word: "," * len(word[0]), plain)
    return tuple(
        named(match[0], at + match.start(), last=kind != "parameter")
        for match in _NAME.finditer(plain)
    )


def named(word: str, at: int, *, last: bool) -> Name:
    """Return a name; its last part, or all of it where it is a path into a parameter."""
    skipped = word.rfind(".") + 1 if last or word.startswith(("self.", "cls.")) else 0
    return Name(word[skipped:], at + skipped, at + len(word))


def dedented(description: str) -> str:
    """Return a description without the indentation of its lines behind the first."""
    first, newline, others = description.partition("\n")
    return f"{first.strip()}\n{cleandoc(newline + others)}".strip()
