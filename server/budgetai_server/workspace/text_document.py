"""The server's copy of an open document."""

import re
from collections.abc import Sequence

from lsprotocol import types
from pygls.workspace import TextDocument

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")


class Document(TextDocument):
    """A document whose lines and positions are those of the protocol. pygls ends lines as Python
    does, at form feeds and U+2028 too, and takes a place behind a line's end for one in the next
    line or before the last character: it would edit and complete elsewhere than the editor."""

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(_LINE.findall(self.source))

    def offset_at_position(self, client_position: types.Position) -> int:
        """Return the character offset of a position. Behind a line's end, that is the line's end;
        behind the last line, the end of the text."""
        return self._offset(self.lines, client_position)

    def _offset(self, lines: Sequence[str], position: types.Position) -> int:
        if position.line >= len(lines):
            return len(self.source)
        line = lines[position.line].rstrip("\r\n")
        units = min(position.character, self.position_codec.client_num_units(line))
        column = self.position_codec.position_from_client_units([line], types.Position(0, units))
        return sum(map(len, lines[: position.line])) + column.character

    def _apply_incremental_change(self, change: types.TextDocumentContentChangePartial) -> None:
        source, lines = self.source, self.lines
        start = self._offset(lines, change.range.start)
        end = max(start, self._offset(lines, change.range.end))
        self._source = source[:start] + change.text + source[end:]
