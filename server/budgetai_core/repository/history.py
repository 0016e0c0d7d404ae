"""A repository as it was at a revision, read from git's object store.

No difference is asked of git: its drivers and filters may name programs. Blobs are read as they
are, and compared here.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from budgetai_core.errors import RepositoryError
from budgetai_core.repository import git
from budgetai_core.repository.added_lines import Range, added_ranges, informative_lines
from budgetai_core.repository.files import MAX_FILE_BYTES, Examined, Examiner, SourceFile

SINCE = "since:"
_AGO = re.compile(r"\d{1,4}[ .](?:hour|day|week|month|year)s?[ .]ago")
_LINKS = ("120000", "160000")


@dataclass(frozen=True)
class Blob:
    """An entry of a tree. A `link` leads elsewhere: a symbolic one, or a submodule."""

    digest: str
    size: int
    link: bool

    @property
    def of_use(self) -> bool:
        """Return whether it may be a file of code, whatever its name."""
        return not self.link and self.size <= MAX_FILE_BYTES


def resolve(root: Path, revision: str) -> str:
    """Return the commit a revision names, or the last one before a date: 2025-03-01 or "2 weeks
    ago".

    It is empty where the history begins after the date. Raises RepositoryError.
    """
    _check_history(root, revision)
    answer = _commit(root, revision) if _may_be_revision(revision) else None
    if answer is None and _is_date(revision):
        answer = git.ask(root, "rev-list", "-1", f"--before={revision}", "HEAD")
    if not answer and _is_shallow(root):
        raise RepositoryError(
            f"the history of {root} is shallow and does not reach back to '{revision}'",
            f"Fetch the rest: {git.command(root, 'fetch', '--unshallow', '--tags')}",
        )
    if answer is None:
        raise RepositoryError(
            f"'{revision}' is not a revision of {root}, and not a date",
            "Name a tag, a branch or a commit, or write 2025-03-01 or '2 weeks ago'",
        )
    return answer.decode("ascii", "replace").strip()


def _check_history(root: Path, revision: str) -> None:
    """Raise RepositoryError where there is no commit at all."""
    if not git.has_repository(root):
        raise RepositoryError(
            f"{root} is not a git repository, so it has no revision '{revision}'",
            "Leave the option out, or give --repo a clone",
        )
    if _commit(root, "HEAD") is None:
        add, commit = git.command(root, "add", "-A"), git.command(root, "commit", "-m", "Begin")
        raise RepositoryError(
            f"{root} has no commits yet, so it has no revision '{revision}'",
            f"Leave the option out, or commit first: {add} && {commit}",
        )


def _commit(root: Path, revision: str) -> bytes | None:
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    return git.ask(root, *asked)


def _is_shallow(root: Path) -> bool:
    return git.ask(root, "rev-parse", "--is-shallow-repository") == b"true\n"


def _may_be_revision(revision: str) -> bool:
    return bool(revision) and revision[0] != "-" and revision.isprintable()


def _is_date(text: str) -> bool:
    """Return whether it is a date: git takes any word for one, and means now."""
    if _AGO.fullmatch(text):
        return True
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


class CommitTree:
    """The files of a commit. Without a commit there are none."""

    def __init__(self, root: Path, commit: str, declared: Mapping[str, str] | None = None) -> None:
        """Read the commit's tree. Raises RepositoryError where the commit cannot be read."""
        self._blobs = tree_blobs(root, commit) if commit else {}
        self._root = root
        self._rules = Examiner(root, sorted(self._blobs), declared)
        self._contents: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._blobs)

    def examined(self, *, thorough: bool = False) -> Iterator[Examined]:
        """Return a decision for every file, by the rules that hold in the folder today."""
        return self._rules.examine(sorted(self._blobs), self._read, thorough=thorough)

    def _read(self, path: str) -> tuple[bytes, str]:
        blob = self._blobs[path]
        if blob.link:
            return b"", "symlink"
        if blob.size > MAX_FILE_BYTES:
            return b"", "too large"
        if not self._contents:
            may_be_code = self._rules.languages.may_be_code
            wanted = {b.digest for name, b in self._blobs.items() if b.of_use and may_be_code(name)}
            self._contents = git.blobs(self._root, sorted(wanted))
        data = self._contents.get(blob.digest)
        return (b"", "cannot be read") if data is None else (data, "")


def tree_blobs(root: Path, commit: str) -> dict[str, Blob]:
    """Return the tree of a commit by path. Raises RepositoryError where it cannot be read."""
    answer = git.ask(root, "ls-tree", "-r", "-z", "-l", "--end-of-options", commit)
    if answer is None:
        raise _not_here(root, commit)
    blobs = {}
    for entry in answer.split(b"\0"):
        head, tab, name = entry.partition(b"\t")
        if tab:
            mode, _, digest, size = head.decode("ascii").split()
            length = int(size) if size.isdigit() else 0
            blobs[os.fsdecode(name)] = Blob(digest, length, mode in _LINKS)
    return blobs


def _not_here(root: Path, commit: str) -> RepositoryError:
    """Return the error for objects that are not here. Nothing is fetched: that may take long, and
    runs what the repository names."""
    if git.ask(root, "config", "--get-regexp", r"^remote\..*\.promisor$"):
        return RepositoryError(
            f"{root} is a partial clone without all files of commit {commit[:12]}",
            f"Fetch them: {git.command(root, 'fetch', '--refetch', '--no-filter')}",
        )
    return RepositoryError(
        f"{root} has no commit {commit[:12]}",
        f"Fetch its whole history: {git.command(root, 'fetch', '--unshallow')}",
    )


def added_since(
    root: Path, commit: str, files: Sequence[SourceFile]
) -> dict[str, tuple[Range, ...]]:
    """Return what files hold that nobody could know at the commit: by path, ranges of
    characters."""
    before = {file.path: file.text for file in CommitTree(root, commit).examined() if file.text}
    known = informative_lines(before.values())
    added = {f.path: added_ranges(f.text, before.get(f.path, ""), known) for f in files}
    return {path: ranges for path, ranges in added.items() if ranges}
