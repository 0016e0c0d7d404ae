"""The gap at the cursor that an answer is to fill."""

import re
from dataclasses import dataclass
from functools import cached_property

from budgetai_core.context.cursor import cursor_syntax
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import Language
from budgetai_core.context.tree import errors

# Characters on each side that are parsed: enough to hold most functions, little enough to be
# parsed between two keys.
_PARSED_BEFORE, _PARSED_AFTER = 2000, 1000
_TOP_LEVEL = re.compile(r"^[^\s)\]}#]", re.MULTILINE)


@dataclass(frozen=True)
class CursorContext:
    """The text on both sides of the cursor, or as much of it as decides what is shown."""

    before: str
    after: str
    language: Language | None

    @cached_property
    def line_before(self) -> str:
        """The cursor's line, up to the cursor."""
        return self.before.rpartition("\n")[2]

    @cached_property
    def line_after(self) -> str:
        """The cursor's line from the cursor on, without white space at its end."""
        return self.after.partition("\n")[0].rstrip()

    @property
    def text_right(self) -> bool:
        """Whether more than closers stands right of the cursor."""
        return self.line_after.strip(")]};, \"'`") != ""

    @cached_property
    def line_above(self) -> str:
        """The nearest line with text above the cursor's own."""
        lines = reversed(self.before[-2000:].split("\n")[:-1])
        return next((line.rstrip() for line in lines if line.strip()), "")

    @cached_property
    def line_below(self) -> str:
        """The nearest line with text below the cursor's own."""
        lines = self.after[:2000].split("\n")[1:]
        return next((line.rstrip() for line in lines if line.strip()), "")

    @cached_property
    def opened(self) -> int | None:
        """The offset of the mark that has just opened a block, or None where none has.

        The mark ends the last line with text, the block has no text yet, and nothing but closers
        stands right of the cursor.
        """
        stripped = self.before.rstrip()
        mark = self.language.opener if self.language else "{"
        if self.line_after.strip(")]};, ") or not stripped.endswith(mark):
            return None
        start = len(stripped) - len(mark)
        inside_a_word = mark.isalpha() and stripped[:start][-1:].isidentifier()
        return None if inside_a_word or self._filled(stripped) else start

    def _filled(self, stripped: str) -> bool:
        """Whether the block goes on below the cursor."""
        return indent(self.line_below) > indent(stripped.rpartition("\n")[2])

    @cached_property
    def region(self) -> tuple[str, str]:
        """The text on both sides that is parsed. It begins and ends at top-level lines if it can,
        so that few brackets are cut off from their partners."""
        before, after = self.before[-_PARSED_BEFORE:], self.after[:_PARSED_AFTER]
        if len(before) < len(self.before):
            start = _TOP_LEVEL.search(before) if before[:1] != "\n" else None
            before = before[start.start() if start and start.start() else before.find("\n") + 1 :]
        if len(after) < len(self.after):
            ends = [match.start() for match in _TOP_LEVEL.finditer(after) if match.start()]
            after = after[: ends[-1] if ends else after.rfind("\n") + 1]
        return before, after

    @cached_property
    def parsed(self) -> ParsedDocument:
        """The region as it is without an answer."""
        return ParsedDocument.of("".join(self.region), self.language)

    @cached_property
    def sound(self) -> bool:
        """Whether the region parses without the cursor's line, so that errors tell of the line. The
        part of a file, or a dialect the grammar does not know, may have errors of its own."""
        before, after = self.region
        rest = before.rpartition("\n")[0] + "\n" + after.partition("\n")[2]
        return errors(self.parsed.edited(rest)) == 0

    @cached_property
    def prose(self) -> bool:
        """Whether the cursor is in a string or a comment, where brackets are only signs."""
        return cursor_syntax(self.parsed, len(self.region[0])).kind != "code"


def indent(line: str) -> int:
    """Columns of white space at a line's start; 0 for an empty one."""
    wide = line.expandtabs(4)
    return len(wide) - len(wide.lstrip())
