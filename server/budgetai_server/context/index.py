"""The repository as a table of definitions: which file defines a name, and with what signature."""

from collections import defaultdict
from collections.abc import Iterable

from budgetai_server.context.languages import language_of
from budgetai_server.context.syntax import Definition, definitions


class Index:
    """Definitions by name and by path. It keeps signatures, not the text of files."""

    def __init__(self, files: Iterable[tuple[str, str]] = ()) -> None:
        self._by_path: dict[str, list[Definition]] = {}
        self._paths_of: defaultdict[str, set[str]] = defaultdict(set)
        for path, text in files:
            self.update(path, text)

    def update(self, path: str, text: str) -> None:
        """Take in a file, or take it in again after a change. `path` is relative, with slashes."""
        self.remove(path)
        found = definitions(text, language_of(path))
        self._by_path[path] = found
        for definition in found:
            self._paths_of[definition.name].add(path)

    def remove(self, path: str) -> None:
        for definition in self._by_path.pop(path, []):
            self._paths_of[definition.name].discard(path)

    def __contains__(self, path: str) -> bool:
        return path in self._by_path

    def __len__(self) -> int:
        return len(self._by_path)

    def of_path(self, path: str) -> list[Definition]:
        return self._by_path.get(path, [])

    def paths_defining(self, name: str) -> set[str]:
        return self._paths_of.get(name, set())
