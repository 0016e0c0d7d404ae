"""Docstrings with fields: `:param x: what it is` in Sphinx, `@param x: what it is` in Epydoc."""

import re
from collections.abc import Iterator

from budgetai_core.docstrings.parse.entries import Entry, Layout, Lines, Name, Span
from budgetai_core.docstrings.parse.google import dedented

_KINDS = {
    **dict.fromkeys(
        ("param", "parameter", "arg", "argument", "key", "keyword", "kwarg"), "parameter"
    ),
    **dict.fromkeys(("attribute", "attr", "ivar", "cvar", "var"), "attribute"),
    **dict.fromkeys(("return", "returns", "yield", "yields"), "returns"),
    **dict.fromkeys(("raise", "raises", "except", "exception"), "raises"),
    "type": "type",
    "rtype": "rtype",
}
SPHINX = re.compile(
    r"^[ \t]*:(?:param|parameter|arg|argument|key|keyword|type|returns?|rtype|raises?|yields?)\b"
    r"[^\n]*:",
    re.MULTILINE,
)
EPYDOC = re.compile(
    r"^[ \t]*@(?:param|type|returns?|rtype|raises?|keyword)\b[^\n:]*:", re.MULTILINE
)
# The first colon ends a plain argument; one with roles or slices ends at a colon with a space.
_PLAIN = re.compile(r"[:@](\w+)(?:[ \t]+([^:\n]+?))?[ \t]*:(?![`:\w]|\S+`)")
_TIGHT = re.compile(r"[:@](\w+)(?:[ \t]+(\\?\*{0,2}\w+))?:(?!`)")
_LONG = re.compile(r"[:@](\w+)[ \t]+(\S[^\n]*?):(?=[ \t]|\Z|\n)")
_ANY = re.compile(r":[a-zA-Z][\w -]*(?:[ \t][^\n]*?)?:(?=[ \t]|\Z|\n)|@[a-z]+\b[^\n:]*:")
_WORD = r"\\?(?:\\?\*){0,2}`?[^\W\d][\w.]*`?"
_SEVERAL = re.compile(rf"{_WORD}(?:[ \t]*[,/][ \t]*{_WORD})*")
_LAST = re.compile(rf"(?:(.*\S)[ \t]+)?({_WORD})", re.DOTALL)
_NAME = re.compile(r"[^\W\d][\w.]*")


def read(text: str) -> Layout:
    """Read the fields of Sphinx and Epydoc. What stands behind a field, and no further in, is not a
    part of it."""
    lines, entries, held = Lines(text), list[Entry](), set[int]()
    number = 0
    while number < len(lines):
        if number in lines.code or not _is_field(lines, number):
            number += 1
            continue
        end = _end(lines, number)
        held.update(range(number, end))
        entries += _field(lines, number, end)
        number = end
    return Layout(lines.without(held), tuple(entries))


def _is_field(lines: Lines, number: int) -> bool:
    line, inner = lines[number], lines.depth(number)
    tight = _TIGHT.match(line, inner)
    return _ANY.match(line, inner) is not None or (tight is not None and tight[1] in _KINDS)


def _end(lines: Lines, start: int) -> int:
    """Return where a field ends: its lines stand further in, or go on with its sentence."""
    inner, end, number = lines.depth(start), start + 1, start + 1
    while number < len(lines):
        deeper = lines.depth(number) > inner
        if lines[number].strip() and not deeper and not lines.goes_on(end, number):
            break
        number += 1
        end = number if lines[number - 1].strip() else end
    return end


def _field(lines: Lines, start: int, end: int) -> Iterator[Entry]:
    line, inner = lines[start], lines.depth(start)
    match = (
        _PLAIN.match(line, inner) or _TIGHT.match(line, inner) or _LONG.match(line, inner)
    )  # fmt: skip
    kind = _KINDS.get(match[1], "") if match else ""
    if match is None or not kind:
        return
    argument = match[2] if match.lastindex and match.lastindex > 1 else None
    at = lines.starts[start] + (match.start(2) if argument else match.end())
    description_start = lines.starts[start] + match.end()
    description_start += len(line[match.end() :]) - len(line[match.end() :].lstrip(" \t"))
    description = dedented(lines.text[description_start : lines.starts[end] - 1])
    if kind in ("returns", "rtype"):
        yield Entry(
            kind, (), start, end, description=description, description_start=description_start
        )
        return
    label, written = _label(argument or "", at, several=kind == "raises")
    if label is None:
        return
    names = tuple(
        _named(word[0], label[0] + word.start(), kind)
        for word in _NAME.finditer(lines.text[slice(*label)])
    )
    grouped = (written[0], label[0]) if written else None
    type_ = lines.text[slice(*written)] if written else ""
    if names:
        yield Entry(
            kind, names, start, end, label, written, grouped, type_, description, description_start
        )


def _label(argument: str, at: int, *, several: bool) -> tuple[Span | None, Span | None]:
    """Return where the names stand in a field's argument, and where the type in front of them."""
    whole = argument.strip()
    if several or _SEVERAL.fullmatch(whole):
        return (at, at + len(argument)), None
    match = _LAST.fullmatch(argument)
    if match is None:
        return None, None
    typed = (at + match.start(1), at + match.end(1)) if match[1] else None
    return (at + match.start(2), at + match.end(2)), typed


def _named(word: str, at: int, kind: str) -> Name:
    skipped = word.rfind(".") + 1 if kind in ("raises", "attribute") else 0
    return Name(word[skipped:], at + skipped, at + len(word))
