"""Which other files hold a text."""

import time
from collections.abc import Callable, Iterable, Iterator

from budgetai_core.context.index import Index
from budgetai_core.repository.source_text import is_notebook

# Files that are returned, and counted.
MAX_HOLDING = 50
# Seconds for one text: megabytes of the largest repositories are not looked through.
_PATIENCE = 0.01


def holding(text: str, near: str, files: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the files, path and text, that hold a text, those first that share most folders with
    the path `near`."""
    folders = near.split("/")[:-1]

    def distance(file: tuple[str, str]) -> tuple[int, str]:
        shared = 0
        for folder, other in zip(folders, file[0].split("/"), strict=False):
            if folder != other:
                break
            shared += 1
        return -shared, file[0]

    return sorted(((path, held) for path, held in files if text in held), key=distance)[
        :MAX_HOLDING
    ]


class HoldingSearch:
    """Finds them in the index of the workspace, if it is there, in files of the same language. What
    the index has of a notebook are no lines of the file."""

    def __init__(self, index: Callable[[], Index | None]) -> None:
        self._index = index

    def __call__(self, text: str, near: str) -> list[tuple[str, str]]:
        index = self._index()
        return holding(text, near, self._files(index, near)) if index else []

    def _files(self, index: Index, near: str) -> Iterator[tuple[str, str]]:
        until = time.perf_counter() + _PATIENCE
        like = index.language(near)
        for path in index.paths:
            if time.perf_counter() > until:
                return
            if index.language(path) is like and not is_notebook(path):
                yield path, index.text(path)
