"""The document's own style: an answer is indented as the lines around it are."""

import re
from collections.abc import Callable, Sequence

from budgetai_server.completion.postprocess.cursor_context import CursorContext

_INDENT = re.compile(r"^([ \t]+)(?=\S)", re.MULTILINE)
_TAB = 4


def reindented(context: CursorContext, text: str) -> str:
    """Return the answer with tabs for spaces or spaces for tabs, where the document has the other,
    and without carriage returns: line ends are put in where the text leaves us."""
    text = text.replace("\r", "")
    if "\n" not in text and context.line_before.strip():
        return text
    around = _INDENT.findall(f"{context.before[-2000:]}\n{context.after[:1000]}")
    tabs = sum(white[0] == "\t" for white in around)
    if not around or 2 * tabs == len(around):
        return text
    starts_line = not context.line_before
    own = [match[1] for match in _INDENT.finditer(text) if match.start() or starts_line]
    if 2 * tabs > len(around):
        return _replaced(text, starts_line, lambda white: _tabs(white, _unit(own)))
    unit = _unit([white for white in around if white[0] == " "])
    return _replaced(text, starts_line, lambda white: white.replace("\t", " " * unit))


def _replaced(text: str, starts_line: bool, change: Callable[[str], str]) -> str:
    def changed(match: re.Match[str]) -> str:
        return change(match[0]) if match.start() or starts_line else match[0]

    return _INDENT.sub(changed, text)


def _unit(indents: Sequence[str]) -> int:
    """Return spaces to a level: 2 where some line is indented by an odd number of pairs."""
    return 2 if any(len(white) % _TAB == 2 for white in indents) else _TAB


def _tabs(white: str, unit: int) -> str:
    """Return spaces as tabs; what is left over aligns, and stays."""
    if "\t" in white:
        return white
    levels, rest = divmod(len(white), unit)
    return "\t" * levels + " " * rest
