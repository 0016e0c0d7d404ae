"""An opening mark that someone has just typed where a docstring belongs. Pure.

`\"\"\"` or `'''` as the first statement of a body or a module, or `/**` above a definition, with
nothing else on the line but what the editor has put in to close it.
"""

from dataclasses import dataclass

from budgetai_core.context.cursor import cursor_syntax
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.prompt import Snapshot
from budgetai_core.docstrings.documentable import Documentable, documentables
from budgetai_core.docstrings.parse.comment_syntax import comment_syntax

_MARKS = {'"""': ("", '"', '"""'), "'''": ("", "'", "'''"), "/**": ("", "/", "*/")}
_EMPTY_BODY = "pass"


@dataclass(frozen=True)
class Trigger:
    """`document` is the text as it is without the mark, and `documentable` what lacks a docstring
    in it. What stands right of the cursor up to the line's end, `replaces` characters, is
    closers."""

    document: ParsedDocument
    documentable: Documentable
    mark: str
    replaces: int


def trigger(parsed: ParsedDocument, snapshot: Snapshot) -> Trigger | None:
    """Return what the cursor asks to be documented. `parsed` is the text of the snapshot. None for
    any other place."""
    text, cursor = snapshot.text, snapshot.cursor
    start = text.rfind("\n", 0, cursor) + 1
    end = len(text) if (end := text.find("\n", cursor)) < 0 else end
    mark, rest = text[start:cursor].strip(), text[cursor:end]
    if mark not in _MARKS or rest.strip() not in _MARKS[mark] or not _opens(parsed, cursor, mark):
        return None
    indent = text[start:cursor].removesuffix(mark)
    language = snapshot.language
    syntax = comment_syntax(language)
    if syntax is None or syntax.inside == mark.startswith("/") or not syntax.closing:
        return None
    for body in ("", f"{indent}{_EMPTY_BODY}\n"):
        without = ParsedDocument.of(text[:start] + body + text[end + 1 :], language)
        if documentable := _lacking(without, start, indent):
            return Trigger(without, documentable, mark, len(rest))
        if not syntax.inside:
            # An empty body is an error in Python alone.
            break
    return None


def _opens(parsed: ParsedDocument, cursor: int, mark: str) -> bool:
    """Return whether the mark does not close what began above."""
    around = cursor_syntax(parsed, cursor)
    return around.kind != "code" and around.start == cursor - len(mark)


def _lacking(parsed: ParsedDocument, line: int, indent: str) -> Documentable | None:
    """Return what would have its docstring at a line, which begins at a character; a definition
    goes before the module around it."""
    lacking = [
        documentable
        for documentable in documentables(parsed)
        if documentable.docstring is None
        and documentable.indent == indent
        # Only white space stands between the two.
        and not parsed.text[min(documentable.at, line) : max(documentable.at, line)].strip()
    ]
    definitions = [documentable for documentable in lacking if documentable.kind != "module"]
    return next(iter(definitions or lacking), None)
