"""The documents of one repository, as far as requests tell.

No plugin sends the whole file, and most do not say which one it is. So requests are matched with
what was sent before, and with the files of the repository: by the lines around the cursor. What
stands above the lines that were sent is put back in front of them, so that a prompt is not made
anew with each line that goes out of the plugin's window.
"""

import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from budgetai_core.context.common_prefix import common_length
from budgetai_core.context.index import Index
from budgetai_core.context.languages import language_of
from budgetai_server.gateway.fim_request import FimRequest
from budgetai_server.workspace.roots import as_path
from budgetai_server.workspace.text_document import Document

_MAX_OPEN = 16
_MIN_ANCHOR_CHARACTERS = 20
_MAX_ANCHOR_LINES = 12
_MAX_PLACES = 8
# Lines on each side of the cursor, of which the longest tell which file it is.
_NEAR_LINES = 40
_MIN_TELLING_CHARACTERS = 12
_TELLING_LINES = 6
_UNNAMED = "untitled:untitled"


class OpenFiles:
    """What was sent of each document last; the oldest are closed."""

    def __init__(self, root: Path | None, closed: Callable[[str], None]) -> None:
        """Start with none. `root` is resolved; `closed` is called with the URI of a document that
        is forgotten."""
        self._root = root
        self._closed = closed
        self._open: OrderedDict[str, Document] = OrderedDict()
        self._unnamed = 0
        # How many files the index had when a document without a name was looked for in it.
        self._searched: dict[str, int] = {}

    def place(self, request: FimRequest, index: Index | None) -> tuple[Document, int]:
        """Return the document of a request, and the cursor as a character offset in it."""
        uri = self._named(request.path) or self._sent_before(request)
        if uri is None or (index is not None and self._searched.get(uri, len(index)) != len(index)):
            uri = self._in_index(request, index) or uri or self._new(request)
            self._searched[uri] = len(index) if index is not None else 0
        known = self._open[uri].source if uri in self._open else self._saved(uri, index)
        above = known[: window_start(known, request.before, request.after) or 0]
        source = above + request.before + request.after
        document = Document(uri, source, language_id=request.language)
        self._open[uri] = document
        self._open.move_to_end(uri)
        while len(self._open) > _MAX_OPEN:
            oldest, _ = self._open.popitem(last=False)
            self._searched.pop(oldest, None)
            self._closed(oldest)
        return document, len(above) + len(request.before)

    def _named(self, path: str) -> str | None:
        """Return the URI of a file that a request names."""
        if not path or "\0" in path:
            return None
        file = as_path(path)
        if not file.is_absolute() and self._root:
            file = self._root / file
        if not file.is_absolute():
            return f"untitled:{file.name}"
        return Path(os.path.normpath(file)).as_uri()

    def _sent_before(self, request: FimRequest) -> str | None:
        """Return the newest document that the lines of a request stand in."""
        for uri, document in reversed(self._open.items()):
            if window_start(document.source, request.before, request.after) is not None:
                return uri
        return None

    def _in_index(self, request: FimRequest, index: Index | None) -> str | None:
        path = file_of(index, request.before, request.after) if index else None
        return (self._root / path).as_uri() if path and self._root else None

    def _new(self, request: FimRequest) -> str:
        if not _anchor(request.before) and not _anchor(request.after.partition("\n")[2]):
            # Too short to be known again: all such are one, so that typing goes on in it.
            return _UNNAMED
        self._unnamed += 1
        return f"{_UNNAMED}-{self._unnamed}"

    def _saved(self, uri: str, index: Index | None) -> str:
        """Return what the index has of a file: it reads none that lies outside of the repository,
        or is left out of it."""
        if index is None or self._root is None:
            return ""
        try:
            path = Path(Document(uri, "").path).relative_to(self._root)
        except ValueError:
            return ""
        return index.text(path.as_posix())


def window_start(known: str, before: str, after: str) -> int | None:
    """Return where in a known text begins what was sent of it; None where it is another text.

    Most of what stands before the cursor has to be the same: files that begin with the same licence
    are not the same file.
    """
    if anchor := _anchor(before):
        start = -1
        for _ in range(_MAX_PLACES):
            start = known.find(anchor, start + 1)
            if start < 0:
                return None
            there = known[start : start + len(before)]
            if 2 * common_length(there, before) >= len(before):
                return start
        return None
    # So near to the top that there are no lines above to tell by.
    anchor = _anchor(after.partition("\n")[2])
    return 0 if anchor and anchor in known else None


def _anchor(text: str) -> str:
    """Return whole lines from the beginning that tell a text apart; empty where there are none."""
    end = 0
    for _ in range(_MAX_ANCHOR_LINES):
        end = text.find("\n", end) + 1
        if not end:
            return ""
        if len(text[:end].strip()) >= _MIN_ANCHOR_CHARACTERS:
            return text[:end]
    return ""


def file_of(index: Index, before: str, after: str) -> str | None:
    """Return the path of the file that most of the lines near a cursor stand in; None where none
    has more of them than any other."""
    # The line of the cursor is being written: it stands in no file.
    near = before.split("\n")[:-1][-_NEAR_LINES:] + after.split("\n")[1:][:_NEAR_LINES]
    telling = sorted({line.strip() for line in near}, key=len, reverse=True)[:_TELLING_LINES]
    telling = [line for line in telling if len(line) >= _MIN_TELLING_CHARACTERS]
    if not telling:
        return None
    counts: dict[str, int] = {}
    for path in index.paths:
        text = index.text(path)
        # Most files hold none of them: two are looked for in all, the others where one was seen.
        if any(line in text for line in telling[:2]):
            counts[path] = sum(line in text for line in telling)
    best = sorted(counts, key=lambda path: counts[path], reverse=True)[:2]
    if not best or 2 * counts[best[0]] <= len(telling) or language_of(best[0]) is None:
        return None
    return None if len(best) > 1 and counts[best[0]] == counts[best[1]] else best[0]
