"""The server's copy of an open document."""

import re

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
        # All line ends become \n, in as many characters as before. No line is matched by itself: an
        # editor that replaces all sends thousands of places at once.
        text = self.source.replace("\r\n", " \n").replace("\r", "\n")
        *above, rest = text.split("\n", client_position.line)
        if len(above) < client_position.line:
            return len(text)
        start = len(text) - len(rest)
        end = start + len(rest.partition("\n")[0])
        line = self.source[start:end].rstrip("\r")
        units = min(client_position.character, self.position_codec.client_num_units(line))
        place = self.position_codec.position_from_client_units([line], types.Position(0, units))
        return start + place.character

    def _apply_incremental_change(self, change: types.TextDocumentContentChangePartial) -> None:
        start = self.offset_at_position(change.range.start)
        end = max(start, self.offset_at_position(change.range.end))
        self._source = self.source[:start] + change.text + self.source[end:]
