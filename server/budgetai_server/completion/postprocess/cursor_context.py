"""The text around the cursor that an answer is to fit between."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from budgetai_core.context.cursor import cursor_syntax
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.downlevel import downleveled
from budgetai_core.context.languages import Language
from budgetai_core.context.tree import errors
from budgetai_server.completion.postprocess.region import indent, is_sound, regions


@dataclass(frozen=True)
class CursorContext:
    """The text on both sides of the cursor, or as much of it as decides what is shown."""

    before: str
    after: str
    language: Language | None
    # Which of the regions is parsed.
    choice: int = 0

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
        """Return whether the block goes on below the cursor."""
        return indent(self.line_below) > indent(stripped.rpartition("\n")[2])

    @cached_property
    def region(self) -> tuple[str, str]:
        """The text on both sides that is parsed."""
        return regions(self.before, self.after, self.language)[self.choice]

    @property
    def alternatives(self) -> Iterator["CursorContext"]:
        """The same place with each other region that it may stand in."""
        count = len(regions(self.before, self.after, self.language))
        return (replace(self, choice=choice) for choice in range(self.choice + 1, count))

    @cached_property
    def parsed(self) -> ParsedDocument:
        """The region as it is without an answer."""
        return ParsedDocument.of("".join(self.region), self.language)

    def known(self, text: str) -> str:
        """Return a text in which what is newer than its grammar is something the grammar knows."""
        return downleveled(text, self.language)

    def errors(self, text: str) -> int:
        """Return how many errors another text of the region has, but for those that only say what
        the grammar does not know."""
        count = errors(self.parsed.edited(text))
        known = self.known(text) if count else text
        return count if known == text else min(count, errors(self.parsed.edited(known)))

    @cached_property
    def errors_without(self) -> int:
        """How many errors the region has as it is without an answer."""
        return self.errors("".join(self.region))

    @cached_property
    def sound(self) -> bool:
        """Whether the region parses without the cursor's line, so that errors tell of the line. The
        part of a file, or a dialect the grammar does not know, may have errors of its own."""
        return self.language is None or is_sound(*self.region, self.language)

    @cached_property
    def prose(self) -> bool:
        """Whether the cursor is in a string or a comment, where brackets are only signs."""
        return cursor_syntax(self.parsed, len(self.region[0])).kind != "code"
