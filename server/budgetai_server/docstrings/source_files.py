"""Files of a repository that get docstrings, each read and written whole.

A file is left alone for the reasons it is not learned from: it is ignored, holds secrets, is a link
or was made by a program. What a docstring does not change stays as it is, byte by byte.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from budgetai_core.artifacts.atomic_write import replaced
from budgetai_core.context import line_endings
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import language_of
from budgetai_core.docstrings.parse.comment_syntax import comment_syntax
from budgetai_core.errors import RepositoryError
from budgetai_core.repository import listing, relative
from budgetai_core.repository.encoding import encoding
from budgetai_core.repository.files import Examiner, from_disk
from budgetai_server.docstrings.generate import Written


@dataclass(frozen=True)
class CodeFile:
    """`source` is the text with its own line ends; `data` are the bytes it was read from."""

    path: str
    data: bytes
    source: str

    @classmethod
    def of(cls, path: str, data: bytes) -> "CodeFile":
        mark, codec = encoding(data)
        return cls(path, data, data[len(mark) :].decode(codec))

    @cached_property
    def parsed(self) -> ParsedDocument:
        return ParsedDocument.of(line_endings.plain(self.source), language_of(self.path))

    def with_edit(self, edit: Written) -> "CodeFile":
        """Return the file with an edit of its plain text."""
        start, end = (line_endings.in_source(self.source, at) for at in (edit.start, edit.end))
        text = line_endings.like(self.source, edit.text)
        return replace(self, source=self.source[:start] + text + self.source[end:])

    def encoded(self) -> bytes:
        """Encode the text as the file is. Raises UnicodeEncodeError for a text that the file's
        encoding has no signs for."""
        mark, codec = encoding(self.data)
        return mark + self.source.encode(codec)


def code_files(root: Path, paths: Sequence[Path]) -> Iterator[tuple[CodeFile | None, str]]:
    """Yield the files that can have docstrings, in the order of their paths; or None and, for what
    the user has named itself, why it is left out. `root` is resolved. Raises RepositoryError for a
    path that is not there, or not inside."""
    only = _named(root, paths)
    listed = sorted(set(listing(root, untracked=True, only=only)))
    examiner, read = Examiner(root, listed), from_disk(root)
    for path in only:
        if path not in listed and not (root / path).is_dir():
            yield None, f"{path}: left out: ignored"
    for path in listed:
        data = b""

        def once(name: str) -> tuple[bytes, str]:
            nonlocal data
            data, reason = read(name)
            return data, reason

        known = comment_syntax(language_of(path)) is not None
        (examined,) = examiner.examine([path], once)
        reason = examined.reason if known else "no language with docstrings"
        if not reason:
            yield CodeFile.of(path, data), ""
        elif path in only:
            yield None, f"{path}: left out: {reason}"


def _named(root: Path, paths: Sequence[Path]) -> list[str]:
    """Return paths as the repository names them; none for all of it."""
    if not paths or any(path.resolve() == root for path in paths):
        return []
    for path in paths:
        if not os.path.lexists(path):
            raise RepositoryError(f"no such file: {path}", "Name files or folders that exist")
    named = [(path, list(relative(root, [str(path.absolute())]))) for path in paths]
    if outside := next((path for path, names in named if not names), None):
        raise RepositoryError(f"{outside} is not in {root}", "Name its repository with --repo")
    return [name for _, names in named for name in names]


def save(root: Path, file: CodeFile) -> bool:
    """Put a file in the place of the old one, with its mode. False where that has become another
    one since it was read."""
    full = root / file.path
    data = file.encoded()
    if from_disk(root)(file.path)[0] != file.data:
        return False
    with replaced(full, mode=stat.S_IMODE(full.stat().st_mode)) as temporary:
        temporary.write_bytes(data)
    return True
