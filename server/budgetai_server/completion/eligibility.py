"""Whether a place is one to complete at all. No IO: names, text and options in, a reason out.

A reason is a short word for logs and counts, and never holds text of the document.
"""

from typing import Literal
from urllib.parse import urlsplit

import tree_sitter

from budgetai_core.context.cursor import cursor_syntax
from budgetai_core.context.document import ParsedDocument
from budgetai_core.repository.secret_files import holds_secrets
from budgetai_core.repository.wildmatch import patterns
from budgetai_server.options import ServerOptions

DocumentReason = Literal["scheme", "ignored", "read_only", "too_large"]
PlaceReason = Literal["string", "comment", "mid_line", "finished"]
Reason = DocumentReason | PlaceReason

# What people edit; the others (git:, output:, vscode-scm: and so on) only show something. Editors
# write Windows drives without a scheme at times.
_SCHEMES = ("file", "untitled", "vscode-notebook-cell", "")
MAX_CHARACTERS = 4_000_000
"""Larger documents get no completion."""
_CLOSERS = ")]}>\"'`;,"
# How the grammars name their nodes.
_HEADS = ("for", "while", "if", "switch")
_DEFINITIONS = ("definition", "declaration", "_item")
_STATEMENTS = ("_statement", "statement_list", *_DEFINITIONS)


def in_document(
    uri: str, path: str, size: int, options: ServerOptions, *, writable: bool, left_alone: bool
) -> DocumentReason | None:
    """Why nothing is completed anywhere in a document; None where something may be.

    `path` is relative to the workspace, with slashes; `size` counts characters; `left_alone` says
    that a .budgetaiignore file covers the path.
    """
    scheme = urlsplit(uri).scheme
    if scheme not in _SCHEMES and len(scheme) > 1:
        return "scheme"
    named = patterns(*options.ignore).covers(path)
    if left_alone or (holds_secrets(path) if named is None else named):
        return "ignored"
    if size > MAX_CHARACTERS:
        return "too_large"
    return None if writable else "read_only"


def at_place(parsed: ParsedDocument, cursor: int, options: ServerOptions) -> PlaceReason | None:
    """Why nothing is completed at a character of a text; None where something may be."""
    kind = cursor_syntax(parsed, cursor).kind
    if kind == "string" and not options.in_strings:
        return "string"
    if kind in ("comment", "docstring") and not options.in_comments:
        return "comment"
    if not options.mid_line and not _only_closers(parsed, cursor, kind):
        return "mid_line"
    return "finished" if kind == "code" and _finished(parsed, cursor) else None


def _only_closers(parsed: ParsedDocument, cursor: int, kind: str) -> bool:
    """Whether all that stands right of the cursor is what an editor puts there by itself: closers,
    and the mark that opens the block of a condition."""
    end = parsed.text.find("\n", cursor)
    rest = parsed.text[cursor : end if end >= 0 else len(parsed.text)].strip()
    if kind in ("comment", "docstring") and rest == "*/":
        return True
    opener = parsed.language.opener if parsed.language else "{"
    return rest.lstrip(_CLOSERS + " \t").rstrip(_CLOSERS + " \t") in ("", opener)


def _finished(parsed: ParsedDocument, cursor: int) -> bool:
    """Whether the tree says that a statement or a definition ends right before the cursor, and its
    language writes no other on the same line. Elsewhere a line may always go on."""
    last = parsed.text[cursor - 1 : cursor] if cursor else ""
    if parsed.root is None or last not in _ENDS:
        return False
    end = parsed.byte(cursor)
    mark = parsed.root.descendant_for_byte_range(end - 1, end)
    whole = mark.parent if mark and mark.type == last else None
    if whole is None or whole.end_byte != end or whole.parent is None:
        return False
    return _ENDS[last](whole, whole.parent, end)


def _ends_statement(whole: tree_sitter.Node, around: tree_sitter.Node, end: int) -> bool:
    """Not the `;` in the head of a loop, nor one in broken code, which may be such a head."""
    head = around.type.startswith(_HEADS) and around.end_byte > end
    return whole.type.endswith(_STATEMENTS) and not head and not around.is_error


def _ends_definition(whole: tree_sitter.Node, around: tree_sitter.Node, end: int) -> bool:
    """Not the `}` of a value or of an `if`, behind which a line goes on with `;` or `else`."""
    body = around.child_by_field_name("body") == whole
    return body and around.end_byte == end and around.type.endswith(_DEFINITIONS)


_ENDS = {";": _ends_statement, "}": _ends_definition}
