"""Files that say which paths are left alone: `.gitignore` and, with the same syntax,
`.budgetaiignore`, in any folder."""

import re
import stat
from functools import cache
from pathlib import Path

import pathspec

_MAX_BYTES = 1_000_000


class IgnoreFiles:
    """All files of one name under a root; as in git, a deeper file overrules one above it, and
    nothing in an ignored folder can be taken back."""

    def __init__(self, root: Path, name: str) -> None:
        self._root = root
        self._name = name
        self._spec = cache(self._read)
        self._folder_is_covered = cache(self._covers)

    def covers(self, path: str) -> bool:
        """Whether the path, relative to the root, is ignored. A folder's path ends in a slash."""
        return self._covers(path)

    def _covers(self, path: str) -> bool:
        above, slash, _ = path.rstrip("/").rpartition("/")
        if slash and self._folder_is_covered(above + "/"):
            return True
        return self._last_word(path, above + slash)

    def _last_word(self, path: str, folder: str) -> bool:
        while True:
            spec = self._spec(folder)
            said = spec.check_file(path[len(folder) :]).include if spec else None
            if said is not None or not folder:
                return bool(said)
            above, slash, _ = folder.rstrip("/").rpartition("/")
            folder = above + slash

    def _read(self, folder: str) -> pathspec.GitIgnoreSpec | None:
        lines = small_file(self._root, folder + self._name)
        return pathspec.GitIgnoreSpec.from_lines(filter(is_pattern, lines)) if lines else None


def small_file(root: Path, path: str) -> list[str]:
    """The lines of a small text file; none where it is missing, a link, a pipe or huge."""
    file = root / path
    try:
        info = file.lstat()
        if not stat.S_ISREG(info.st_mode) or info.st_size > _MAX_BYTES:
            return []
        if not file.resolve().is_relative_to(root.resolve()):
            return []
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, ValueError):
        return []


def is_pattern(line: str) -> bool:
    """Git passes over patterns that make no sense; so do we."""
    try:
        pathspec.GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True
