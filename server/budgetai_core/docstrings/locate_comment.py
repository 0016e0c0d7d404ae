"""The sites of all languages whose docstrings are comments above a definition."""

import re
from dataclasses import dataclass

import tree_sitter

from budgetai_core.docstrings.location import Location, Locator
from budgetai_core.docstrings.parse.comment_syntax import CommentSyntax
from budgetai_core.docstrings.query import Outline, Region
from budgetai_core.docstrings.text import Docstring, commented, directive

_SPACE = re.compile(r"\s*")
# What the comment at the top of a file stands above when it speaks of the file.
_FIRST = ("import", "'use ", '"use ')
_INNER = ("//!", "/*!")
# An interpreter's line, which no attribute of Rust is.
_SHEBANG = re.compile(r"\ufeff?(?:#!(?!\[)[^\n]*(?:\n|\Z))?")
# What tools read in the first comments of a file alone.
_PRAGMA = re.compile(
    r"@(?:flow|noflow|ts-\w+|jest-environment|jsx\w*|format|prettier|preserve|license)\b"
    r"|eslint-|prettier-|copyright|spdx-",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Piece:
    """A comment or an attribute with a line of its own. `mark` is that of a documentation comment;
    "" for what says nothing to readers of the documentation."""

    start: int
    end: int
    mark: str
    attribute: bool


class CommentLocator(Locator):
    def __init__(self, outline: Outline, rules: CommentSyntax) -> None:
        super().__init__(outline)
        self._rules = rules
        pieces = (self._piece(node) for node in outline.above)
        self._pieces = sorted(
            (piece for piece in pieces if self.alone(piece.start)), key=lambda piece: piece.start
        )
        # What ends right above a character, with no empty line between.
        self._over = {
            at: piece
            for piece in self._pieces
            if (at := self._next(piece.end)) >= 0
            and piece.mark not in _INNER
            and (piece.attribute or self.text.count("\n", piece.end, at) < 2)
        }

    def locate(self, region: Region) -> Location | None:
        """Return where a comment goes above a definition; None where a definition does not begin
        its line."""
        if region.kind == "module" and self._rules.module:
            return self._top()
        start, end = self.whole(region)
        body = region.nodes.get("body")
        head_end = self.span(body)[0] if body else end
        head_end = start + len(self.text[start:head_end].rstrip())
        start, top, docs = self._climb(start)
        if not self.alone(top):
            return None
        doc = self._docstring(docs)
        if region.kind == "module":
            start, end = 0, len(self.text)
        return Location(start, end, head_end, self.line(top), self.indent(top), doc)

    def _climb(self, start: int) -> tuple[int, int, list[_Piece]]:
        """Return the definition's start with its attributes, that with comments, and its
        documentation, from below."""
        top, docs = start, list[_Piece]()
        while piece := self._over.get(top):
            if docs and not piece.attribute and not self._goes_on(docs[-1], piece, top):
                break
            if piece.mark:
                docs.append(piece)
            top = piece.start
            start = top if piece.attribute else start
        return start, top, docs

    def _goes_on(self, below: _Piece, piece: _Piece, top: int) -> bool:
        """Return whether a piece is a line of the comment whose next line is known; nothing that is
        no comment may stand between, or it would be taken for documentation."""
        return piece.mark == below.mark and not self._closed(piece.mark) and below.start == top

    def _docstring(self, docs: list[_Piece]) -> Docstring | None:
        """Make a docstring from the pieces of one comment; an empty line comment above a directive
        is none of it."""
        while docs and self.text[docs[0].start : docs[0].end] == docs[0].mark:
            docs = docs[1:]
        if not docs:
            return None
        start, end = docs[-1].start, docs[0].end
        return commented(self.text, start, end, docs[0].mark)

    def _top(self) -> Location | None:
        """Return the top of a file: a comment there that belongs to no definition."""
        shebang = _SHEBANG.match(self.text)
        at = top = shebang.end() if shebang else 0
        docs: list[_Piece] = []
        for piece in self._pieces:
            if piece.start != self._next(top) or (docs and self._closed(docs[0].mark)):
                break
            if self._speaks_of_file(piece):
                docs.insert(0, piece)
            elif docs or piece.attribute:
                break
            elif _PRAGMA.search(self.text, piece.start, piece.end):
                line_end = self.text.find("\n", piece.end)
                at = len(self.text) if line_end < 0 else line_end + 1
            top = piece.end
        location = Location(0, len(self.text), at, at, "", self._docstring(docs))
        return location if self.alone(at) else None

    def _speaks_of_file(self, piece: _Piece) -> bool:
        if piece.mark != self._rules.module or not self._closed(piece.mark):
            return piece.mark == self._rules.module
        below = self._next(piece.end)
        apart = self.text.count("\n", piece.end, below) > 1 or below == len(self.text)
        return apart or self.text.startswith(_FIRST, below)

    def _piece(self, node: tree_sitter.Node) -> _Piece:
        start, end = self.span(node)
        whole = self.text[start:end].rstrip()
        if not whole.startswith("/"):
            return _Piece(start, start + len(whole), "", True)
        return _Piece(start, start + len(whole), self._mark(whole), False)

    def _mark(self, whole: str) -> str:
        """Return what marks a comment as documentation; Go takes all but directives for it."""
        if self._rules.mark == "//":
            return "/*" if whole.startswith("/*") else "" if directive(whole) else "//"
        for mark in ("///", "/**", *_INNER):
            if whole.startswith(mark) and not whole.startswith((mark + mark[-1], "/**/")):
                lined = not self._rules.closing or mark == self._rules.lines
                return mark if mark == "/**" or lined else ""
        return ""

    @staticmethod
    def _closed(mark: str) -> bool:
        return mark.startswith("/*")

    def _next(self, at: int) -> int:
        """Return the first character that is not white space."""
        match = _SPACE.match(self.text, at)
        return match.end() if match else at
