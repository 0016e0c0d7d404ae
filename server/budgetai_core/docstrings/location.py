"""Where the docstring of a region stands, or where one would be put in."""

from dataclasses import dataclass

import tree_sitter

from budgetai_core.docstrings.query import Outline, Region
from budgetai_core.docstrings.text import Docstring


@dataclass(frozen=True)
class Location:
    """The fields of these names of a Subject; characters."""

    start: int
    end: int
    head_end: int
    at: int
    indent: str
    docstring: Docstring | None


class Locator:
    """A text as sites need it: characters of nodes, and the beginnings of lines."""

    def __init__(self, outline: Outline) -> None:
        self.outline = outline
        self.text = outline.parsed.text

    def span(self, node: tree_sitter.Node) -> tuple[int, int]:
        character = self.outline.parsed.character
        return character(node.start_byte), character(node.end_byte)

    def whole(self, region: Region) -> tuple[int, int]:
        """Return a definition with what it is wrapped in, as an export."""
        span = region.start, region.end
        while span in self.outline.wholes:
            node = self.outline.wholes[span]
            span = node.start_byte, node.end_byte
        character = self.outline.parsed.character
        return character(span[0]), character(span[1])

    def line(self, at: int) -> int:
        """Return where a line begins; a byte order mark is none of the first."""
        start = self.text.rfind("\n", 0, at) + 1
        return start or int(self.text.startswith("\ufeff"))

    def indent(self, at: int) -> str:
        """Return the white space at the start of a line."""
        line = self.text[self.line(at) : at]
        return line[: len(line) - len(line.lstrip())]

    def alone(self, at: int) -> bool:
        """Return whether only white space stands left of a character on its line."""
        return not self.text[self.line(at) : at].strip(" \t\ufeff")
