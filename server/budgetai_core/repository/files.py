"""Every file gets a decision: its text, or the reason why it is left out."""

import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from budgetai_core.context.languages import Language
from budgetai_core.errors import RepositoryError
from budgetai_core.repository import generated_code, pointers, text_shape
from budgetai_core.repository.gitattributes import Marks, marks
from budgetai_core.repository.gitignore import IgnoreFiles
from budgetai_core.repository.language_map import LanguageMap
from budgetai_core.repository.listing import listing
from budgetai_core.repository.secret_files import holds_secrets
from budgetai_core.repository.source_text import SourceText, source_text

# What is larger was written by programs, and no editor is quick with it.
MAX_FILE_BYTES = 4_000_000
IGNORE_FILE = ".budgetaiignore"
NOT_CODE = "not code"

# The bytes of a path and an empty reason, or no bytes and the reason.
Reader = Callable[[str], tuple[bytes, str]]


@dataclass(frozen=True)
class SourceFile:
    """`path` is relative to the repository, with slashes. Line ends are normalised to \\n."""

    path: str
    text: str
    language: Language | None = None


@dataclass(frozen=True)
class Decision:
    """What became of one file; `reason` is empty when it is kept."""

    path: str
    reason: str


@dataclass(frozen=True)
class Examined:
    """A file with its decision. `text` is empty where there is none to be had; a file with both a
    text and a reason against it could be used by who knows better."""

    path: str
    text: str
    reason: str
    language: Language | None = None


def open_repository(path: Path) -> Path:
    """Return the resolved path of a folder that exists. Raises RepositoryError."""
    if not path.exists():
        raise RepositoryError(f"no such repository: {path}", "Give --repo a folder that exists")
    if not path.is_dir():
        raise RepositoryError(f"{path} is a file", "Give --repo the folder that holds the code")
    return path.resolve()


def sources(
    root: Path, declared: Mapping[str, str] | None = None
) -> tuple[list[SourceFile], list[Decision]]:
    """Return the code files under `root` in the order of their paths, and a decision for every
    file. `declared` has languages by ending or name, as the user says."""
    paths = sorted(set(listing(root)))
    examined = list(Examiner(root, paths, declared).examine(paths, from_disk(root)))
    files = [SourceFile(f.path, f.text, f.language) for f in examined if not f.reason]
    return files, [Decision(file.path, file.reason) for file in examined]


def read_source(root: Path, path: str) -> tuple[str, str]:
    """Return the text of a file and an empty reason, or an empty text and the reason to leave it
    out."""
    (file,) = Examiner(root, [path]).examine([path], from_disk(root))
    return ("", file.reason) if file.reason else (file.text, "")


class Examiner:
    """The rules of one repository: what its names, its ignore files and its attributes say."""

    def __init__(
        self,
        root: Path,
        paths: Sequence[str],
        declared: Mapping[str, str] | None = None,
        usual: Mapping[str, str] | None = None,
    ) -> None:
        """Read the rules. `declared` has languages by ending or name, as the user says; `usual`
        what an earlier look at the whole repository has found, if there was one."""
        self._ignores = IgnoreFiles.from_anywhere_above(root, IGNORE_FILE)
        self._marks = marks(root, [path for path in paths if path.isprintable()])
        self.languages = LanguageMap(paths, self._marks, declared, usual)

    def examine(
        self, paths: Iterable[str], read: Reader, *, thorough: bool = False
    ) -> Iterator[Examined]:
        """Decide on each file; a `thorough` look also reads what its name speaks against."""
        self.languages.look(read)
        for path in paths:
            never = self._never(path)
            reason = never or self._by_origin(path)
            if reason and (never or not thorough):
                yield Examined(path, "", reason)
                continue
            data, unreadable = read(path)
            source = SourceText("", unreadable) if unreadable else source_text(path, data)
            language = (
                None
                if source.reason
                else self.languages.language(path, source.text, source.language)
            )
            reason = source.reason or reason or self.by_text(path, source.text)
            yield Examined(path, source.text, reason or ("" if language else NOT_CODE), language)

    def by_name(self, path: str) -> str:
        """Return the reason, if there is one without a look at the text."""
        return self._never(path) or self._by_origin(path)

    def _never(self, path: str) -> str:
        if not path.isprintable():
            return "unprintable name" if self.languages.may_be_code(path) else NOT_CODE
        if self._ignores.covers(path):
            unreadable = self._ignores.unreadable(path)
            return f"{IGNORE_FILE} cannot be read" if unreadable else IGNORE_FILE
        if generated_code.lock_file(path):
            return "lock file"
        if holds_secrets(path):
            return "secret file"
        return "" if self.languages.may_be_code(path) else NOT_CODE

    def _by_origin(self, path: str) -> str:
        marks = self._marks.get(path, Marks())
        if generated_code.vendored(path) if marks.vendored is None else marks.vendored:
            return "vendored"
        if marks.generated is not None:
            return "generated" if marks.generated else ""
        if generated_code.named_minified(path):
            return "minified"
        return "generated" if generated_code.named_generated(path) else ""

    def written_here(self, path: str) -> bool:
        """Return whether the attributes say that no program wrote the file, however it looks."""
        return self._marks.get(path, Marks()).generated is False

    def by_text(self, path: str, text: str) -> str:
        """Return the reason that a text gives, whatever its name. Whether a program wrote it, git
        may know better."""
        if reason := pointers.stand_in(text):
            return reason
        written_here = self.written_here(path)
        if not written_here and generated_code.says_generated(text):
            return "generated"
        if text_shape.table(text):
            return "data"
        return "minified" if not written_here and text_shape.minified(text) else ""


def from_disk(root: Path) -> Reader:
    """Read files as they lie under `root`, and nothing else: no link, no pipe, nothing huge."""

    def read(path: str) -> tuple[bytes, str]:
        full = root / path
        try:
            info = full.lstat()
            if stat.S_ISLNK(info.st_mode) or not full.resolve().is_relative_to(root):
                return b"", "symlink"
            if not stat.S_ISREG(info.st_mode):
                return b"", "not a regular file"
            if info.st_size > MAX_FILE_BYTES:
                return b"", "too large"
            return full.read_bytes(), ""
        except OSError:
            return b"", "cannot be read"

    return read
