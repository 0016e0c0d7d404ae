"""Whether an answer, once it is in the file, leaves it with more syntax errors than it had."""

from functools import cache

import tree_sitter

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import language_of
from budgetai_core.evaluation.spans import MaskedSpan
from budgetai_server.completion.text_edit import Suggestion


def breaks(span: MaskedSpan, shown: Suggestion) -> tuple[bool, bool]:
    """Whether more is wrong with an answer than without one, and than in the true text."""
    rest = span.after[shown.replaces :]
    found = _wrong(span.path, span.before + shown.text + rest)
    without, true = _usual(span)
    return found > without, found > true


@cache
def _usual(span: MaskedSpan) -> tuple[int, int]:
    return (
        _wrong(span.path, span.before + span.after),
        _wrong(span.path, span.before + span.expected + span.after),
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
