"""The parts of a docstring's text, in every style the languages know."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from budgetai_core.context.languages import Language
from budgetai_core.docstrings.parse import fields, google, headings, numpy, tags
from budgetai_core.docstrings.parse.comment_syntax import comment_syntax
from budgetai_core.docstrings.parse.entries import RETURN, Entry, Layout

_STYLES: tuple[tuple[str, re.Pattern[str], Callable[[str], Layout]], ...] = (
    ("numpy", numpy.HEADING, numpy.read),
    ("sphinx", fields.SPHINX, fields.read),
    ("google", google.HEADING, google.read),
    ("epydoc", fields.EPYDOC, fields.read),
)
# What is longer was not written for the one thing it stands at.
_MAX_CHARACTERS = 30_000


@dataclass(frozen=True)
class Sections:
    """`returns` is None where nothing is said of it; what a generator yields counts as such.
    `attributes` are a class's, and no parameters; `types` are those said of parameters."""

    summary: str
    description: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    returns: str | None = None
    raises: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether there is more than sentences."""
        return bool(self.parameters or self.raises or self.attributes or self.returns is not None)


def layout(text: str, language: Language) -> Layout:
    """Return where the entries of a docstring without its marks stand; prose alone where it has
    none."""
    syntax = comment_syntax(language)
    if len(text) > _MAX_CHARACTERS or syntax is None:
        return Layout(text)
    if syntax.inside:
        name = style_of(text)
        return next((read(text) for style, _, read in _STYLES if style == name), Layout(text))
    return headings.read(text) if syntax.prose else tags.read(text)


def sections(text: str, language: Language) -> Sections:
    """Return the parts of a docstring without its marks; a summary alone where it has no others."""
    parsed = layout(text, language)
    summary, description = _split(parsed.prose)
    returned = [entry for entry in parsed.entries if entry.kind == "returns"]
    return Sections(
        summary,
        description,
        parameters=_described(parsed, "parameter"),
        returns=_returned(returned) if returned else None,
        raises=_described(parsed, "raises"),
        attributes=_described(parsed, "attribute"),
        types=_types(parsed, returned),
    )


def style_of(text: str) -> str:
    """Return google, numpy, sphinx or epydoc by the headings and fields of a Python docstring, else
    plain."""
    return next((style for style, mark, _ in _STYLES if mark.search(text)), "plain")


def _split(text: str) -> tuple[str, str]:
    """Return the first paragraph, and the others."""
    summary, _, description = text.strip().partition("\n\n")
    description = re.sub(r"\n{3,}", "\n\n", description)
    return summary.strip(), description.strip("\n").rstrip()


def _described(parsed: Layout, kind: str) -> dict[str, str]:
    """Return what is told under each name; a name that stands twice keeps what is told first, and a
    path into a parameter is none."""
    descriptions: dict[str, str] = {}
    for entry in parsed.entries:
        for name in entry.names if entry.kind == kind else ():
            if kind == "raises" or "." not in name.text:
                descriptions.setdefault(name.text, entry.description)
    return descriptions


def _returned(returned: list[Entry]) -> str:
    """Return what is said of the value; its type where nothing else is said."""
    return next((text for e in returned if (text := e.description or e.type)), "")


def _types(parsed: Layout, returned: list[Entry]) -> dict[str, str]:
    types = {
        name.text: entry.description if entry.kind == "type" else entry.type
        for entry in sorted(parsed.entries, key=lambda entry: entry.kind == "type")
        if entry.kind in ("parameter", "attribute", "type")
        for name in entry.names
    }
    back = [e.description for e in parsed.entries if e.kind == "rtype"]
    back += [e.type for e in returned if e.description and e.type]
    return types | ({RETURN: back[0]} if back and back[0] else {})
