"""Trees of a text that its grammar does not wholly understand: what it lacks is bridged, and what
one construct would hide is parsed anew, from the next top-level line on."""

import re
from collections.abc import Iterator

import tree_sitter

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.grammar_gaps import bridged
from budgetai_core.context.languages import parser

# Each is a parse of the rest of the file.
_MAX_PARTS = 12
_MAX_BYTES = 300_000
# A line of the top level that begins something.
_TOP_LEVEL = re.compile(rb"^[A-Za-z_@#\[][^\n]*$", re.MULTILINE)


def readable_roots(parsed: ParsedDocument) -> Iterator[tree_sitter.Node]:
    """Return the roots of trees that together hold a text, with the text's own byte offsets.

    It is one, the text's own, where that has no error.
    """
    root = parsed.root
    if root is None:
        return
    if not root.has_error or parsed.language is None or len(parsed.data) > _MAX_BYTES:
        yield root
        return
    known = ParsedDocument.of(bridged(parsed.text, parsed.language), parsed.language)
    if known.root is not None and _unread(known.root) <= _unread(root):
        root, parsed = known.root, known
    yield from _parts(parsed, root)


def _parts(parsed: ParsedDocument, root: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    # A file of PHP is a text without the mark at its beginning.
    language = parsed.language
    parts = 1 if language is None or language.name == "php" else _MAX_PARTS
    start = 0
    for _ in range(parts - 1):
        cut = _hidden_line(parsed.data, root)
        if cut is None:
            break
        head, rest = _range(parsed, start, cut), _range(parsed, cut, len(parsed.data))
        if head is None or rest is None or _unread(head) + _unread(rest) >= _unread(root):
            break
        yield head
        root, start = rest, cut
    yield root


def _hidden_line(data: bytes, root: tree_sitter.Node) -> int | None:
    """The first line of the top level that an error has swallowed."""
    error = next((node for node in [root, *root.children] if node.is_error), None)
    if error is None:
        return None
    start = error.start_byte if error is not root else _first_token(root)
    line = _TOP_LEVEL.search(data, data.find(b"\n", start) + 1)
    while line and line.start() < error.end_byte:
        if line.start() > start:
            return line.start()
        line = _TOP_LEVEL.search(data, line.end())
    return None


def _first_token(root: tree_sitter.Node) -> int:
    return root.children[0].start_byte if root.children else root.start_byte


def _range(parsed: ParsedDocument, start: int, end: int) -> tree_sitter.Node | None:
    """The tree of a part of a text, at its own place in it."""
    parse = parser(parsed.language) if parsed.language else None
    if parse is None:
        return None
    first, last = _point(parsed.data[:start]), _point(parsed.data[:end])
    parse.included_ranges = [tree_sitter.Range(first, last, start, end)]
    return parse.parse(parsed.data).root_node


def _point(before: bytes) -> tree_sitter.Point:
    return tree_sitter.Point(before.count(b"\n"), len(before) - before.rfind(b"\n") - 1)


def _unread(root: tree_sitter.Node) -> int:
    """How many bytes of a tree stand in errors."""
    if root.is_error:
        return root.end_byte - root.start_byte
    pending, count = [root], 0
    while pending:
        node = pending.pop()
        if node.is_error:
            count += node.end_byte - node.start_byte
        elif node.has_error:
            pending += node.children
    return count
