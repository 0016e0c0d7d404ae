"""Whether an answer, once it is in the file, leaves it with more syntax errors than it had."""

from functools import cache

import tree_sitter

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import language_of
from budgetai_core.evaluation.spans import Hole
from budgetai_server.completion.text_edit import Suggestion


def breaks(hole: Hole, shown: Suggestion) -> tuple[bool, bool]:
    """Whether more is wrong with an answer than without one, and than in the true text."""
    rest = hole.after[shown.replaces :]
    found = _wrong(hole.path, hole.before + shown.text + rest)
    without, true = _usual(hole)
    return found > without, found > true


@cache
def _usual(hole: Hole) -> tuple[int, int]:
    return (
        _wrong(hole.path, hole.before + hole.after),
        _wrong(hole.path, hole.before + hole.expected + hole.after),
    )


def _wrong(path: str, text: str) -> int:
    """How many nodes of a text are errors, or missing: the judge counts for itself."""
    root = ParsedDocument.of(text, language_of(path)).root
    waiting, count = [root] if root is not None else [], 0
    while waiting:
        node: tree_sitter.Node = waiting.pop()
        count += node.is_error or node.is_missing
        if node.has_error:
            waiting += node.children
    return count
