"""Which files have changed on disk: plugins that ask for completions tell nobody what they save."""

import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path

_SECONDS = 10.0


class DiskWatch:
    """The files and folders of a repository as they were when last looked at."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._times: dict[str, int] = {}
        self._last = 0.0

    async def changed(self, paths: Iterable[str]) -> list[str]:
        """Return what has changed of `paths`, which are relative, and of the folders around them;
        nothing at the first look, and within seconds of the last."""
        if time.monotonic() - self._last < _SECONDS:
            return []
        self._last = time.monotonic()
        return await asyncio.to_thread(self._look, tuple(paths))

    def _look(self, paths: tuple[str, ...]) -> list[str]:
        known, folders = self._times, {""}
        for path in paths:
            while (path := path.rpartition("/")[0]) not in folders:
                folders.add(path)
        times = {path: self._time(path) for path in paths}
        times |= {f"{folder}/": self._time(folder) for folder in folders}
        self._times = times
        if not known:
            return []
        changed = [name for name, at in times.items() if known.get(name, at) != at]
        files = [path for path in changed if not path.endswith("/")]
        for folder in (path for path in changed if path.endswith("/")):
            files += [path for path in self._below(folder) if path not in times]
        return [str(self._root / path) for path in files]

    def _time(self, path: str) -> int:
        try:
            return os.lstat(self._root / path).st_mtime_ns
        except OSError:
            return 0

    def _below(self, folder: str) -> list[str]:
        """Return the paths in a folder, those of folders with a slash."""
        inside = folder.removeprefix("/")
        try:
            with os.scandir(self._root / inside) as entries:
                return [
                    f"{inside}{entry.name}{'/' * entry.is_dir(follow_symlinks=False)}"
                    for entry in entries
                ]
        except OSError:
            return []
