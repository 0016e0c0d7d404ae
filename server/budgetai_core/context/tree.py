"""What tree-sitter tells of a text: its nodes, its definitions, its errors, and where a block
ends.

Offsets are in characters of the text; tree-sitter's bytes stay inside this package.
"""

from collections.abc import Iterator
from typing import NamedTuple

import tree_sitter

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import Language
from budgetai_core.context.outline import pieces
from budgetai_core.context.symbols import Definition, file_symbols

__all__ = [
    "Definition",
    "Node",
    "block_end",
    "definitions",
    "errors",
    "nodes",
]  # fmt: skip


class Node(NamedTuple):
    """A named node of the syntax tree, from character `start` up to `end`."""

    type: str
    start: int
    end: int


def nodes(text: str, language: Language | None) -> Iterator[Node]:
    """Yield every named node, parents before their children; of a text that is read by its marks,
    the blocks, statements, arguments and values that these show."""
    if language and language.marks:
        yield from (Node(*piece) for piece in pieces(text, language))
        return
    parsed = ParsedDocument.of(text, language)
    if parsed.root is None:
        return
    for node in _walk(parsed.root):
        yield Node(node.type, parsed.character(node.start_byte), parsed.character(node.end_byte))


def definitions(text: str, language: Language | None) -> list[Definition]:
    """Return named definitions at the top of the file and inside classes, in file order."""
    return list(file_symbols(text, language).definitions)


def errors(parsed: ParsedDocument, start: int = 0, end: int | None = None) -> int:
    """Return how many nodes of a character range are errors, or were missing in it."""
    if parsed.root is None:
        return 0
    low, high = parsed.byte(start), parsed.byte(len(parsed.text) if end is None else end)
    count = 0
    pending = [parsed.root]
    while pending:
        node = pending.pop()
        if not node.has_error or node.end_byte < low or node.start_byte > high:
            continue
        count += node.is_error or node.is_missing
        pending += node.children
    return count


def block_end(text: str, opener: int, start: int, language: Language | None) -> int | None:
    """Return where the block ends whose opening mark stands at `opener` and whose text goes on at
    `start`; None when the text has no such block, or the language no grammar."""
    parsed = ParsedDocument.of(text, language)
    if parsed.root is None or language is None:
        return None
    low, high = parsed.byte(opener), parsed.byte(start)
    node = _outermost_block(parsed.root, language.blocks, low, high)
    return parsed.character(node.end_byte) if node else None


def _walk(root: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """Yield all named nodes, without recursion: the trees of generated code are deep."""
    cursor = root.walk()
    while True:
        if cursor.node is not None and cursor.node.is_named:
            yield cursor.node
        if cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def _outermost_block(
    node: tree_sitter.Node, kinds: frozenset[str], low: int, high: int
) -> tree_sitter.Node | None:
    """Return the first and widest block that starts at or after byte `low` and holds byte `high`,
    or begins right after it with only white space between."""
    while True:
        for child in node.named_children:
            if child.end_byte < high:
                continue
            if child.type in kinds and child.start_byte >= low:
                return child
            if child.start_byte <= high:
                node = child
                break
        else:
            return None
