"""Whether a cursor may get a suggestion at all: in which documents, and at which places of them.

A reason against it is a short word for logs and counts, and never holds text of the document.
"""

import logging
import stat
from collections import Counter
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import tree_sitter

from budgetai_core.context.cursor import cursor_syntax
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.prompt import Snapshot
from budgetai_core.repository.files import IGNORE_FILE
from budgetai_core.repository.gitignore import IgnoreFiles
from budgetai_core.repository.secret_files import holds_secrets
from budgetai_core.repository.wildmatch import patterns
from budgetai_server.options import ServerOptions

log = logging.getLogger(__name__)

DocumentReason = Literal["scheme", "ignored", "read_only", "too_large"]
PlaceReason = Literal["string", "comment", "mid_line", "finished"]
Reason = DocumentReason | PlaceReason

MAX_CHARACTERS = 4_000_000
"""Larger documents get no completion."""
# A larger text would be parsed for longer than anyone waits, the first time.
_MAX_PARSED_CHARACTERS = 300_000
# What people edit; the others (git:, output:, vscode-scm: and so on) only show something. Editors
# write Windows drives without a scheme at times.
_SCHEMES = ("file", "untitled", "vscode-notebook-cell", "")
_CLOSERS = ")]}>\"'`;,"
# How the grammars name their nodes.
_HEADS = ("for", "while", "if", "switch")
_DEFINITIONS = ("definition", "declaration", "_item")
_STATEMENTS = ("_statement", "statement_list", *_DEFINITIONS)


class Eligibility:
    """What is known of each open document; `silent` counts the requests that a reason ended.
    Documents are looked up on the disk once, when first asked for and after they are saved."""

    def __init__(self, options: ServerOptions, root: Path | None) -> None:
        self.silent: Counter[Reason] = Counter()
        self._options = options
        self._root = root
        self._ignores: dict[Path, IgnoreFiles] = {}
        # By URI: whether it may be written, and whether an ignore file covers it.
        self._on_disk: dict[str, tuple[bool, bool]] = {}
        self._parsed: dict[str, ParsedDocument] = {}

    def document_reason(self, uri: str, file: Path, path: str, size: int) -> DocumentReason | None:
        """Return why nothing is completed in a document of `size` characters; `file` is where it is
        saved, `path` its own name in the workspace, whatever language the editor says it is in."""
        if uri not in self._on_disk:
            self._on_disk[uri] = (_writable(file), self._is_ignored(file, path))
        writable, ignored = self._on_disk[uri]
        return in_document(uri, path, size, self._options, writable=writable, ignored=ignored)

    def _is_ignored(self, file: Path, path: str) -> bool:
        """Return whether a file is ignored, by the ignore files of the workspace; of the folders
        around a file that lies outside."""
        root, name = self._root, path
        if root is None or not _resolved(file).is_relative_to(root):
            if not file.is_absolute():
                return False
            root, name = file.parent, file.name
        if root not in self._ignores:
            self._ignores[root] = IgnoreFiles.from_anywhere_above(root, IGNORE_FILE)
        return self._ignores[root].covers(name)

    def place_reason(self, uri: str, snapshot: Snapshot) -> PlaceReason | None:
        """Return why nothing is completed at a place."""
        return at_place(self.parsed(uri, snapshot), snapshot.cursor, self._options)

    def parsed(self, uri: str, snapshot: Snapshot) -> ParsedDocument:
        """Return the document's text with its tree, which is kept: a key costs a millisecond."""
        small = len(snapshot.text) <= _MAX_PARSED_CHARACTERS
        language = snapshot.language
        # What is read by its marks is read around the cursor alone.
        if language and not (small or language.marks):
            language = None
        last = self._parsed.get(uri)
        if last and last.language == language:
            parsed = last.edited(snapshot.text)
        else:
            parsed = ParsedDocument.of(snapshot.text, language)
        self._parsed[uri] = parsed
        return parsed

    def decline(self, reason: Reason) -> None:
        """Count a request that gets nothing."""
        self.silent[reason] += 1
        log.debug("no completion: %s", reason)

    def saved(self, uri: str) -> None:
        """Look at a document on the disk again: it may have become writable. A saved ignore file
        says new things of all others."""
        self._on_disk.pop(uri, None)
        if uri.endswith("/" + IGNORE_FILE):
            self._ignores.clear()
            self._on_disk.clear()

    def closed(self, uri: str) -> None:
        self._on_disk.pop(uri, None)
        self._parsed.pop(uri, None)


def _resolved(file: Path) -> Path:
    try:
        return file.resolve()
    except (OSError, RuntimeError, ValueError):
        return file


def _writable(path: Path) -> bool:
    """Return whether anyone may write a file, or it is not there yet. The mode tells, not what
    this user could do: root may write everything, and caches of libraries are read-only by their
    mode."""
    try:
        return bool(path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    except (OSError, ValueError):
        return True


def in_document(
    uri: str, path: str, size: int, options: ServerOptions, *, writable: bool, ignored: bool
) -> DocumentReason | None:
    """Return why nothing is completed anywhere in a document; None where something may be.

    `path` is relative to the workspace, with slashes; `size` counts characters; `ignored` says
    that a .budgetaiignore file covers the path.
    """
    scheme = urlsplit(uri).scheme
    if scheme not in _SCHEMES and len(scheme) > 1:
        return "scheme"
    # The user's own patterns go before what usually holds secrets.
    matched = patterns(*options.ignore).covers(path)
    if ignored or (holds_secrets(path) if matched is None else matched):
        return "ignored"
    if size > MAX_CHARACTERS:
        return "too_large"
    return None if writable else "read_only"


def at_place(parsed: ParsedDocument, cursor: int, options: ServerOptions) -> PlaceReason | None:
    """Return why nothing is completed at a character of a text; None where something may be."""
    kind = cursor_syntax(parsed, cursor).kind
    if kind == "string" and not options.in_strings:
        return "string"
    if kind in ("comment", "docstring") and not options.in_comments:
        return "comment"
    if not options.mid_line and not _only_closers(parsed, cursor, kind):
        return "mid_line"
    return "finished" if kind == "code" and _finished(parsed, cursor) else None


def _only_closers(parsed: ParsedDocument, cursor: int, kind: str) -> bool:
    """Return whether all that stands right of the cursor is what an editor puts there by itself:
    closers, and the mark that opens the block of a condition."""
    end = parsed.text.find("\n", cursor)
    rest = parsed.text[cursor : end if end >= 0 else len(parsed.text)].strip()
    if kind in ("comment", "docstring") and rest == "*/":
        return True
    opener = parsed.language.opener if parsed.language else "{"
    return rest.lstrip(_CLOSERS + " \t").rstrip(_CLOSERS + " \t") in ("", opener)


def _finished(parsed: ParsedDocument, cursor: int) -> bool:
    """Return whether the tree says that a statement or a definition ends right before the cursor,
    and its language writes no other on the same line. Elsewhere a line may always go on."""
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
    """Return whether a `;` ends a statement: not the one in the head of a loop, nor one in broken
    code, which may be such a head."""
    head = around.type.startswith(_HEADS) and around.end_byte > end
    return whole.type.endswith(_STATEMENTS) and not head and not around.is_error


def _ends_definition(whole: tree_sitter.Node, around: tree_sitter.Node, end: int) -> bool:
    """Return whether a `}` ends a definition: not that of a value or of an `if`, behind which a
    line goes on with `;` or `else`."""
    body = around.child_by_field_name("body") == whole
    return body and around.end_byte == end and around.type.endswith(_DEFINITIONS)


_ENDS = {";": _ends_statement, "}": _ends_definition}
