"""A document while it is typed: lines, a cursor, and which lines of the file are there by now."""

from bisect import bisect_left
from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """Text put in at a row and a column, both from 0; columns count characters."""

    row: int
    column: int
    text: str
    line: str

    @property
    def utf16(self) -> int:
        """The column as the protocol counts it. `line` is the row's text before the edit."""
        return len(self.line[: self.column].encode("utf-16-le")) // 2


class Buffer:
    """A file without the lines that will be typed. `modified` means: since it was written."""

    def __init__(self, path: str, text: str, missing: set[int]) -> None:
        shown = [(i, line) for i, line in enumerate(text.split("\n")) if i not in missing]
        self.path = path
        self.lines = [line for _, line in shown]
        self._numbers = [number for number, _ in shown]
        self.row = 0
        self.column = 0
        self.modified = False

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def before(self) -> str:
        """The text up to the cursor."""
        return "\n".join([*self.lines[: self.row], self.line[: self.column]])

    @property
    def line(self) -> str:
        return self.lines[self.row]

    @property
    def utf16(self) -> int:
        return Edit(self.row, self.column, "", self.line).utf16

    def go_above(self, number: int) -> None:
        """To the end of the line that stands above the file's missing line `number`."""
        self.row = bisect_left(self._numbers, number) - 1
        self.column = len(self.line)

    def insert(self, text: str) -> Edit:
        """Put in text at the cursor, which goes behind it."""
        edit = Edit(self.row, self.column, text, self.line)
        head, tail = self.line[: self.column], self.line[self.column :]
        fresh = (head + text).split("\n")
        self.column = len(fresh[-1])
        fresh[-1] += tail
        self.lines[self.row : self.row + 1] = fresh
        number = self._numbers[self.row]
        self._numbers[self.row + 1 : self.row + 1] = [number + i for i in range(1, len(fresh))]
        self.row += len(fresh) - 1
        self.modified = True
        return edit
