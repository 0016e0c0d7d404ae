"""Positions of the protocol, which count in the units agreed on, and character offsets."""

from lsprotocol import types
from pygls.workspace import TextDocument


def offset(document: TextDocument, position: types.Position) -> int:
    """Return the character offset of a position; the nearest one for a place that does not
    exist."""
    return min(document.offset_at_position(position), len(document.source))


def around(
    document: TextDocument, position: types.Position, cursor: int, start: int, end: int
) -> types.Range:
    """Return the range from `start` to `end`, on the line of the position that is the offset
    `cursor`."""
    units = document.position_codec.client_num_units
    before, after = document.source[start:cursor], document.source[cursor:end]
    return types.Range(
        types.Position(position.line, max(0, position.character - units(before))),
        types.Position(position.line, position.character + units(after)),
    )


def between(document: TextDocument, start: int, end: int) -> types.Range:
    """Return the range from one character offset up to another."""
    return types.Range(_position(document, start), _position(document, end))


def _position(document: TextDocument, offset: int) -> types.Position:
    units = document.position_codec.client_num_units
    lines = document.lines
    for number, line in enumerate(lines):
        if offset < len(line):
            return types.Position(number, units(line[:offset]))
        offset -= len(line)
    # Behind the last line, which may have no end.
    last = lines[-1] if lines else ""
    if last.endswith(("\n", "\r")) or not last:
        return types.Position(len(lines), 0)
    return types.Position(len(lines) - 1, units(last))
