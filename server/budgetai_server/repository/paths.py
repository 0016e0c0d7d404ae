"""The paths of a repository: those git tracks, or what lies there and is not ignored."""

import os
from collections.abc import Iterator
from pathlib import Path

from budgetai_server.repository import git
from budgetai_server.repository.ignore import IgnoreFiles


def listing(root: Path) -> Iterator[str]:
    """Relative paths of the files: those git tracks, else all that no .gitignore excludes."""
    tracked = _tracked(root)
    return iter(tracked) if tracked is not None else _walk(root, IgnoreFiles(root, ".gitignore"))


def _tracked(root: Path) -> list[str] | None:
    answer = git.ask(root, "ls-files", "-z", "--cached")
    # A folder that an outer repository ignores, or has not added, is a repository of its own to us.
    if answer is None or (not answer and not (root / ".git").exists()):
        return None
    return [os.fsdecode(name) for name in answer.split(b"\0") if name]


def _walk(root: Path, ignores: IgnoreFiles, folder: str = "") -> Iterator[str]:
    try:
        entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        path = folder + entry.name
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith(".") and not ignores.covers(path + "/"):
                yield from _walk(root, ignores, path + "/")
        elif not ignores.covers(path):
            yield path
