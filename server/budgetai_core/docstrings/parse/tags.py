"""Texts with tags, as JSDoc, Javadoc and Doxygen have them: `@param x what it is`."""

import re
from collections.abc import Iterator
from itertools import pairwise

from budgetai_core.docstrings.parse.entries import (
    Entry,
    Layout,
    Lines,
    Name,
    Span,
    bracket_end,
)
from budgetai_core.docstrings.parse.google import dedented

_KINDS = {
    **dict.fromkeys(("param", "arg", "argument"), "parameter"),
    **dict.fromkeys(("return", "returns", "yields", "yield"), "returns"),
    **dict.fromkeys(("throws", "throw", "exception"), "raises"),
}
_TAG = re.compile(rf"@(\w[\w-]*)|\\({'|'.join(_KINDS)})\b")
_DIRECTION = re.compile(r"\[(?:in|out|inout|in, ?out)\]")
# The parameters behind these are those of a type.
_OTHER = re.compile(r"@(?:callback|typedef)\b")
_INLINE = re.compile(r"\{@\w+")
_PRE = re.compile(r"<(pre|code)\b[^>]*>", re.IGNORECASE)
_WORD = re.compile(r"(?:\.\.\.)?(<?[^\W\d][\w$.<>\[\]-]*|\$[\w$.]*)")
_EXCEPTION = re.compile(r"[A-Z][\w$.]*\Z")
_DASH = re.compile(r"[ \t]*(?:-(?:[ \t]+|$))?")


def read(text: str) -> Layout:
    """Read the tags of JSDoc and Javadoc. Type variables (`<T>`) are not parameters; parts of
    parameters (`options.size`) are entries of their own kind. A line of code that begins with @ is
    no tag."""
    lines = Lines(text)
    code = lines.code | _inside(lines)
    tags = [
        number
        for number in range(len(lines))
        if number not in code and _TAG.match(lines[number], lines.depth(number))
    ]
    entries, held, elsewhere = list[Entry](), set[int](), False
    for number, below in pairwise([*tags, len(lines)]):
        held.update(range(number, below))
        elsewhere |= _OTHER.match(lines[number].strip()) is not None
        if not elsewhere:
            entries += _entry(lines, number, _end(lines, number, below, code))
    return Layout(lines.without(held), tuple(entries))


def _inside(lines: Lines) -> set[int]:
    """Return the lines that an inline tag or a preformatted block of several lines goes over, but
    the first; what is never closed holds no lines."""
    text, held = lines.text, set[int]()
    spans = []
    for match in _INLINE.finditer(text):
        spans.append((match.start(), bracket_end(text, match.start())))
    for match in _PRE.finditer(text):
        spans.append((match.start(), text.find(f"</{match[1]}", match.end())))
    for start, end in spans:
        if end > start:
            first, last = text.count("\n", 0, start), text.count("\n", 0, end)
            held.update(range(first + 1, last + 1))
    return held


def _end(lines: Lines, start: int, below: int, code: set[int]) -> int:
    """Return where the description of a tag ends: a paragraph behind it that stands no further in
    is none of it, though no other tag is in front of that."""
    inner = lines.depth(start)
    held = _typed_lines(lines, start)
    for number in range(start + 1, below):
        apart = not lines[number - 1].strip() and number > held
        if apart and lines[number].strip() and number not in code and lines.depth(number) <= inner:
            return lines.trimmed(start, number)
    return lines.trimmed(start, below)


def _typed_lines(lines: Lines, start: int) -> int:
    """Return the line in which the type of a tag ends."""
    brace = lines.text.find("{", lines.starts[start], lines.starts[start + 1])
    end = bracket_end(lines.text, brace) if brace >= 0 else -1
    return lines.text.count("\n", 0, end) if end >= 0 else start


def _entry(lines: Lines, start: int, end: int) -> Iterator[Entry]:
    inner = lines.depth(start)
    tag = _TAG.match(lines[start], inner)
    kind = _KINDS.get(tag[1] or tag[2], "") if tag else ""
    if tag is None or not kind:
        return
    text, stop = lines.text, lines.starts[end] - 1
    at = lines.starts[start] + tag.end()
    if direction := _DIRECTION.match(text, at, stop):
        at = direction.end()
    at = _skipped(text, at, stop)
    typed = grouped = None
    close = bracket_end(text[:stop], at) if text[at : at + 1] == "{" else -1
    if close >= 0:
        typed, behind = (at + 1, close), _skipped(text, close + 1, stop)
        grouped = (at, behind)
        at = behind
    written = " ".join(text[slice(*typed)].split()) if typed else ""
    names, label = list[Name](), (at, at)
    if kind == "parameter":
        names, label, kind = _parameter(text, at, stop)
    elif kind == "raises":
        names, label = _raised(text, at, stop, typed)
    dash = _DASH.match(text, label[1], stop)
    description_start = dash.end() if dash else label[1]
    if kind and (names or kind == "returns"):
        description = dedented(text[description_start:stop])
        yield Entry(
            kind, tuple(names), start, end, label, typed, grouped, written,
            description, description_start,
        )  # fmt: skip


def _parameter(text: str, at: int, stop: int) -> tuple[list[Name], Span, str]:
    """Return the name, where it stands with the brackets of an optional one, and the kind of
    entry."""
    close = bracket_end(text[:stop], at) if text[at : at + 1] == "[" else -1
    word = _WORD.match(text, _skipped(text, at + 1, stop) if close >= 0 else at, stop)
    if word is None or word[1].startswith("<"):
        return [], (at, at), ""
    path = word[1].rstrip("-.")
    name = path.partition(".")[0].partition("[")[0].partition("<")[0]
    end = close + 1 if close >= 0 else word.start(1) + len(path)
    kind = "property" if name != path else "parameter"
    return [Name(name, word.start(1), word.start(1) + len(name))], (at, end), kind


def _raised(text: str, at: int, stop: int, typed: Span | None) -> tuple[list[Name], Span]:
    place = typed or (at, at)
    label = (at, at)
    if typed is None:
        word = _WORD.match(text, at, stop)
        if word and _EXCEPTION.match(word[0]):
            place = label = word.span()
    name = text[slice(*place)]
    last = name.rfind(".") + 1
    return [Name(name[last:], place[0] + last, place[1])], label


def _skipped(text: str, at: int, stop: int) -> int:
    """Return the place behind the white space at a character, line ends among it."""
    while at < stop and text[at].isspace():
        at += 1
    return at
