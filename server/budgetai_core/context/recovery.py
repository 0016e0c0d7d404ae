"""Trees of a text that its grammar does not wholly understand: what it lacks is downleveled, and
what one construct would hide is parsed anew, from the next top-level line on."""

import re
from collections.abc import Iterator

import tree_sitter

from budgetai_core.context.document import ParsedDocument, readable
from budgetai_core.context.downlevel import downleveled
from budgetai_core.context.languages import parser

# Each is a parse of the rest of the file.
_MAX_TRIES = 5
_MAX_BRIDGED_BYTES, _MAX_REPARSED_BYTES = 300_000, 60_000
# A line of the top level that begins something.
_TOP_LEVEL = re.compile(rb"^[A-Za-z_@#\[][^\n]*$", re.MULTILINE)


def readable_roots(parsed: ParsedDocument) -> Iterator[tree_sitter.Node]:
    """Return the roots of trees that together hold a text, with the text's own byte offsets.

    It is one, the text's own, where that has no error.
    """
    root = parsed.root
    if root is None:
        return
    if not root.has_error or parsed.language is None or len(parsed.data) > _MAX_BRIDGED_BYTES:
        yield root
        return
    known = ParsedDocument.of(downleveled(parsed.text, parsed.language), parsed.language)
    if known.root is not None and _unread(known.root) <= _unread(root):
        root, parsed = known.root, known
    yield from _parts(parsed, root)


def _parts(parsed: ParsedDocument, root: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    language = parsed.language
    # A file of PHP is a text without the mark at its beginning.
    is_php = language is not None and language.name == "php"
    tries = 0 if is_php or len(parsed.data) > _MAX_REPARSED_BYTES else _MAX_TRIES
    start = tried = 0
    while tries:
        cut = next((line for line in _hidden_lines(parsed.data, root) if line > tried), None)
        if cut is None:
            break
        tries, tried = tries - 1, cut
        head, rest = _range(parsed, start, cut), _range(parsed, cut, len(parsed.data))
        if head and rest and _unread(head) + _unread(rest) <= _unread(root):
            yield head
            root, start = rest, cut
    yield root


def _hidden_lines(data: bytes, root: tree_sitter.Node) -> Iterator[int]:
    """Yield where the top level seems to begin anew inside something that is not understood."""
    for node in [root] if root.is_error else root.children:
        line = _TOP_LEVEL.search(data, data.find(b"\n", _first_token(node)) + 1)
        if node.has_error and line and line.start() < node.end_byte:
            yield line.start()


def _first_token(node: tree_sitter.Node) -> int:
    return node.children[0].start_byte if node.children else node.start_byte


def _range(parsed: ParsedDocument, start: int, end: int) -> tree_sitter.Node | None:
    """Return the tree of a part of a text, at its own place in it."""
    parse = parser(parsed.language) if parsed.language else None
    if parsed.language is None or parse is None:
        return None
    data = readable(parsed.data, parsed.language)
    if end == len(parsed.data):
        end = len(data)
    first, last = _point(data[:start]), _point(data[:end])
    parse.included_ranges = [tree_sitter.Range(first, last, start, end)]
    return parse.parse(data).root_node


def _point(before: bytes) -> tree_sitter.Point:
    return tree_sitter.Point(before.count(b"\n"), len(before) - before.rfind(b"\n") - 1)


def _unread(root: tree_sitter.Node) -> int:
    """Return how many bytes of a tree stand in errors, and how many tokens it had to make up."""
    pending, count = [root], 0
    while pending:
        node = pending.pop()
        if node.is_error:
            count += node.end_byte - node.start_byte
        elif node.is_missing:
            count += 1
        elif node.has_error:
            pending += node.children
    return count
