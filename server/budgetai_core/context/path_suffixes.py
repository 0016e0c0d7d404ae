"""The paths of a repository, found by how they end: what an import says of a file is its end."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from posixpath import dirname, join


class _Ends:
    """Names found by how they end, in whole parts: `b/c.py` finds `a/b/c.py`."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def add(self, name: str) -> None:
        for key in _keys(name):
            insort(self._names.setdefault(key, []), name)

    def remove(self, name: str) -> None:
        for key in _keys(name):
            names = self._names[key]
            del names[bisect_left(names, name)]
            if not names:
                del self._names[key]

    def first(self, end: str) -> str | None:
        """Return the first of the names in their order."""
        names = self._names.get(_keys(end)[-1], ())
        return next((name for name in names if name == end or name.endswith("/" + end)), None)


def _keys(name: str) -> tuple[str, ...]:
    """Return the last part of a name, and the last two: enough to leave few names to look
    through."""
    *_, outer, last = ("", *name.split("/"))
    return (last, f"{outer}/{last}") if outer else (last,)


class PathSuffixes:
    """The paths of a repository and its folders. One more or less costs no rebuilding."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._folders: dict[str, set[str]] = {}
        self._ends = _Ends()
        self._folder_ends = _Ends()
        for path in paths:
            self.add(path)

    def __contains__(self, path: str) -> bool:
        return path in self._folders.get(dirname(path), ())

    def add(self, path: str) -> None:
        if path in self:
            return
        folder = dirname(path)
        if folder not in self._folders:
            self._folders[folder] = set()
            self._folder_ends.add(folder)
        self._folders[folder].add(path)
        self._ends.add(path)

    def remove(self, path: str) -> None:
        if path not in self:
            return
        folder = dirname(path)
        self._ends.remove(path)
        self._folders[folder].remove(path)
        if not self._folders[folder]:
            del self._folders[folder]
            self._folder_ends.remove(folder)

    def inside(self, folder: str) -> list[str]:
        """Return the files that lie in a folder itself, whose name ends in a slash."""
        return sorted(self._folders.get(folder.rstrip("/"), ()))

    def first(self, candidates: Iterable[str]) -> str | None:
        return next((path for path in candidates if path in self), None)

    def near(self, tail: str, importer: str) -> str | None:
        """Return the path that ends so in the importer's folder or the nearest above it; else
        any."""
        folder = dirname(importer)
        while folder.strip("/") and join(folder, tail) not in self:
            folder = dirname(folder)
        nearest = join(folder, tail)
        return nearest if nearest in self else self._ends.first(tail)

    def folder(self, tail: str) -> str | None:
        """Return the folder that ends so, with a slash at its end."""
        folder_path = self._folder_ends.first(tail) if tail else None
        return f"{folder_path}/" if folder_path else None

    def has_folder(self, folder: str) -> bool:
        return folder in self._folders
