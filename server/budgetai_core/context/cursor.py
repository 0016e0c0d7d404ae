"""What a cursor stands in: code, a string, a comment or a docstring."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import tree_sitter

from budgetai_core.context import languages
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import Language, LexicalMarks
from budgetai_core.context.lexing import lexemes

Kind = Literal["code", "string", "comment", "docstring"]

# Of captures of one node the first here says most.
_KINDS: dict[str, Kind] = {
    "docstring": "docstring", "string": "string", "comment": "comment", "code": "code",
}  # fmt: skip
_CLOSERS = {"/*": "*/", "--[": "]", "=begin": "=end"}
_QUOTES = "\"'`"
# What goes on over line ends, and is an error where nothing ends it.
_LONG: dict[str, Kind] = {'"""': "string", "'''": "string", "`": "string", "/*": "comment"}
# A line that is longer was not typed by hand; its quotes are not counted.
_MAX_LINE_CHARACTERS = 1000
# Characters above the cursor that are read for the mark of a comment of many lines.
_MAX_LEXED_CHARACTERS = 8_000


class CursorSyntax(NamedTuple):
    """A kind of place, and the characters of the string or comment; 0 and 0 for code."""

    kind: Kind
    start: int = 0
    end: int = 0


def cursor_syntax(parsed: ParsedDocument, cursor: int) -> CursorSyntax:
    """Return what stands around the cursor, a character offset; code where nothing else is known.

    Behind an opening quote begins the string, at the end of a line the comment on it goes on, and
    what a string interpolates is code.
    """
    around = languages.cursor(parsed.language) if parsed.language else None
    if parsed.root is None or around is None:
        return _by_line(parsed, cursor)
    byte = parsed.byte(cursor)
    around.set_byte_range(max(0, byte - 1), byte + 1)
    captures = around.captures(parsed.root)
    held = [
        (node.start_byte, -number, kind, node)
        for number, (label, kind) in enumerate(_KINDS.items())
        for node in captures.get(label, ())
        if _holds(node, byte, label, parsed)
    ]
    if not held:
        return _unclosed(parsed, min(cursor, len(parsed.text)))
    _, _, kind, node = max(held, key=lambda capture: capture[:2])
    return _syntax_of(kind, node, parsed)


def _syntax_of(kind: Kind, node: tree_sitter.Node, parsed: ParsedDocument) -> CursorSyntax:
    if kind == "code" or parsed.language is None:
        return CursorSyntax("code")
    start, end = parsed.character(node.start_byte), parsed.character(node.end_byte)
    documents = parsed.text.startswith(parsed.language.docs, start, end)
    if kind == "comment" and documents and parsed.text[start:end] != "/**/":
        return CursorSyntax("docstring", start, end)
    return CursorSyntax(kind, start, end)


def _holds(node: tree_sitter.Node, byte: int, label: str, parsed: ParsedDocument) -> bool:
    start, end = node.start_byte, node.end_byte
    if label == "comment":
        # Some grammars count the newline as a part of the comment.
        end -= parsed.data[start:end].endswith(b"\n")
        return start < byte < end or (byte == end and not _comment_closed(node, parsed))
    if label == "code":
        return start < byte < end
    return start < byte < end or (byte == end and _quote_missing(node))


def _comment_closed(node: tree_sitter.Node, parsed: ParsedDocument) -> bool:
    text = parsed.data[node.start_byte : node.end_byte].decode("utf-8", "ignore").rstrip()
    for opener, closer in _CLOSERS.items():
        if text.startswith(opener):
            return text.endswith(closer) and len(text) >= len(opener) + len(closer)
    return False


def _quote_missing(node: tree_sitter.Node) -> bool:
    last = node.child(node.child_count - 1) if node.child_count else None
    return last is not None and last.is_missing


def _unclosed(parsed: ParsedDocument, cursor: int) -> CursorSyntax:
    """Return a string that was opened and never closed: to a grammar that is an error."""
    at = _open_quote(parsed, cursor)
    if at is not None:
        return CursorSyntax(_kind(parsed, at), at, cursor)
    for mark, kind in _LONG.items():
        at = parsed.text.rfind(mark, 0, cursor)
        if at >= 0 and _is_error(parsed, at):
            return CursorSyntax(kind if kind == "comment" else _kind(parsed, at), at, cursor)
    return CursorSyntax("code")


def _open_quote(parsed: ParsedDocument, cursor: int) -> int | None:
    """Return the first of the quotes that open a string on the cursor's line, and that none
    closes."""
    start = parsed.text.rfind("\n", 0, cursor) + 1
    quote, opened = "", start
    for at in _quotes(parsed.text, start, cursor):
        if _is_error(parsed, at):
            character = parsed.text[at]
            if not quote:
                quote, opened = character, at
            elif quote == character:
                quote = ""
    # The third of three quotes stands behind a string that is empty.
    while quote and opened > start and parsed.text[opened - 1] == quote:
        opened -= 1
    return opened if quote else None


def _quotes(text: str, start: int, end: int) -> Iterator[int]:
    if end - start <= _MAX_LINE_CHARACTERS:
        yield from (at for at in range(start, end) if text[at] in _QUOTES)


def _is_error(parsed: ParsedDocument, character: int) -> bool:
    byte = parsed.byte(character)
    node = parsed.root and parsed.root.descendant_for_byte_range(byte, byte + 1)
    return bool(node and (node.is_error or (node.parent and node.parent.is_error)))


def _kind(parsed: ParsedDocument, quote: int) -> Kind:
    """Return the kind of a node. A string that nothing takes is a docstring, in the one language
    that has them."""
    language = parsed.language
    triple = parsed.text[quote : quote + 3] in ('"""', "'''")
    if not triple or language is None or language.opener != ":":
        return "string"
    before = parsed.text[max(0, quote - _MAX_LINE_CHARACTERS) : quote].rstrip()
    return "docstring" if before.endswith(":") or not before else "string"


def _by_line(parsed: ParsedDocument, cursor: int) -> CursorSyntax:
    """Tell without a grammar: only a comment with a line of its own is known."""
    language: Language | None = parsed.language
    if language and language.marks:
        return _by_marks(parsed.text, language.marks, cursor)
    start = parsed.text.rfind("\n", 0, cursor) + 1
    mark = start + len(parsed.text[start:cursor]) - len(parsed.text[start:cursor].lstrip())
    if language is None or not parsed.text.startswith(language.comment, mark, cursor):
        return CursorSyntax("code")
    return CursorSyntax("comment", mark, cursor)


def _by_marks(text: str, marks: LexicalMarks, cursor: int) -> CursorSyntax:
    """Tell by the marks of comments and strings above the cursor. What is opened at the cursor goes
    on there; a comment of one line does so at its end."""
    start = text.rfind("\n", 0, max(0, cursor - _MAX_LEXED_CHARACTERS)) + 1
    for lexeme in lexemes(text, marks, start, cursor):
        if lexeme.end == cursor > lexeme.start and not lexeme.closed:
            end = text.find("\n", cursor) if not lexeme.closer else text.find(lexeme.closer, cursor)
            return CursorSyntax(lexeme.kind, lexeme.start, len(text) if end < 0 else end)
    line = text.rfind("\n", 0, cursor) + 1
    for quote in ("'", '"'):
        if quote in text[line:cursor] and _is_open(text, marks, line, cursor, quote):
            return CursorSyntax("string", text.rfind(quote, line, cursor), cursor)
    return CursorSyntax("code")


def _is_open(text: str, marks: LexicalMarks, line: int, cursor: int, quote: str) -> bool:
    """Return whether a quote in front of the cursor begins a string that ends behind it, or never:
    whether the text up to the cursor is one string with such a quote put in there."""
    if not any(mark.startswith(quote) and len(mark) < 4 for mark in marks.quotes):
        return False
    closed = lexemes(text[line:cursor] + quote, marks)
    return any(mark.kind == "string" and mark.end == cursor - line + 1 for mark in closed)
