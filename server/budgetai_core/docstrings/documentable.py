"""What a text has that a docstring can be written for, and the docstrings that are there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import tree_sitter

from budgetai_core.context.document import ParsedDocument
from budgetai_core.docstrings.locate_body import Inside
from budgetai_core.docstrings.locate_comment import Above
from budgetai_core.docstrings.location import Site
from budgetai_core.docstrings.parse.comment_syntax import comment_syntax
from budgetai_core.docstrings.query import Captures, Outline, Region
from budgetai_core.docstrings.text import Docstring

__all__ = ["Docstring", "Documentable", "Parameter", "documentable_at", "documentables"]

_KINDS = ("function", "class", "module")
_RECEIVERS = frozenset({"self", "cls", "mcs", "mcls"})
_NOTHING = re.compile(
    r"(?:None|void|\(\)|!|(?:\w+\.)*(?:NoReturn|Never)|never|undefined"
    r"|Promise<(?:void|undefined|never)>|(?:\w+\.)*Awaitable\[None\]"
    r"|(?:\w+::)*Result<\(\)(?:,[^<>]*)?>|asserts\b.*)\Z"
)
_EXCEPTION = re.compile(r"(?:\w+\.)*([A-Z]\w*[a-z]\w*)\Z")
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
    `exported`: a list of what a file exports names it. `implements`: it fulfils what is declared,
    and told, elsewhere.
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
    implements: bool = False

    @property
    def takes_more(self) -> bool:
        """Whether a docstring may name parameters that are not in the list."""
        starred = any(parameter.stars == "**" for parameter in self.parameters)
        return self.nameless > 0 or self.open_ended or starred


# An editor asks at each move of the cursor, where 30,000 lines took 0.2 seconds each time.
@lru_cache(maxsize=2)
def documentables(parsed: ParsedDocument) -> tuple[Documentable, ...]:
    """All that can have a docstring, in document order; what has no room for one is left out."""
    rules = comment_syntax(parsed.language)
    if rules is None:
        return ()
    outline = Outline.of(parsed)
    ground = Inside(outline) if rules.inside else Above(outline, rules)
    placed = ((each, ground.site(each)) for each in outline.regions.values() if each.kind in _KINDS)
    found = (_subject(outline, region, site) for region, site in placed if site)
    return tuple(sorted(found, key=lambda each: (each.start, -each.end)))


def documentable_at(parsed: ParsedDocument, cursor: int) -> Documentable | None:
    """The innermost subject around a character, its docstring included; a module only on its first
    line and in its docstring."""
    held = [each for each in documentables(parsed) if _holds(parsed, each, cursor)]
    return min(held, key=lambda each: each.end - each.start, default=None)


def _holds(parsed: ParsedDocument, subject: Documentable, cursor: int) -> bool:
    doc = subject.docstring
    start = min(subject.start, doc.start) if doc else subject.start
    line = parsed.text.rfind("\n", 0, start) + 1
    if subject.kind != "module":
        return line <= cursor <= subject.end
    return "\n" not in parsed.text[:cursor] or (doc is not None and doc.start <= cursor <= doc.end)


def _subject(outline: Outline, region: Region, site: Site) -> Documentable:
    parsed, owner = outline.parsed, region.owner
    result = _text(parsed, region.nodes.get("result")).removeprefix(":").strip()
    named = region.nodes.get("owner") or (owner.nodes.get("name") if owner else None)
    return Documentable(
        kind="method" if region.kind == "function" and named else region.kind,
        name=_text(parsed, region.nodes.get("name")),
        owner=_text(parsed, named) if region.kind == "function" else "",
        start=site.start,
        end=site.end,
        head_end=site.head_end,
        at=site.at,
        indent=site.indent,
        parameters=_parameters(outline, region),
        returns=_returns(parsed, region, result),
        yields="yield" in region.does,
        raises=tuple(dict.fromkeys(_raised(parsed, region))),
        docstring=site.docstring,
        return_type=result,
        nameless=_nameless(outline, region),
    )


def _parameters(outline: Outline, region: Region) -> tuple[Parameter, ...]:
    """Those of a function. A Python class has those of its `__init__`, as a call of it needs them,
    or, where it is a dataclass or the like, its fields; other classes have none."""
    if region.kind == "class" and "list" not in region.nodes:
        return _constructed(outline, region)
    found = _listed(outline, region.nodes.get("list"), "parameter")
    return found[1:] if found and region.owner and found[0].name in _RECEIVERS else found


def _constructed(outline: Outline, region: Region) -> tuple[Parameter, ...]:
    maker = outline.makers.get((region.start, region.end))
    if maker is not None:
        return _parameters(outline, maker)
    marks = (*outline.extras["decorator", region.start], *outline.extras["base", region.start])
    if any(_WITH_FIELDS.match(_text(outline.parsed, node)) for node in marks):
        fields = _listed(outline, region.nodes.get("class"), "field")
        return tuple(each for each in fields if not _CLASS_VARIABLE.match(each.type))
    return ()


def _listed(outline: Outline, holder: tree_sitter.Node | None, label: str) -> tuple[Parameter, ...]:
    found = outline.listed[holder.start_byte] if holder else {}
    parsed = outline.parsed
    return tuple(
        Parameter(
            _text(parsed, each[label][0]),
            _text(parsed, each["type"][0]) if "type" in each else "",
            "optional" in each,
            _stars(parsed, each),
        )
        for _, each in sorted(found.items())
        if label in each and _text(parsed, each[label][0]) != "_" and not _made(parsed, each)
    )


def _made(parsed: ParsedDocument, captures: Captures) -> bool:
    """Whether it is a field that a dataclass gives a value itself."""
    value = _text(parsed, captures["optional"][0]) if {"field", "optional"} <= {*captures} else ""
    return _NOT_TAKEN.search(value) is not None


def _stars(parsed: ParsedDocument, captures: Captures) -> str:
    splat = _text(parsed, captures["star"][0]) if "star" in captures else ""
    return splat[: len(splat) - len(splat.lstrip("*"))]


def _nameless(outline: Outline, region: Region) -> int:
    """How many parameters are taken apart, and have no name of their own."""
    holder = region.nodes.get("list")
    found = outline.listed[holder.start_byte] if holder else {}
    return sum("nameless" in each for each in found.values())


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
    """On one line."""
    data = parsed.data[node.start_byte : node.end_byte] if node else b""
    return " ".join(data.decode("utf-8", "ignore").split())
