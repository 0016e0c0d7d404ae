"""What a text has that a docstring can be written for, and the docstrings that are there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import tree_sitter

from budgetai_core.context.document import ParsedDocument
from budgetai_core.docstrings.locate_body import BodyLocator
from budgetai_core.docstrings.locate_comment import CommentLocator
from budgetai_core.docstrings.location import Location
from budgetai_core.docstrings.parse.comment_syntax import comment_syntax
from budgetai_core.docstrings.query import Captures, Outline, Region
from budgetai_core.docstrings.text import Docstring

__all__ = ["Docstring", "Documentable", "Parameter", "documentable_at", "documentables"]

_KINDS = ("function", "class", "module")
_RECEIVERS = frozenset({"self", "cls", "mcs", "mcls", "metacls"})
# Bases that give a class no fields.
_FIELDLESS = frozenset(
    {"object", "Generic", "Protocol", "ABC", "Enum", "NamedTuple", "BaseModel", "TypedDict"}
)
_NOTHING = re.compile(
    r"(?:None|void|\(\)|!|(?:\w+\.)*(?:NoReturn|Never)|never|undefined"
    r"|Promise<(?:void|undefined|never)>|(?:\w+\.)*Awaitable\[None\]"
    r"|(?:\w+::)*Result<\(\)(?:,[^<>]*)?>|asserts\b.*)\Z"
)
_EXCEPTION = re.compile(r"(?:\w+\.)*([A-Z]\w*[a-z]\w*)\Z")
_ACCESSOR = re.compile(
    r"\A\s*(?:(?:public|protected|private|abstract|override|declare)\s+)*(static\s+)?"
    r"(?:(?:abstract|override)\s+)*[gs]et\s+[#\w\[]"
)
_CLASS_VARIABLE = re.compile(r"['\"]?(?:\w+\.)*ClassVar\b")
_NOT_TAKEN = re.compile(r"\(.*\binit ?= ?False\b")
_WITH_FIELDS = re.compile(r"@?(?:\w+\.)*(?:dataclass|attrs|s|define|frozen|NamedTuple|BaseModel)\b")


@dataclass(frozen=True)
class Parameter:
    """A parameter as a docstring names it, without `self` or a receiver. `stars` are those in front
    of `*args` and `**kwargs`, and no part of the name."""

    name: str
    type: str = ""
    optional: bool = False
    stars: str = ""


@dataclass(frozen=True)
class Documentable:
    """A function, method, class or module, by characters of its text.

    `start` to `end` is the whole definition with what decorates it, `head_end` the end of its
    signature. `at` is where a new docstring goes, `indent` the white space in front of its lines.
    `at` is a line start, but for a Python body on the line of its head: there it is the body's
    start. `returns` says that a value comes back (also by `yield`), `raises` are the exceptions of
    the own body. `allowed` are names that a docstring may list besides its parameters: a receiver,
    fields of a base, parameters of other signatures; `open_ended` says that a base is not known.
    `exported`: a list of what a file exports names it. `documented_elsewhere`: its docstring
    belongs to another signature of it, to what it overrides, or to an attribute.
    """

    kind: str
    name: str
    owner: str
    start: int
    end: int
    head_end: int
    at: int
    indent: str
    parameters: tuple[Parameter, ...]
    returns: bool
    yields: bool
    raises: tuple[str, ...]
    docstring: Docstring | None
    return_type: str = ""
    nameless: int = 0
    allowed: tuple[str, ...] = ()
    open_ended: bool = False
    exported: bool = False
    documented_elsewhere: bool = False

    @property
    def takes_more(self) -> bool:
        """Whether a docstring may name parameters that are not in the list."""
        starred = any(parameter.stars == "**" for parameter in self.parameters)
        return self.nameless > 0 or self.open_ended or starred


# An editor asks at each move of the cursor, where 30,000 lines took 0.2 seconds each time.
@lru_cache(maxsize=2)
def documentables(parsed: ParsedDocument) -> tuple[Documentable, ...]:
    """Return all that can have a docstring, in document order; what has no room for one is left
    out."""
    rules = comment_syntax(parsed.language)
    if rules is None:
        return ()
    outline = Outline.of(parsed)
    locator = BodyLocator(outline) if rules.inside else CommentLocator(outline, rules)
    placed = (
        (region, locator.locate(region))
        for region in outline.regions.values()
        if region.kind in _KINDS
    )
    entries = [_documentable(outline, region, location) for region, location in placed if location]
    entries.sort(key=_order)
    return tuple(sorted(_with_others(entries, parsed), key=_order))


def _order(documentable: Documentable) -> tuple[int, int]:
    return documentable.start, -documentable.end


def documentable_at(parsed: ParsedDocument, cursor: int) -> Documentable | None:
    """Return the innermost definition around a character, its docstring included; a module only on
    its first line and in its docstring."""
    around = [
        documentable
        for documentable in documentables(parsed)
        if _holds(parsed, documentable, cursor)
    ]
    return min(around, key=lambda documentable: documentable.end - documentable.start, default=None)


def _holds(parsed: ParsedDocument, documentable: Documentable, cursor: int) -> bool:
    doc = documentable.docstring
    start = min(documentable.start, doc.start) if doc else documentable.start
    line = parsed.text.rfind("\n", 0, start) + 1
    if documentable.kind != "module":
        return line <= cursor <= documentable.end
    return "\n" not in parsed.text[:cursor] or (doc is not None and doc.start <= cursor <= doc.end)


def _documentable(outline: Outline, region: Region, location: Location) -> Documentable:
    parsed, owner = outline.parsed, region.owner
    names, starts = outline.exported
    name = _text(parsed, region.nodes.get("name"))
    allowed, open_ended = _allowed(outline, region)
    result = _text(parsed, region.nodes.get("result")).removeprefix(":").strip()
    named = region.nodes.get("owner") or (owner.nodes.get("name") if owner else None)
    return Documentable(
        kind="method" if region.kind == "function" and named else region.kind,
        name=name,
        owner=_text(parsed, named) if region.kind == "function" else "",
        start=location.start,
        end=location.end,
        head_end=location.head_end,
        at=location.at,
        indent=location.indent,
        parameters=_parameters(outline, region),
        returns=_returns(parsed, region, result),
        yields="yield" in region.does,
        raises=tuple(dict.fromkeys(_raised(parsed, region))),
        docstring=location.docstring,
        return_type=result,
        nameless=_nameless(outline, region),
        allowed=allowed,
        open_ended=open_ended,
        exported=(name in names and owner is None) or region.start in starts,
        documented_elsewhere=owner is not None and (owner.start, owner.end) in outline.fulfils,
    )


def _with_others(entries: list[Documentable], parsed: ParsedDocument) -> Iterator[Documentable]:
    """Yield each definition as it is beside others: signatures of one name, and a getter and a
    setter, have one docstring for all, and that of the first tells the parameters of all."""
    if not parsed.language or parsed.language.name not in ("typescript", "tsx", "javascript"):
        yield from entries
        return
    sets = list(_sets(entries, parsed))
    for signatures in sets:
        documented = [signature for signature in signatures if signature.docstring]
        first = documented[0] if documented else signatures[0]
        names = {p.name: None for signature in signatures for p in signature.parameters}
        for signature in signatures:
            if len(signatures) > 1 and len(documented) < 2 and signature is first:
                signature = replace(signature, allowed=(*signature.allowed, *names))
            elif not signature.docstring and len(signatures) > 1:
                signature = replace(signature, documented_elsewhere=True)
            yield signature


def _sets(entries: list[Documentable], parsed: ParsedDocument) -> Iterator[list[Documentable]]:
    """Yield subjects that stand for one thing to its users, one list for each thing; in their
    order."""
    groups: list[list[Documentable]] = []
    accessors: dict[tuple[str, str, str], list[Documentable]] = {}
    for documentable in entries:
        head = parsed.text[documentable.start : documentable.head_end]
        last = groups[-1][-1] if groups else None
        body = parsed.text[last.head_end : last.end].strip("; \t\n") if last else ""
        if accessor := _ACCESSOR.search(head):
            key = (documentable.owner, documentable.name, accessor[1] or "")
            if key not in accessors:
                groups.append(accessors.setdefault(key, []))
            accessors[key].append(documentable)
        elif (
            last
            and not body
            and documentable.kind in ("function", "method")
            and (
                (last.kind, last.owner, last.name)
                == (documentable.kind, documentable.owner, documentable.name)
            )
        ):
            groups[-1].append(documentable)
        else:
            groups.append([documentable])
    yield from groups


def _parameters(outline: Outline, region: Region) -> tuple[Parameter, ...]:
    """Return the parameters of a function. A Python class has those of its `__init__`, as a call of
    it needs them, or, where it is a dataclass or the like, its fields; other classes have none."""
    if region.kind == "class" and "list" not in region.nodes:
        return _constructed(outline, region)
    listed = _listed(outline, region.nodes.get("list"), "parameter")
    return listed[1:] if listed and _receiver(outline, region, listed) else listed


def _receiver(outline: Outline, region: Region, listed: tuple[Parameter, ...]) -> str:
    """Return the name of what a function is called on, where its parameters begin with it."""
    language = outline.parsed.language
    first = listed[0].name if listed else ""
    return first if language and language.name == "python" and first in _RECEIVERS else ""


def _allowed(outline: Outline, region: Region) -> tuple[tuple[str, ...], bool]:
    """Return what a docstring may list besides parameters, and whether more than is known here."""
    holder = region.nodes.get("list")
    if holder:
        captures = outline.listed[holder.start_byte].values()
        nodes = [node for capture in captures for node in capture.get("receiver", ())]
        first = _receiver(outline, region, _listed(outline, holder, "parameter"))
        return (*(_text(outline.parsed, node) for node in nodes), *filter(None, [first])), False
    has_own = (region.start, region.end) in outline.makers
    if region.kind != "class" or has_own or not _has_fields(outline, region):
        return (), False
    return _inherited(outline, region, {region.start})


def _inherited(outline: Outline, region: Region, seen: set[int]) -> tuple[tuple[str, ...], bool]:
    """Return the fields that a class has from its bases, and whether one of these is not known."""
    names, unknown = list[str](), False
    for node in outline.extras["base", region.start]:
        base = outline.classes.get(node.text or b"")
        if base and base.start not in seen:
            seen.add(base.start)
            fields = _listed(outline, base.nodes.get("class"), "field")
            more, open_ended = _inherited(outline, base, seen)
            names += [*(field.name for field in fields), *more]
            unknown |= open_ended
        elif not base and node.type != "keyword_argument":
            word = _text(outline.parsed, node).partition("[")[0].rpartition(".")[2]
            unknown |= word not in _FIELDLESS
    return tuple(names), unknown


def _constructed(outline: Outline, region: Region) -> tuple[Parameter, ...]:
    maker = outline.makers.get((region.start, region.end))
    if maker is not None:
        return _parameters(outline, maker)
    if not _has_fields(outline, region):
        return ()
    fields = _listed(outline, region.nodes.get("class"), "field")
    return tuple(field for field in fields if not _CLASS_VARIABLE.match(field.type))


def _has_fields(outline: Outline, region: Region) -> bool:
    """Return whether a class of Python takes its fields."""
    marks = (*outline.extras["decorator", region.start], *outline.extras["base", region.start])
    return any(_WITH_FIELDS.match(_text(outline.parsed, node)) for node in marks)


def _listed(outline: Outline, holder: tree_sitter.Node | None, label: str) -> tuple[Parameter, ...]:
    listed = outline.listed[holder.start_byte] if holder else {}
    parsed = outline.parsed
    return tuple(
        Parameter(
            _text(parsed, nodes[label][0]),
            _text(parsed, nodes["type"][0]) if "type" in nodes else "",
            "optional" in nodes,
            _stars(parsed, nodes),
        )
        for _, nodes in sorted(listed.items())
        if label in nodes and _text(parsed, nodes[label][0]) != "_" and not _made(parsed, nodes)
    )


def _made(parsed: ParsedDocument, captures: Captures) -> bool:
    """Return whether it is a field that a dataclass gives a value itself."""
    value = _text(parsed, captures["optional"][0]) if {"field", "optional"} <= {*captures} else ""
    return _NOT_TAKEN.search(value) is not None


def _stars(parsed: ParsedDocument, captures: Captures) -> str:
    splat = _text(parsed, captures["star"][0]) if "star" in captures else ""
    return splat[: len(splat) - len(splat.lstrip("*"))]


def _nameless(outline: Outline, region: Region) -> int:
    """Return how many parameters are taken apart, and have no name of their own."""
    holder = region.nodes.get("list")
    listed = outline.listed[holder.start_byte] if holder else {}
    return sum("nameless" in nodes for nodes in listed.values())


def _returns(parsed: ParsedDocument, region: Region, result: str) -> bool:
    if result:
        return not _NOTHING.match(result)
    values = (_text(parsed, node) for node in region.does.get("return", ()))
    return "yield" in region.does or any(not _NOTHING.match(value) for value in values)


def _raised(parsed: ParsedDocument, region: Region) -> Iterator[str]:
    for node in region.does.get("raise", ()):
        match = _EXCEPTION.match(_text(parsed, node))
        if match:
            yield match[1]
    # The sections in which Rust says when a function fails.
    yield from ("Errors" for _ in region.does.get("error", ()))
    yield from ("Panics" for _ in region.does.get("panic", ()))


def _text(parsed: ParsedDocument, node: tree_sitter.Node | None) -> str:
    """Return a node's text on one line."""
    data = parsed.data[node.start_byte : node.end_byte] if node else b""
    return " ".join(data.decode("utf-8", "ignore").split())
