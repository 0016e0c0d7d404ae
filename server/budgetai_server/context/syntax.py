"""What tree-sitter tells of a text: its nodes, its definitions, and where a block ends.

Offsets are in characters of the text; tree-sitter's bytes stay inside this module.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import tree_sitter

from budgetai_server.context.languages import Language, parser

_MAX_SIGNATURE = 240


@dataclass(frozen=True)
class Definition:
    """A named thing another file may use. `signature` is its head, without the body."""

    name: str
    line: int
    signature: str


class Node(NamedTuple):
    """A named node of the syntax tree, from character `start` up to `end`."""

    type: str
    start: int
    end: int


def nodes(text: str, language: Language | None) -> Iterator[Node]:
    """Every named node, parents before their children; none without a grammar."""
    data = _bytes(text)
    root = _root(data, language)
    if root is None:
        return
    character = _character_of_byte(text, data)
    for node in _walk(root):
        yield Node(node.type, character(node.start_byte), character(node.end_byte))


def definitions(text: str, language: Language | None) -> list[Definition]:
    """Named definitions at the top of the file and one level inside classes, in file order."""
    data = _bytes(text)
    root = _root(data, language)
    if root is None or language is None:
        return []
    nodes = _descend(root, language.definitions, depth=4)
    return [found for node in nodes if (found := _definition(node, data, language)) is not None]


def block_end(text: str, opener: int, start: int, language: Language | None) -> int | None:
    """Where the block ends whose opening mark stands at `opener` and whose text goes on at
    `start`; None when the text has no such block, or the language no grammar."""
    data = _bytes(text)
    root = _root(data, language)
    if root is None or language is None:
        return None
    low = len(_bytes(text[:opener]))
    high = len(_bytes(text[:start]))
    node = _outermost_block(root, language.blocks, low, high)
    return len(data[: node.end_byte].decode("utf-8", "replace")) if node else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _character_of_byte(text: str, data: bytes) -> Callable[[int], int]:
    if len(text) == len(data):
        return lambda byte: byte
    starts = list(accumulate((len(_bytes(character)) for character in text), initial=0))
    return lambda byte: bisect_left(starts, byte)


def _walk(root: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """Without recursion: the trees of generated code are deep."""
    cursor = root.walk()
    while True:
        if cursor.node is not None and cursor.node.is_named:
            yield cursor.node
        if cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def _root(data: bytes, language: Language | None) -> tree_sitter.Node | None:
    parse = parser(language) if language else None
    return parse.parse(data).root_node if parse else None


def _descend(
    node: tree_sitter.Node, kinds: frozenset[str], depth: int
) -> Iterator[tree_sitter.Node]:
    for child in node.named_children:
        if child.type in kinds:
            yield child
        if depth:
            yield from _descend(child, kinds, depth - 1)


def _definition(node: tree_sitter.Node, data: bytes, language: Language) -> Definition | None:
    name = _name(node)
    if name is None or name.text is None:
        return None
    body = node.child_by_field_name("body") or next(
        (child for child in node.named_children if child.type in language.blocks), None
    )
    end = body.start_byte if body else node.end_byte
    head = data[node.start_byte : end].decode("utf-8", "replace")
    signature = " ".join(head.split())[:_MAX_SIGNATURE].rstrip("{ ")
    return Definition(name.text.decode("utf-8", "replace"), node.start_point[0], signature)


def _name(node: tree_sitter.Node) -> tree_sitter.Node | None:
    """The name of a definition; C hides it inside nested declarators."""
    found = node.child_by_field_name("name")
    declarator = node.child_by_field_name("declarator")
    while found is None and declarator is not None:
        inner = declarator.child_by_field_name("declarator")
        if inner is None:
            return declarator if declarator.type.endswith("identifier") else None
        declarator = inner
    return found


def _outermost_block(
    node: tree_sitter.Node, kinds: frozenset[str], low: int, high: int
) -> tree_sitter.Node | None:
    """The first and widest block that starts at or after byte `low` and holds byte `high`, or
    begins right after it with only white space between."""
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
