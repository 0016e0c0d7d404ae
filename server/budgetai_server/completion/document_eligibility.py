"""Where in the open documents something may be completed: what `eligibility` has to be told.

Documents are looked up on the disk once, when first asked for and after they are saved.
"""

import logging
import stat
from collections import Counter
from pathlib import Path

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import language_of
from budgetai_core.context.prompt import Snapshot
from budgetai_core.repository.files import IGNORE_FILE
from budgetai_core.repository.gitignore import IgnoreFiles
from budgetai_server.completion import eligibility
from budgetai_server.options import ServerOptions

log = logging.getLogger(__name__)

# A larger text would be parsed for longer than anyone waits, the first time.
_MOST_PARSED = 300_000


class DocumentEligibility:
    """What is known of each open document; `silent` counts the requests that a reason ended."""

    def __init__(self, options: ServerOptions, root: Path | None) -> None:
        self.silent: Counter[eligibility.Reason] = Counter()
        self._options = options
        self._root = root
        self._ignores: dict[Path, IgnoreFiles] = {}
        self._on_disk: dict[str, tuple[bool, bool]] = {}
        self._parsed: dict[str, ParsedDocument] = {}

    def document_reason(
        self, uri: str, file: Path, snapshot: Snapshot
    ) -> eligibility.DocumentReason | None:
        """Why nothing is completed in a document; `file` is where it is saved."""
        found = self._on_disk.get(uri)
        if found is None:
            found = self._on_disk[uri] = (_writable(file), self._is_ignored(file, snapshot.path))
        size = len(snapshot.text)
        writable, ignored = found
        return eligibility.in_document(
            uri, snapshot.path, size, self._options, writable=writable, left_alone=ignored
        )

    def _is_ignored(self, file: Path, path: str) -> bool:
        """By the ignore files of the workspace; of the folders around a file that lies outside."""
        root, name = self._root, path
        if root is None or not _resolved(file).is_relative_to(root):
            if not file.is_absolute():
                return False
            root, name = file.parent, file.name
        if root not in self._ignores:
            self._ignores[root] = IgnoreFiles.from_anywhere_above(root, IGNORE_FILE)
        return self._ignores[root].covers(name)

    def place_reason(self, uri: str, snapshot: Snapshot) -> eligibility.PlaceReason | None:
        """Why nothing is completed at a place."""
        return eligibility.at_place(self.parsed(uri, snapshot), snapshot.cursor, self._options)

    def parsed(self, uri: str, snapshot: Snapshot) -> ParsedDocument:
        """The document's text with its tree, which is kept: a key costs a millisecond."""
        language = language_of(snapshot.path) if len(snapshot.text) <= _MOST_PARSED else None
        last = self._parsed.get(uri)
        if last and last.language == language:
            parsed = last.edited(snapshot.text)
        else:
            parsed = ParsedDocument.of(snapshot.text, language)
        self._parsed[uri] = parsed
        return parsed

    def say_nothing(self, reason: eligibility.Reason) -> None:
        self.silent[reason] += 1
        log.debug("no completion: %s", reason)

    def look_again(self, uri: str) -> None:
        """The document was saved: it may have become writable. An ignore file says new things of
        all others."""
        self._on_disk.pop(uri, None)
        if uri.endswith("/" + IGNORE_FILE):
            self._ignores.clear()
            self._on_disk.clear()

    def close(self, uri: str) -> None:
        self._on_disk.pop(uri, None)
        self._parsed.pop(uri, None)


def _resolved(file: Path) -> Path:
    try:
        return file.resolve()
    except (OSError, RuntimeError, ValueError):
        return file


def _writable(path: Path) -> bool:
    """Whether anyone may write a file, or it is not there yet. The mode tells, not what this user
    could do: root may write everything, and caches of libraries are read-only by their mode."""
    try:
        return bool(path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    except (OSError, ValueError):
        return True
