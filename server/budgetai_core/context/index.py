"""The repository as the core knows it: texts, and what each says to the others."""

from collections.abc import Iterable, Sequence
from itertools import islice
from threading import RLock
from typing import NamedTuple

from budgetai_core.context import imports
from budgetai_core.context.bm25 import BlockIndex
from budgetai_core.context.languages import Language, language_of
from budgetai_core.context.path_suffixes import PathSuffixes
from budgetai_core.context.related_files import RelatedFiles
from budgetai_core.context.symbols import Definition, FileSymbols, file_symbols

_NOTHING = FileSymbols()
# Edits within so many lines are at one place, which has so many lines at most; so many places are
# kept.
_ONE_PLACE, _PLACE_LINES, _PLACES = 20, 80, 24


class EditedPlace(NamedTuple):
    """Lines `first` to `last`, counted from 0, the last among them, where someone was at work."""

    path: str
    first: int
    last: int


class Index:
    """Texts, facts and similar windows by path. A file that changes costs that file alone.

    `recent` has the places that were edited last, the newest first.

    Prompts are made on the model's thread while files change on another: who reads several things
    that belong together holds `lock`.
    """

    def __init__(self, files: Iterable[tuple[str, str]] = ()) -> None:
        self.lock = RLock()
        self.windows = BlockIndex()
        self.recent: tuple[EditedPlace, ...] = ()
        self._siblings = RelatedFiles()
        # Text with a single letter beyond Latin takes twice or four times the room, so it is bytes.
        self._texts: dict[str, str | bytes] = {}
        self._facts: dict[str, FileSymbols] = {}
        self._languages: dict[str, Language | None] = {}
        self._defining: dict[str, tuple[str, ...]] = {}
        self._paths = PathSuffixes()
        # Of files that were asked for, until one comes or goes that they might mean.
        self._imports: dict[str, tuple[str, ...]] = {}
        for path, text in files:
            self.update(path, text)

    def update(
        self,
        path: str,
        text: str,
        known: FileSymbols | None = None,
        language: Language | None = None,
    ) -> None:
        """Take in a file, or take it in again after a change. `path` is relative, with slashes;
        `known` are its facts, if someone has found them already. `language` is the file's, if it
        is another than name and text tell."""
        language = language or language_of(path, text)
        facts = file_symbols(text, language) if known is None else known
        with self.lock:
            self._forget(path)
            if path not in self._paths:
                self._paths.add(path)
                self._siblings.add(path)
                self._imports.clear()
            self._texts[path] = text if text.isascii() else text.encode("utf-8", "surrogatepass")
            self._facts[path] = facts
            self._languages[path] = language
            for name in {definition.name for definition in facts.definitions}:
                self._defining[name] = (*self._defining.get(name, ()), path)
            self.windows.update(path, text)

    def remove(self, path: str) -> None:
        """Forget a file; one that is not there is no fault."""
        with self.lock:
            if path in self:
                self._forget(path)
                self._paths.remove(path)
                self._siblings.remove(path)
                self._imports.clear()
                self.windows.remove(path)

    def _forget(self, path: str) -> None:
        self._imports.pop(path, None)
        self._texts.pop(path, None)
        self._languages.pop(path, None)
        for name in {definition.name for definition in self._facts.pop(path, _NOTHING).definitions}:
            paths = tuple(other for other in self._defining.pop(name, ()) if other != path)
            if paths:
                self._defining[name] = paths

    def __contains__(self, path: str) -> bool:
        return path in self._texts

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(self._texts)

    def text(self, path: str) -> str:
        """Return the text of a file; empty for one that is not there."""
        text = self._texts.get(path, "")
        return text if isinstance(text, str) else text.decode("utf-8", "surrogatepass")

    def language(self, path: str) -> Language | None:
        """Return the language of a file; None for one that is not there."""
        return self._languages.get(path)

    def facts(self, path: str) -> FileSymbols:
        return self._facts.get(path, _NOTHING)

    def of_path(self, path: str) -> Sequence[Definition]:
        """Return the definitions of a file, in its order."""
        return self.facts(path).definitions

    def paths_defining(self, name: str) -> set[str]:
        return set(self._defining.get(name, ()))

    def imports(self, path: str) -> tuple[str, ...]:
        """Return the files of the repository that a file imports, as far as paths tell."""
        with self.lock:
            if path not in self._imports:
                paths = imports.files(self.facts(path).imports, path, self._paths)
                self._imports[path] = paths
            return self._imports[path]

    def siblings(self, path: str) -> set[str]:
        """Return the file that tests this one or is tested by it; header or source."""
        return self._siblings.of(path)

    def lines_moved(self, path: str, line: int, by: int) -> None:
        """Follow a change of a file that ends at a line of its new text, which counts from 0, and
        after which all lines stand `by` lines further down than before."""
        untouched = line - max(by, 0)

        def now(number: int) -> int:
            return number if number <= untouched else max(line, number + by)

        self.recent = tuple(
            EditedPlace(path, now(place.first), now(place.last)) if place.path == path else place
            for place in self.recent
        )

    def edited(self, path: str, line: int) -> None:
        """Note that someone works at a line, which counts from 0."""
        place = EditedPlace(path, line, line)
        others = []
        for other in self.recent:
            first, last = min(other.first, line), max(other.last, line)
            near = other.first - _ONE_PLACE <= line <= other.last + _ONE_PLACE
            if other.path != path or not near or last - first >= _PLACE_LINES:
                others.append(other)
            elif last - first > place.last - place.first:
                place = EditedPlace(path, first, last)
        self.recent = (place, *islice(others, _PLACES - 1))
