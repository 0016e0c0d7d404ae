"""One look at a repository: which files have changed since the last one, with their facts."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from budgetai_core.context.languages import Language
from budgetai_core.context.symbols import file_symbols
from budgetai_core.repository import listing
from budgetai_core.repository.files import Examiner, from_disk
from budgetai_core.repository.source_text import source_text
from budgetai_server.workspace.indexing.parse_cache import ParseCache, encode

# A batch is taken in between two keys.
_BATCH_CHARACTERS = 100_000
# A home folder opened by mistake is not a repository.
MAX_FILES = 50_000
MAX_CHARACTERS = 120_000_000


@dataclass(frozen=True)
class Request:
    """Where to look: at all of a repository, or at the paths in `only` and below them.

    `known` has the keys of files that were found before, by path; `store` is the file to remember
    facts in. `declared` has languages by ending or name, as the user says, and `usual` what an
    earlier look at everything has found, if there was one.
    """

    root: Path
    store: Path
    only: tuple[str, ...] = ()
    known: Mapping[str, bytes] = field(default_factory=dict)
    declared: Mapping[str, str] = field(default_factory=dict)
    usual: Mapping[str, str] | None = None

    def covers(self, path: str) -> bool:
        return not self.only or any(path == top or path.startswith(f"{top}/") for top in self.only)


@dataclass(frozen=True)
class File:
    """A file that is new or has changed, with its facts as text."""

    path: str
    key: bytes
    text: str
    facts: str
    language: Language | None = None


@dataclass(frozen=True)
class Batch:
    """Files, and how many of `total` have been looked at. The last batch has what is no longer
    there, or no longer wanted, how many texts were parsed, and what files of shared endings
    usually are."""

    files: tuple[File, ...]
    done: int
    total: int
    gone: tuple[str, ...] = ()
    parsed: int = 0
    last: bool = False
    usual: Mapping[str, str] = field(default_factory=dict)


def scan(request: Request) -> Generator[Batch, None, None]:
    """Yield batches of what has changed; never raises on any file."""
    store = ParseCache(request.store)
    try:
        yield from _Scan(request, store).batches()
    finally:
        store.close()


class _Scan:
    def __init__(self, request: Request, store: ParseCache) -> None:
        self._request = request
        self._store = store
        paths = sorted(set(listing(request.root, untracked=True, only=request.only)))[:MAX_FILES]
        self._paths = paths
        self._rules = Examiner(request.root, paths, request.declared, request.usual)
        self._read = from_disk(request.root)
        self._kept: set[str] = set()
        self._characters = 0

    def batches(self) -> Iterator[Batch]:
        files: list[File] = []
        total = len(self._paths)
        languages = self._rules.languages
        languages.look(self._read)
        for done, path in enumerate(self._paths):
            if file := self._look(path):
                files.append(file)
                if sum(len(unsent.text) for unsent in files) > _BATCH_CHARACTERS:
                    yield Batch(tuple(files), done + 1, total)
                    files = []
        known = list(self._request.known)
        gone = [p for p in known if p not in self._kept and self._request.covers(p)]
        # Who has seen the last batch may end this at once.
        self._store.flush(prune=not self._request.only)
        yield Batch(
            tuple(files), total, total, tuple(gone), self._store.added,
            last=True, usual=languages.usual,
        )  # fmt: skip

    def _look(self, path: str) -> File | None:
        """Read and parse a file; None for a file that is left out, or known with this content."""
        if self._rules.by_name(path):
            return None
        data, unreadable = self._read(path)
        self._characters += len(data)
        if unreadable or self._characters > MAX_CHARACTERS:
            return None
        text, _, inside = source_text(path, data)
        language = self._rules.languages.language(path, text, inside)
        if language is None:
            return None
        key = self._store.key(data, f"{language.name} {self._rules.written_here(path)}")
        if self._request.known.get(path) == key:
            self._kept.add(path)
            return None
        kept = self._store.get(key)
        if kept is None:
            kept = self._facts(path, text, language)
            self._store.put(key, kept)
        if not kept:
            return None
        self._kept.add(path)
        return File(path, key, text, kept, language)

    def _facts(self, path: str, text: str, language: Language) -> str:
        """Return the encoded symbols; empty for a text that says of itself that it should be left
        out."""
        if not text or self._rules.by_text(path, text):
            return ""
        return encode(file_symbols(text, language))
