"""Bringing a docstring up to date: the lines that are stale change, and every other byte stays.

The entries of parameters that are gone go, those of new ones are written as their neighbours are,
and a name that has only been spelled anew is spelled anew in its place, as is a type that the
signature contradicts. What no parser understands
is never touched, as it is in no entry.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from budgetai_core.context.languages import Language
from budgetai_core.docstrings.documentable import Documentable, Parameter
from budgetai_core.docstrings.lint import parameter_differences
from budgetai_core.docstrings.parse.comment_syntax import lead
from budgetai_core.docstrings.parse.entries import Entry, Lines, Section, Span
from budgetai_core.docstrings.parse.sections import layout
from budgetai_core.docstrings.stale_types import type_differences
from budgetai_core.docstrings.template_builder import Free, Literal
from budgetai_core.docstrings.text import Inside, inside_of

_TOKENS = 40
# Names that agree so far are one name, spelled anew.
_MIN_LIKENESS = 0.8
_ELLIPSIS = "..."
_NAMED_KINDS = ("parameter", "property", "type")
_SEPARATOR = r"[ \t]*(?:[,/]|\bor\b|\band\b)[ \t]*"


@dataclass(frozen=True)
class Update:
    """The inside of a docstring as it will be, with what is `Free` still to be told; `opening` and
    `closing` stand around it. `escaped`: a backslash has to stand twice."""

    opening: str
    closing: str
    parts: tuple[Literal | Free, ...]
    escaped: bool


@dataclass
class _Row:
    """A line to be: marks and indentation, then what stands behind them."""

    prefix: str
    parts: list[Literal | Free]
    number: int = -1


@dataclass
class _Changes:
    """What becomes of the rows of an inside: those that go, those with other text, and new ones in
    front of and behind others."""

    dropped: set[int] = field(default_factory=set)
    changed: dict[int, list[tuple[Span, str]]] = field(default_factory=lambda: defaultdict(list))
    before: dict[int, list[_Row]] = field(default_factory=lambda: defaultdict(list))
    behind: dict[int, list[_Row]] = field(default_factory=lambda: defaultdict(list))


def update(text: str, documentable: Documentable, language: Language) -> Update | None:
    """Return how the docstring of a definition of a text becomes true. None where there is none, or
    nothing of it would stay."""
    if documentable.docstring is None:
        return None
    return _Updating(text, documentable, language).update()


class _Updating:
    def __init__(self, text: str, documentable: Documentable, language: Language) -> None:
        assert documentable.docstring
        self.documentable = documentable
        self.mark = documentable.docstring.mark
        self.inside: Inside = inside_of(text, documentable.docstring)
        self.lines = Lines(documentable.docstring.text)
        self.entries = layout(documentable.docstring.text, language).entries
        self.listed = [entry for entry in self.entries if entry.kind == "parameter"]
        gone, self.missing = parameter_differences(documentable, language)
        self.renamed = _renamed(self.listed, gone, self.missing, documentable.parameters)
        written = self.renamed.values()
        self.missing = [parameter for parameter in self.missing if parameter.name not in written]
        self.gone = set(gone) - set(self.renamed)
        self.types = type_differences(documentable, language)
        self.changes = _Changes()

    def update(self) -> Update | None:
        for entry in self.entries:
            if entry.kind in _NAMED_KINDS:
                self._revise(entry)
        for difference in self.types:
            self._change(difference.span, difference.annotation)
        for parameter in self.missing:
            self._add(parameter)
        self._drop_headings()
        self._close_gaps()
        rows = self._rows()
        if not any(self._has_text(row) for row in rows):
            return None
        opening, closing = self.inside.opening, self.inside.closing
        if len(rows) > 1 and closing in ('"', "'"):
            opening, closing = opening + 2 * closing, 3 * closing
        escaped = closing[:1] in ("'", '"') and "r" not in opening.lower()
        return Update(opening, closing, tuple(_joined(rows)), escaped)

    def _row(self, line: int) -> int:
        return self.inside.skipped + line

    def _revise(self, entry: Entry) -> None:
        """Take what is gone out of an entry, and the entry out where nothing is left."""
        stale = [name for name in entry.names if name.text.partition(".")[0] in self.gone]
        if len(stale) == len(entry.names):
            rows = range(self._row(entry.start), self._row(entry.end))
            self.changes.dropped.update(rows)
            return
        if _ELLIPSIS in self.lines.text[slice(*entry.label)]:
            # What of it is gone is not written there.
            return
        for name in entry.names:
            base, dot, path = name.text.partition(".")
            if base in self.renamed:
                self._change((name.start, name.end), self.renamed[base] + dot + path)
        for name in stale:
            self._change(self._with_separator(entry, (name.start, name.end)), "")

    def _with_separator(self, entry: Entry, span: Span) -> Span:
        """Return a name among others, with its marks and what sets it apart."""
        text, (low, high) = self.lines.text, entry.label
        marks = r"(?::\w[\w:]*:(?=`))?[\\*`~!]*"
        start = span[0] - len(re.search(rf"{marks}\Z", text[low : span[0]])[0])  # type: ignore[index]
        end = span[1] + len(re.match(r"[*`]*", text[span[1] : high])[0])  # type: ignore[index]
        if behind := re.match(_SEPARATOR, text[end:high]):
            return start, end + behind.end()
        before = re.search(rf"{_SEPARATOR}\Z", text[low:start])
        return start - (len(before[0]) if before else 0), end

    def _change(self, span: Span, new: str) -> None:
        line = self.lines.text.count("\n", 0, span[0])
        row = self._row(line)
        offset = self.inside.prefixes[row] - self.lines.starts[line] - self.lines.depth(line)
        self.changes.changed[row].append(((span[0] + offset, span[1] + offset), new))

    def _add(self, parameter: Parameter) -> None:
        """Put a new entry behind that of the parameter in front of it, or in front of the next."""
        like = self._like(parameter)
        new = self._entry(parameter, like)
        order = [parameter.name for parameter in self.documentable.parameters]
        place = order.index(parameter.name)
        kept = {name: e for e in reversed(self.listed) if self._stays(e) for name in self._names(e)}
        blank = self._blank_row()
        above = next((kept[name] for name in reversed(order[:place]) if name in kept), None)
        if above:
            at = self._row(self._group(above)[1]) - 1
            self.changes.behind[at] += [*blank, *new]
            return
        below = next((kept[name] for name in order[place + 1 :] if name in kept), None)
        if below or kept:
            first = self._group(below or next(iter(kept.values())))[0]
            self.changes.before[self._row(first)] += [*new, *blank]
            return
        first = self._row(min(entry.start for entry in self.listed))
        self.changes.before[first] += [*(blank if self.changes.before[first] else []), *new]

    def _names(self, entry: Entry) -> list[str]:
        return [self.renamed.get(name.text, name.text) for name in entry.names]

    def _stays(self, entry: Entry) -> bool:
        return self._row(entry.start) not in self.changes.dropped

    def _group(self, entry: Entry) -> Span:
        """Return the lines of an entry, with the parts and the type of its parameter around it."""
        start, end = entry.start, entry.end
        names = {name.text for name in entry.names}
        for other in self.entries:
            bases = {name.text.partition(".")[0] for name in other.names}
            if other.kind not in ("property", "type") or not bases & names:
                continue
            if other.end == start:
                start = other.start
            elif not self.lines.span(end, other.start).strip() and other.start >= end:
                end = other.end
        return start, end

    def _blank_row(self) -> list[_Row]:
        """Return the empty line that stands between all entries, if one does."""
        pairs = [
            (above, below)
            for above, below in zip(self.listed, self.listed[1:], strict=False)
            if not self.lines.span(above.end, below.start).strip()
        ]
        empty = [below.start - 1 for above, below in pairs if below.start > above.end]
        if not pairs or len(empty) < len(pairs):
            return []
        row = self.inside.rows[self._row(empty[0])]
        return [_Row(row, [])]

    def _like(self, parameter: Parameter) -> Entry:
        """Return the entry whose form is best to write another one in."""
        text = self.lines.text

        def oddity(entry: Entry) -> tuple[bool, ...]:
            label = text[slice(*entry.label)]
            return (
                self._head_line(entry) != entry.start,
                len(entry.names) > 1,
                any(name.text in self.documentable.allowed for name in entry.names),
                "*" in label.replace("**", "", 1) if label.startswith("**`") else label[:1] == "*",
                not entry.description,
                (entry.typed is not None) != bool(parameter.type),
                label.startswith("["),
                not self._stays(entry),
            )

        return min(self.listed, key=oddity)

    def _entry(self, parameter: Parameter, like: Entry) -> list[_Row]:
        """Return the rows of a new entry, in the form of another one."""
        first = self._head_line(like)
        stop = self.lines.starts[first + 1] - 1
        beside = 0 < like.description_start < stop
        head = self._head(parameter, like, like.description_start if beside else stop)
        prefix = self._prefix(like.start)
        description = Free(f"parameter {parameter.name}", _TOKENS)
        if beside:
            rows = [_Row(prefix, [Literal(head), description])]
        elif like.end > first + 1:
            below = next(n for n in range(first + 1, like.end) if self.lines[n].strip())
            rows = [
                _Row(prefix, [Literal(head.rstrip())]),
                _Row(self._prefix(below), [description]),
            ]
        elif self._underlined(like.section):
            step = "\t" if self.documentable.indent.startswith("\t") else "    "
            rows = [_Row(prefix, [Literal(head.rstrip())]), _Row(prefix + step, [description])]
        else:
            dashed = any(self._dash(entry) for entry in self.listed)
            rows = [_Row(prefix, [Literal(f"{head.rstrip()} {'- ' * dashed}"), description])]
        return self._with_type(parameter, like, rows)

    def _head_line(self, entry: Entry) -> int:
        """Return the line in which names and type end."""
        return self.lines.text.count("\n", 0, max(entry.label[1], (entry.grouped or (0, 0))[1]))

    def _underlined(self, section: Section | None) -> bool:
        line = self.lines[section.start + 1] if section else ""
        return line.strip()[:1] in ("-", "=") and not line.strip(" \t-=")

    def _dash(self, entry: Entry) -> bool:
        return self.lines.text[entry.label[1] : entry.description_start].strip() == "-"

    def _head(self, parameter: Parameter, like: Entry, stop: int) -> str:
        """Return what stands in front of a description, with another name and type."""
        text = self.lines.text
        label = text[slice(*like.label)]
        name = parameter.name
        if label.startswith("[") and parameter.optional:
            name = f"[{name}]"
        elif match := re.match(r"(`+|\*\*(?=[^*]+\*\*\Z))", label):
            name = f"{match[1]}{name}{match[1]}"
        spans = [(like.label, name)]
        if like.typed and like.grouped:
            written = self._type(parameter)
            spans.append((like.typed, written) if written else (like.grouped, ""))
        start = self.lines.starts[like.start] + self.lines.depth(like.start)
        head = " ".join(_replaced(text[start:stop], spans, start).split("\n"))
        # In Google's style a type alone makes an entry, and a name alone does not.
        heading = self.lines[like.section.start].rstrip() if like.section else ""
        return f"{head.rstrip()}:" if heading.endswith(":") and head.rstrip() == name else head

    def _type(self, parameter: Parameter) -> str:
        optional = any(entry.type.endswith(", optional") for entry in self.listed)
        tail = ", optional" if parameter.type and parameter.optional and optional else ""
        return f"{parameter.type}{tail}"

    def _with_type(self, parameter: Parameter, like: Entry, rows: list[_Row]) -> list[_Row]:
        """Return the rows with a field of its own for the type, as its neighbour has one."""
        fields = [entry for entry in self.entries if entry.kind == "type"]
        if not fields or not parameter.type:
            return rows
        names = {name.text for name in like.names}
        near = next((e for e in fields if names & {name.text for name in e.names}), fields[0])
        start = self.lines.starts[near.start] + self.lines.depth(near.start)
        head = _replaced(
            self.lines.text[start : near.description_start], [(near.label, parameter.name)], start
        )  # fmt: skip
        row = _Row(self._prefix(near.start), [Literal(head + self._type(parameter))])
        return [row, *rows] if near.end == like.start else [*rows, row]

    def _prefix(self, line: int) -> str:
        row = self._row(line)
        if row:
            return self.inside.rows[row][: self.inside.prefixes[row]]
        return self.documentable.indent + lead(self.mark)

    def _drop_headings(self) -> None:
        """Take a section out that has lost all it had."""
        for section in {entry.section for entry in self.entries if entry.section}:
            body = range(self._row(section.body), self._row(section.end))
            left = [row for row in body if self._full(row) and row not in self.changes.dropped]
            lost = any(row in self.changes.dropped for row in body)
            if lost and not left and not any(self.changes.before.get(row) for row in body):
                self.changes.dropped.update(range(self._row(section.start), self._row(section.end)))

    def _full(self, row: int) -> bool:
        return bool(self.inside.rows[row][self.inside.prefixes[row] :].strip())

    def _close_gaps(self) -> None:
        """Leave one empty line where there were two around what goes."""
        rows = range(len(self.inside.rows))
        last = rows[-1] if not self._full(rows[-1]) else len(rows)
        kept = [row for row in rows if row not in self.changes.dropped and self._full(row)]
        for low, high in zip([-1, *kept], [*kept, last], strict=True):
            gone = [row for row in range(low + 1, high) if row in self.changes.dropped]
            if not gone:
                continue
            above, below = range(low + 1, gone[0]), range(gone[-1] + 1, high)
            self.changes.dropped.update(range(gone[0], gone[-1] + 1))
            if any(self.changes.before.get(row) for row in gone):
                continue
            if low < 0 or high == last or len(below) != len(above):
                fewer = below if low < 0 else above if high == last else min(above, below, key=len)
            else:
                fewer = above
            self.changes.dropped.update(fewer)

    def _rows(self) -> list[_Row]:
        """Return all rows as they will be, with marks that fit their places."""
        rows: list[_Row] = []
        for number, (source, at) in enumerate(
            zip(self.inside.rows, self.inside.prefixes, strict=True)
        ):
            rows += self.changes.before.get(number, [])
            if number not in self.changes.dropped:
                source = _replaced(source, self.changes.changed.get(number, []), 0)
                rows.append(_Row(source[:at], [Literal(source[at:])], number))
            rows += self.changes.behind.get(number, [])
        if not rows:
            return rows
        self._fit_first(rows)
        self._fit_last(rows)
        return rows

    def _fit_first(self, rows: list[_Row]) -> None:
        """Strip the mark of the line that comes to stand behind the opening mark."""
        if rows[0].number == 0:
            return
        for row in rows:
            if row.number == 0:
                row.prefix = self.documentable.indent + lead(self.mark)
        rows[0].prefix = self.inside.rows[0][: self.inside.prefixes[0]]

    def _fit_last(self, rows: list[_Row]) -> None:
        """Keep the white space in front of the closing mark."""
        last = len(self.inside.rows) - 1
        source = self.inside.rows[last]
        if rows[-1].number == last or not self._full(last):
            return
        tail = source[len(source.rstrip()) :]
        for row in rows:
            if row.number == last and isinstance(end := row.parts[-1], Literal):
                row.parts[-1] = Literal(end.text.rstrip())
        rows[-1].parts.append(Literal(tail))

    def _has_text(self, row: _Row) -> bool:
        return any(isinstance(part, Free) or part.text.strip() for part in row.parts)


def _renamed(
    listed: Sequence[Entry],
    gone: Sequence[str],
    missing: Sequence[Parameter],
    parameters: Sequence[Parameter],
) -> dict[str, str]:
    """Return names that stand in the same place, and are nearly the same: what is told of them is
    true still."""
    documented = [name.text for entry in listed for name in entry.names]
    order = [parameter.name for parameter in parameters]

    def place(names: list[str], name: str) -> int:
        return sum(other in documented and other in order for other in names[: names.index(name)])

    pairs: dict[str, str] = {}
    for old in gone:
        for new in missing:
            same = place(documented, old) == place(order, new.name) and _alike(old, new.name)
            if same and new.name not in pairs.values():
                pairs.setdefault(old, new.name)
    return pairs


def _alike(old: str, new: str) -> bool:
    plain, other = (name.replace("_", "").lower() for name in (old, new))
    if plain == other:
        return True
    digits = [re.findall(r"\d+", name) for name in (plain, other)]
    likeness = SequenceMatcher(None, plain, other, autojunk=False).ratio()
    return digits[0] == digits[1] and likeness >= _MIN_LIKENESS


def _replaced(text: str, spans: Sequence[tuple[Span, str]], start: int) -> str:
    """Return a text with other pieces in the places of spans, which count from `start`."""
    for (low, high), new in sorted(spans, reverse=True):
        text = text[: max(low - start, 0)] + new + text[high - start :]
    return text


def _joined(rows: Sequence[_Row]) -> Iterator[Literal | Free]:
    """Yield the parts of all rows, literal ones that meet as one."""
    text = ""
    for number, row in enumerate(rows):
        text += ("\n" if number else "") + row.prefix
        for part in row.parts:
            if isinstance(part, Literal):
                text += part.text
                continue
            yield Literal(text)
            yield part
            text = ""
    yield Literal(text)
