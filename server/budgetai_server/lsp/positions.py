"""Positions of the protocol, which count in the units agreed on, and character offsets."""

from lsprotocol import types
from pygls.workspace import TextDocument


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
