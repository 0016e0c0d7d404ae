"""What a text tells other files: what it defines and imports, and which names it uses.

The queries of its language find all of it in one walk over the tree. What a definition belongs to
follows from which definitions stand around it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import tree_sitter

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import Language, cursor, query
from budgetai_core.context.outline import outlined
from budgetai_core.context.recovery import readable_roots

_MAX_SIGNATURE = 240
# A constant's first characters say what it is; a table's hundredth row does not.
_MAX_VALUE = 100
_MAX_DECORATOR = 40

_OWNERS = frozenset({"class", "interface", "enum", "type", "module", "extension"})
_FUNCTIONS = frozenset({"function", "method"})
_LOCAL = _FUNCTIONS | {"scope"}
_VALUES = frozenset({"variable", "constant", "field"})
_PARTS = frozenset({"field", "member"})
# A parameter that makes a field of the type around its function.
_PROMOTED = "promoted"
# Regions that say where their inside belongs, and are not definitions themselves.
_UNNAMED = frozenset({"scope", "extension", "namespace"})


@dataclass(frozen=True, slots=True)
class Definition:
    """A named thing another file may use.

    `signature` is its head without the body, on one line of at most 240 characters; for a type
    made of fields it has these, too. `kind` is function, method, class, interface, type, enum,
    module, constant, variable, field, member (of an enum) or macro; `owner` the type around it.
    `line` counts from 0; `start` to `end` are the characters of the whole definition.
    """

    name: str
    line: int
    signature: str
    kind: str = ""
    owner: str = ""
    bases: tuple[str, ...] = ()
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Import:
    """`module` as it is written in the source, without quotes (a system header keeps its angle
    brackets); `names` are those taken from it, "*" for all. `line` counts from 0."""

    module: str
    names: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class FileSymbols:
    """What a text defines, and what it imports."""

    definitions: tuple[Definition, ...] = ()
    imports: tuple[Import, ...] = ()


def file_symbols(text: str, language: Language | None) -> FileSymbols:
    """Return the facts of a text. Never raises."""
    return symbols_of_tree(ParsedDocument.of(text, language))


def symbols_of_tree(parsed: ParsedDocument) -> FileSymbols:
    """Return the facts of a text that is parsed already."""
    if parsed.language and parsed.language.marks:
        return _outlined(parsed.text, parsed.language)
    walk = cursor(parsed.language) if parsed.language else None
    if parsed.root is None or walk is None:
        return FileSymbols()
    symbols = _Symbols(parsed)
    for root in readable_roots(parsed):
        for pattern, captures in walk.matches(root):
            symbols.add(pattern, captures)
    return FileSymbols(tuple(symbols.definitions()), symbols.imported())


def _outlined(text: str, language: Language) -> FileSymbols:
    """Return the facts of a text that has no tree."""
    definitions = tuple(
        Definition(
            entry.name,
            entry.line,
            " ".join(text[entry.start : entry.head_end].split())[:_MAX_SIGNATURE],
            entry.kind,
            start=entry.start,
            end=entry.end,
        )
        for entry in outlined(text, language)
    )
    return FileSymbols(definitions)


_Captures = dict[str, list[tree_sitter.Node]]


@dataclass
class _Region:
    """Where a definition stands, in bytes, with what is known of it so far."""

    start: int
    end: int
    kind: str
    pattern: int = 0
    name: str = ""
    line: int = 0
    owner: str = ""
    head_end: int = 0
    keyword: str = ""
    local: bool = False
    parts: list["_Region"] = field(default_factory=list)


class _Symbols:
    """What the matches of one text have brought to light."""

    def __init__(self, parsed: ParsedDocument) -> None:
        self.parsed = parsed
        self._regions: dict[tuple[int, int, str], _Region] = {}
        self._bases: defaultdict[int, list[str]] = defaultdict(list)
        self._decorators: defaultdict[int, list[tree_sitter.Node]] = defaultdict(list)
        self._imports: dict[tuple[int, str], tuple[int, list[str]]] = {}
        # Where something begins that only looks like a definition.
        self._omitted: set[int] = set()

    def add(self, pattern: int, captures: _Captures) -> None:
        """Take in a match of the language's queries."""
        if "import" in captures:
            self.add_import(captures)
        elif "omitted" in captures:
            self._omitted.add(captures["omitted"][0].start_byte)
        elif "derived" in captures or "decorated" in captures:
            self.add_extra(captures)
        else:
            self.add_region(pattern, captures)

    def add_import(self, captures: _Captures) -> None:
        """Add a name that is imported: each is a match of its own."""
        node = captures["import"][0]
        self._omitted.add(node.start_byte)
        for module in captures.get("module", ()):
            key = node.start_byte, self._text(module).strip("\"'`")
            _, names = self._imports.setdefault(key, (node.start_point[0], []))
            names += (self._text(name) for name in captures.get("imported", ()))

    def add_extra(self, captures: _Captures) -> None:
        if "derived" in captures:
            self._bases[captures["derived"][0].start_byte] += map(self._text, captures["base"])
        else:
            self._decorators[captures["decorated"][0].start_byte] += captures["decorator"]

    def add_region(self, pattern: int, captures: _Captures) -> None:
        label = next((key for key in captures if key.startswith(("definition.", "scope"))), None)
        if label is None:
            return
        node, kind = captures[label][0], label.removeprefix("definition.")
        region = _Region(node.start_byte, node.end_byte, kind, pattern)
        if kind != "scope":
            name, body = captures["name"][0], captures.get("body")
            region.name, region.line = self._text(name).lstrip(":"), name.start_point[0]
            region.head_end = body[0].start_byte if body else node.end_byte
            region.owner = _plain(self._text(captures["owner"][0])) if "owner" in captures else ""
            region.keyword = self._keyword(pattern)
        # Of patterns that find one thing, the first says most.
        known = self._regions.setdefault((region.start, region.end, region.name), region)
        if (pattern, region.head_end) < (known.pattern, known.head_end):
            self._regions[region.start, region.end, region.name] = region

    def _keyword(self, pattern: int) -> str:
        """Return what a definition begins with, where that word stands in front of several."""
        asked = query(self.parsed.language) if self.parsed.language else None
        return (asked.pattern_settings(pattern).get("keyword") if asked else None) or ""

    def imported(self) -> tuple[Import, ...]:
        modules = self._imports.items()
        return tuple(Import(module, tuple(names), line) for (_, module), (line, names) in modules)

    def definitions(self) -> Iterator[Definition]:
        regions = self._regions.values()
        defining = [region for region in regions if region.start not in self._omitted]
        for region in list(_placed(defining)):
            start = min([region.start, *(n.start_byte for n in self._decorators[region.start])])
            yield Definition(
                region.name,
                region.line,
                self._signature(region),
                _kind(region),
                region.owner,
                tuple(self._bases[region.start]),
                self.parsed.character(start),
                self.parsed.character(region.end),
            )

    def _signature(self, region: _Region) -> str:
        decorators = [self._text(node) for node in self._decorators[region.start]]
        short = [text for text in decorators if len(text) <= _MAX_DECORATOR]
        words = [*short, region.keyword, self._head(region)]
        return self._with_parts(" ".join(filter(None, words)), region)[:_MAX_SIGNATURE].rstrip()

    def _head(self, region: _Region) -> str:
        limit = _MAX_VALUE if region.kind in _VALUES else _MAX_SIGNATURE
        # White space counts until it is joined, so a little more than the limit is looked at.
        end = min(region.head_end, region.start + 4 * limit)
        return _joined(self.parsed.data[region.start : end])[:limit].rstrip("{;,= ")

    def _with_parts(self, head: str, region: _Region) -> str:
        opener = self.parsed.language.opener if self.parsed.language else ""
        if not region.parts or opener not in ("{", ":"):
            return head
        open_, close = ("", "") if opener == ":" else (" {", " }")
        first = region.parts[0].end
        between = ", " if self.parsed.data[first : first + 1] == b"," else "; "
        tail = self._tail(region) if close else ""
        room = _MAX_SIGNATURE - len(head) - len(open_) - len(close) - len(tail)
        listed = between.join(_fitting(map(self._head, region.parts), room, len(between)))
        return f"{head}{open_} {listed}{close}{tail}" if listed else head

    def _tail(self, region: _Region) -> str:
        """Return what stands behind the closing bracket: C names a typedef there."""
        _, bracket, tail = self.parsed.data[region.head_end : region.end].rpartition(b"}")
        words = _joined(tail).rstrip(";") if bracket and len(tail) < _MAX_VALUE else ""
        return f" {words}" if words else ""

    def _text(self, node: tree_sitter.Node) -> str:
        return _joined(self.parsed.data[node.start_byte : node.end_byte])


def _placed(regions: Iterable[_Region]) -> Iterator[_Region]:
    """Yield the definitions that are not local, in file order, each with its owner."""
    around: list[_Region] = []
    seen: set[tuple[str, str]] = set()
    for region in sorted(regions, key=lambda region: (region.start, -region.end)):
        while around and around[-1].end <= region.start:
            around.pop()
        region.local = bool(around) and (around[-1].local or around[-1].kind in _LOCAL)
        owner = next((outer for outer in reversed(around) if outer.kind in _OWNERS), None)
        if region.kind == _PROMOTED and owner and around and not around[-1].local:
            region.kind, region.local = "field", False
        around.append(region)
        if region.local or region.kind in _UNNAMED or _named_twice(region, owner):
            continue
        if owner:
            region.owner = region.owner or owner.name
            if owner.kind == "interface" or region.kind in _PARTS or _kind(region) in _PARTS:
                _add_part(owner, region)
        if region.kind not in _VALUES or (region.owner, region.name) not in seen:
            seen.add((region.owner, region.name))
            yield region


def _add_part(owner: _Region, part: _Region) -> None:
    """Add a part to its definition. Parts stand in the body, and `int x, y` is one of them."""
    if part.start >= (owner.parts[-1].end if owner.parts else owner.head_end):
        owner.parts.append(part)


def _named_twice(region: _Region, owner: _Region | None) -> bool:
    """Return whether two definitions are one thing: `typedef struct point { … } point;`."""
    return owner is not None and owner.kind == "type" and owner.name == region.name


def _kind(region: _Region) -> str:
    """Return the kind a definition has where it stands."""
    if region.kind in _FUNCTIONS:
        return "method" if region.owner else "function"
    if region.kind == "variable":
        return "field" if region.owner else "constant" if region.name.isupper() else "variable"
    return region.kind


def _fitting(texts: Iterable[str], room: int, between: int) -> Iterator[str]:
    for text in texts:
        room -= len(text) + between
        if room < 0:
            return
        yield text


def _plain(owner: str) -> str:
    """Return the name of a type, without what it is made for and where it lives."""
    return owner.partition("<")[0].rpartition("::")[2]


def _joined(data: bytes) -> str:
    text = " ".join(_decoded(data).split())
    return text.replace("( ", "(").replace(", )", ")")


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "ignore")
