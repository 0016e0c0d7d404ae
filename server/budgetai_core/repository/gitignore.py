"""Files that say which paths are left alone: `.gitignore` and, with the same syntax,
`.budgetaiignore`, in any folder, and in those above the one that is looked at.

What they name is private. So a file that cannot be read never counts as one that names nothing:
all that it could speak of is left alone.
"""

import codecs
import stat
from functools import cache
from pathlib import Path

from budgetai_core.errors import RepositoryError
from budgetai_core.repository.wildmatch import Patterns

_MAX_BYTES = 1_000_000
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class UnreadableError(RepositoryError):
    """A file of rules that is there, and whose rules cannot be told."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(
            f"{file} cannot be read: {reason}",
            "Save it as plain UTF-8 text; until then nothing that it may name is read",
        )


class IgnoreFiles:
    """All files of one name; as in git, a deeper file overrules one above it, and nothing in an
    ignored folder can be taken back."""

    def __init__(self, root: Path, name: str, top: Path | None = None) -> None:
        """Read nothing yet. `top` is the outermost folder whose file counts, `root` itself where it
        is None."""
        self._top = (top or root).resolve()
        folder = root.resolve().relative_to(self._top).as_posix()
        self._root = "" if folder == "." else folder + "/"
        self._name = name
        self._patterns = cache(self._read)
        self._folder_is_covered = cache(self._covers)

    @classmethod
    def from_anywhere_above(cls, root: Path, name: str) -> "IgnoreFiles":
        """Read the files of all folders above `root`."""
        return cls(root, name, Path(root.resolve().anchor))

    @classmethod
    def from_work_tree(cls, root: Path, name: str) -> "IgnoreFiles":
        """Read the files from the top of the git work tree that `root` stands in, or from all
        folders above it where there is none. They count unless they ignore `root` itself: then it
        is a project of its own."""
        resolved = root.resolve()
        folders = (resolved, *resolved.parents)
        top = next((folder for folder in folders if (folder / ".git").exists()), folders[-1])
        files = cls(root, name, top)
        return files if files._root and not files._covers(files._root) else cls(root, name)

    def covers(self, path: str) -> bool:
        """Return whether the path, relative to the root, is ignored. A folder's path ends in a
        slash. All below an ignore file that cannot be read is."""
        return self._covers(self._root + path)

    def unreadable(self, path: str) -> UnreadableError | None:
        """Return why an ignore file in a folder around the path cannot be read, if one cannot."""
        full = self._root + path
        folders = [full[:at] for at, letter in enumerate("/" + full) if letter == "/"]
        answers = map(self._patterns, folders)
        return next((answer for answer in answers if isinstance(answer, UnreadableError)), None)

    def _covers(self, path: str) -> bool:
        above, slash, _ = path.rstrip("/").rpartition("/")
        if slash and self._folder_is_covered(above + "/"):
            return True
        return self._last_word(path, above + slash)

    def _last_word(self, path: str, folder: str) -> bool:
        while True:
            patterns = self._patterns(folder)
            if isinstance(patterns, UnreadableError):
                return True
            verdict = patterns.verdict(path[len(folder) :])
            if verdict is not None or not folder:
                return bool(verdict)
            above, slash, _ = folder.rstrip("/").rpartition("/")
            folder = above + slash

    def _read(self, folder: str) -> Patterns | UnreadableError:
        """Return the patterns of a folder's own file, or why it cannot be read."""
        try:
            return Patterns(rules(self._top / folder / self._name))
        except UnreadableError as error:
            return error


def rules(file: Path) -> list[str]:
    """Return the lines of a small text file, in UTF-8 or behind a byte order mark; none where there
    is no such file. What is not text is kept as Python keeps names of files. Raises
    UnreadableError."""
    try:
        info = file.lstat()
        if stat.S_ISLNK(info.st_mode):
            raise UnreadableError(file, "it is a link")
        if not stat.S_ISREG(info.st_mode):
            raise UnreadableError(file, "it is not a regular file")
        if info.st_size > _MAX_BYTES:
            raise UnreadableError(file, f"it is larger than {_MAX_BYTES // 1_000_000} MB")
        text = _text(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UnreadableError(file, error.strerror or type(error).__name__) from None
    except UnicodeError:
        raise UnreadableError(file, "its encoding is not UTF-8") from None
    return [line.removesuffix("\r") for line in text.split("\n")]


def _text(data: bytes) -> str:
    """Decode an ignore file. Raises UnicodeError for UTF-16 that is broken, or does not say that it
    is UTF-16."""
    mark, encoding = next((pair for pair in _MARKS if data.startswith(pair[0])), (b"", "utf-8"))
    errors = "surrogateescape" if encoding == "utf-8" else "strict"
    text = data[len(mark) :].decode(encoding, errors)
    if "\0" in text:
        raise UnicodeError
    return text
