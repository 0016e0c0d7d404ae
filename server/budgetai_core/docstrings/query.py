"""What can have a docstring, as the queries of a language find it: regions with their parts.

The queries stand beside those of `context.facts`, in a folder of their own. Their words:

    @function, @class, @module   what can have a docstring, with its @name; @list its parameters,
                                 @result the type it gives back, @head what its signature ends
                                 with, @body its body, @own the function that a name is bound to
    @extension                   a region that says where its functions belong
    @scope                       a function without a name: what it returns is its own
    @whole                       what a definition (@inner) is wrapped in
    @lead                        what belongs to the definition below it
    @of                          a list with one @parameter or @field, its @type, and @optional;
                                 @star holds the stars of one, @nameless is one taken apart;
                                 @receiver is what a method is called on
    @return, @yield, @raise      what a function does; @error a type that says that it may fail,
                                 @panic a call that stops all
    @exports                     what a file gives to others: a name, or an object of names
    @fulfils                     what implements a @trait, in which its functions are told of
    @docstring                   inside what is @documented by it; @comment one that may be above
"""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property

import tree_sitter

from budgetai_core.context import languages
from budgetai_core.context.document import ParsedDocument

_KINDS = ("function", "class", "module", "extension", "scope")
_FUNCTIONS = ("function", "scope")
_OWNERS = ("class", "extension")
_LISTED = ("parameter", "field", "nameless", "receiver")
_HOLDERS = frozenset(
    {"object", "arguments", "parenthesized_expression", "as_expression", "satisfies_expression",
     "spread_element", "array"}
)  # fmt: skip
_DOES = ("return", "yield", "raise", "error", "panic")

Captures = dict[str, list[tree_sitter.Node]]


@dataclass
class Region:
    """Where something stands, in bytes, with the nodes that say what it is."""

    kind: str
    start: int
    end: int
    nodes: dict[str, tree_sitter.Node] = field(default_factory=dict)
    around: "Region | None" = None
    does: dict[str, list[tree_sitter.Node]] = field(default_factory=dict)

    @property
    def owner(self) -> "Region | None":
        """The class it is a part of; none for what is local to a function."""
        around = self.around
        return around if around is not None and around.kind in _OWNERS else None


@dataclass
class Outline:
    """All that the queries found in one text. Keys are the bytes of the nodes they belong to."""

    parsed: ParsedDocument
    regions: dict[tuple[str, int, int], Region] = field(default_factory=dict)
    wholes: dict[tuple[int, int], tree_sitter.Node] = field(default_factory=dict)
    extras: defaultdict[tuple[str, int], list[tree_sitter.Node]] = field(
        default_factory=lambda: defaultdict(list)
    )
    listed: defaultdict[int, dict[int, Captures]] = field(default_factory=lambda: defaultdict(dict))
    docstrings: dict[tuple[int, int], tree_sitter.Node] = field(default_factory=dict)
    makers: dict[tuple[int, int], Region] = field(default_factory=dict)
    above: list[tree_sitter.Node] = field(default_factory=list)
    exports: list[tree_sitter.Node] = field(default_factory=list)
    fulfils: set[tuple[int, int]] = field(default_factory=set)

    @classmethod
    def of(cls, parsed: ParsedDocument) -> "Outline":
        """Run the language's queries on a document; the outline is empty where the text has no tree
        or its language no queries."""
        outline = cls(parsed)
        walk = languages.cursor(parsed.language, "docs") if parsed.language else None
        if parsed.root is None or walk is None:
            return outline
        acts: list[tuple[str, tree_sitter.Node]] = []
        for _, captures in walk.matches(parsed.root):
            outline._add(captures, acts)
        outline._place(acts)
        return outline

    @cached_property
    def classes(self) -> dict[bytes, Region]:
        """The classes of the text by their names."""
        named = [region for region in self.regions.values() if region.kind == "class"]
        return {
            self.parsed.data[name.start_byte : name.end_byte]: region
            for region in named
            if (name := region.nodes.get("name"))
        }

    @cached_property
    def exported(self) -> tuple[frozenset[str], frozenset[int]]:
        """The names that the text gives to others, and where methods of what it gives begin."""
        names, starts, pending = set[str](), set[int](), list(self.exports)
        while pending:
            node = pending.pop()
            match node.type:
                case "identifier" | "shorthand_property_identifier":
                    names.add(self.parsed.data[node.start_byte : node.end_byte].decode())
                case "method_definition":
                    starts.add(node.start_byte)
                case "pair":
                    pending += node.children_by_field_name("value")
                case "assignment_expression":
                    pending += node.children_by_field_name("right")
                case "call_expression":
                    # What wraps a function gives it on, as memo(List) does.
                    pending += node.children_by_field_name("arguments")
                case kind if kind in _HOLDERS:
                    pending += node.named_children
        return frozenset(names), frozenset(starts)

    def _add(self, captures: Captures, acts: list[tuple[str, tree_sitter.Node]]) -> None:
        kind = next((kind for kind in _KINDS if kind in captures), None)
        if kind:
            self._add_region(kind, captures)
        elif "documented" in captures:
            self.docstrings[_span(captures["documented"][0])] = captures["docstring"][0]
        elif "of" in captures:
            node = next(captures[label][0] for label in _LISTED if label in captures)
            listed = self.listed[captures["of"][0].start_byte].setdefault(node.start_byte, {})
            listed.update(captures)
        elif "whole" in captures:
            self.wholes[_span(captures["inner"][0])] = captures["whole"][0]
        elif "derived" in captures:
            self.extras["base", captures["derived"][0].start_byte] += captures["base"]
        elif "decorator" in captures:
            self.extras["decorator", captures["inner"][0].start_byte] += captures["decorator"]
        else:
            self.above += captures.get("lead", []) + captures.get("comment", [])
            self.exports += captures.get("exports", [])
            self.fulfils.update(map(_span, captures.get("fulfils", ())))
            acts += ((label, captures[label][0]) for label in _DOES if label in captures)

    def _add_region(self, kind: str, captures: Captures) -> None:
        node = captures[kind][0]
        key = kind, node.start_byte, node.end_byte
        region = self.regions.setdefault(key, Region(kind, node.start_byte, node.end_byte))
        for label, nodes in captures.items():
            # What a signature ends with may stand in it before.
            region.nodes[label] = nodes[-1]

    def _place(self, acts: list[tuple[str, tree_sitter.Node]]) -> None:
        """Find what stands around each region, and which function does what."""
        own = {
            _span(region.nodes["own"]) for region in self.regions.values() if "own" in region.nodes
        }
        for key in [key for key in self.regions if key[0] == "scope" and key[1:] in own]:
            del self.regions[key]
        events: list[tuple[int, int, int, str, Region | tree_sitter.Node]] = [
            *(
                (region.start, -region.end, region.kind != "module", "", region)
                for region in self.regions.values()
            ),
            *((node.start_byte, -node.end_byte, 2, label, node) for label, node in acts),
        ]
        around: list[Region] = []
        for start, _, _, label, thing in sorted(events, key=lambda event: event[:3]):
            while around and around[-1].end <= start:
                around.pop()
            if isinstance(thing, Region):
                thing.around = around[-1] if around else None
                self._note_maker(thing)
                around.append(thing)
            else:
                doer = next(
                    (region for region in reversed(around) if region.kind in _FUNCTIONS), None
                )
                if doer:
                    doer.does.setdefault(label, []).append(thing)

    def _note_maker(self, region: Region) -> None:
        name, owner = region.nodes.get("name"), region.owner
        if owner and name and self.parsed.data[name.start_byte : name.end_byte] == b"__init__":
            self.makers[owner.start, owner.end] = region


def _span(node: tree_sitter.Node) -> tuple[int, int]:
    return node.start_byte, node.end_byte
