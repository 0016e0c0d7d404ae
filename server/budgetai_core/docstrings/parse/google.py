"""Docstrings with indented sections, as Google's style guide has them.

Read here, and not by docstring_parser: one line it does not know costs it all sections of a text,
which is one text in twelve of PyTorch and transformers.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from inspect import cleandoc
from textwrap import indent

_KINDS = {
    "Args": "parameters",
    "Arguments": "parameters",
    "Parameters": "parameters",
    "Params": "parameters",
    "Keyword Args": "parameters",
    "Keyword Arguments": "parameters",
    "Other Parameters": "parameters",
    "Attributes": "attributes",
    "Return": "returns",
    "Returns": "returns",
    "Yield": "returns",
    "Yields": "returns",
    "Raise": "raises",
    "Raises": "raises",
}
HEADING = re.compile(rf"^[ \t]*({'|'.join(_KINDS)}):[ \t]*$", re.MULTILINE)
# The key under which the type of what comes back stands among those of parameters.
RETURN = "return"
_INLINE = re.compile(r"(Returns?|Yields?): +\S")
_ITEM = re.compile(r"(?:[-*] +)?((?:\\?[*`])*[\w.]+`?(?: *[,/] *(?:\\?[*`])*[\w.]+`?)*) *")
_TYPE = re.compile(r"(?:`[^`\n]+`|[\w.]+(?:\[[^\n:]*\])?)(?: \([^()\n]*\))?:(?:\s+|\Z)")
# Words that begin a remark, and are no names.
_REMARKS = frozenset(
    {"Note", "Notes", "Default", "Defaults", "Example", "Examples", "Warning", "Shape", "Usage"}
)
_CLOSERS = {"(": ")", "{": "}", "[": "]"}


@dataclass
class Google:
    """`prose` is all that stands in none of the sections, `rest` that on attributes as it is."""

    prose: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    raises: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    returns: str | None = None
    rest: str = ""


def read(text: str) -> Google:
    found = Google()
    for kind, lines in _sections(text):
        inside = cleandoc("\n".join(("", *lines))).strip()
        if kind == "prose":
            found.prose = f"{found.prose}\n\n{inside}".strip() if inside else found.prose
        elif kind == "returns":
            typed = _TYPE.match(inside)
            found.returns = inside[typed.end() if typed else 0 :].strip() or inside
            if typed and found.returns != inside:
                found.types[RETURN] = typed[0].strip().removesuffix(":")
        else:
            if kind == "attributes":
                found.rest = f"{found.rest}\n\nAttributes:\n{indent(inside, '    ')}".strip()
            group = {"parameters": found.parameters, "attributes": found.attributes}
            for name, written, said in _items(inside.split("\n")):
                group.get(kind, found.raises)[name.rpartition(".")[2]] = said
                found.types[name] = written
    return found


def _sections(text: str) -> Iterator[tuple[str, list[str]]]:
    """A section goes on as long as its lines stand further in than its heading."""
    kind, margin, lines = "prose", -1, list[str]()
    for line in text.split("\n"):
        depth = _depth(line)
        heading = HEADING.match(line)
        inline = _INLINE.match(line.strip())
        if heading or inline or (kind != "prose" and line.strip() and depth <= margin):
            yield kind, lines
            kind, margin, lines = "prose", -1, []
        if heading or inline:
            word, _, rest = line.strip().partition(":")
            kind, margin, lines = _KINDS[word], depth, [" " * (depth + 1) + rest.strip()]
        else:
            lines.append(line)
    yield kind, lines


def _items(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Name, type and description of what stands at the margin; what is no item belongs to the one
    above."""
    names, written, said = list[str](), "", list[str]()
    for line in lines:
        item = _item(line) if line.strip() and not _depth(line) else None
        if item is None:
            said.append(line)
            continue
        yield from ((name, written, _joined(said)) for name in names)
        names, written, first = item
        said = [first]
    yield from ((name, written, _joined(said)) for name in names)


def _joined(said: list[str]) -> str:
    first, *others = said
    return f"{first}\n{cleandoc(chr(10).join(('', *others)))}".strip()


def _item(line: str) -> tuple[list[str], str, str] | None:
    match = _ITEM.match(line)
    if match is None or match[1] in _REMARKS:
        return None
    written, rest = bracketed(line[match.end() :], "(")
    colon = rest.startswith(":") and not rest.startswith("::")
    if not colon and not (written and not rest):
        return None
    return re.findall(r"[\w.]+", match[1]), written, rest[1:].strip()


def bracketed(said: str, opener: str) -> tuple[str, str]:
    """What stands in a bracket at the start, and what stands behind it."""
    depth = 0
    for at, character in enumerate(said if said.startswith(opener) else ""):
        depth += (character == opener) - (character == _CLOSERS[opener])
        if not depth:
            return said[1:at], said[at + 1 :].strip()
    return "", said


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())
