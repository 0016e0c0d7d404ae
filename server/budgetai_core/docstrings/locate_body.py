"""The sites of Python, where a docstring is the first statement of a body."""

import re

from budgetai_core.docstrings.location import Location, Locator
from budgetai_core.docstrings.query import Outline, Region
from budgetai_core.docstrings.text import Docstring, quoted

_BODY = re.compile(r":[ \t]*\n([ \t]+)\S")
# Comments that mean something by their place: at the top of a file, and of a body (PEP 263, 484).
_TOP = re.compile(r"\ufeff?(?:[ \t\f]*\n(?=[ \t\f]*#.*?coding[:=]))?(?:#[^\n]*(?:\n|\Z))*")
_DIRECTIVES = re.compile(
    r"(?:[ \t]*#[ \t]*(?:type|mypy|pyright|pylint|pyre|ruff|flake8|noqa|nosec|fmt|yapf|isort"
    r"|pragma|cython|distutils)\b[^\n]*\n)+"
)


class BodyLocator(Locator):
    def __init__(self, outline: Outline) -> None:
        super().__init__(outline)
        body = _BODY.search(self.text)
        self._step = "    " if body is None else "\t" if body[1][0] == "\t" else body[1][:4]

    def locate(self, region: Region) -> Location | None:
        """Return where a docstring goes in a body; None where there is no room, or something that
        is hardly a docstring is in its place."""
        node = self.outline.docstrings.get((region.start, region.end))
        doc = None
        if node is not None:
            doc = quoted(self.text, *self.span(node))
            if doc is None:
                return None
        return self._top(doc) if region.kind == "module" else self._body(region, doc)

    def _top(self, doc: Docstring | None) -> Location | None:
        top = _TOP.match(self.text)
        at = self.line(doc.start) if doc else top.end() if top else 0
        return Location(0, len(self.text), at, at, "", doc) if self.alone(at) else None

    def _body(self, region: Region, doc: Docstring | None) -> Location | None:
        start, end = self.whole(region)
        first, last = self.span(region.nodes["body"])
        head_end = self.span(region.nodes["head"])[1]
        newline = self.text.find("\n", head_end)
        newline = len(self.text) if newline < 0 else newline
        inner = self.indent(self.outline.parsed.character(region.start))
        inner += "\t" if inner.startswith("\t") else self._step
        if first < min(newline, last):
            # The body is on the line of its head: it is put on one of its own.
            free = doc is not None or not self.text[head_end:first].strip(" \t")
            return Location(start, end, head_end, first, inner, doc) if free else None
        if first == last and newline < len(self.text):
            return Location(start, end, head_end, newline + 1, inner, doc)
        if first == last or not self.alone(first) or self.text[head_end:newline].endswith("\\"):
            return None
        directives = None if doc else _DIRECTIVES.match(self.text, newline + 1, first)
        at = directives.end() if directives else newline + 1
        return Location(start, end, head_end, at, self.indent(first), doc)
