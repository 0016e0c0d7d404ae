"""The paths of a repository: those git tracks, or what lies there and is not ignored."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from budgetai_core.repository import git
from budgetai_core.repository.gitignore import IgnoreFiles


def listing(root: Path, *, untracked: bool = False, only: Sequence[str] = ()) -> Iterator[str]:
    """Yield relative paths of the files: those git tracks, else all that no .gitignore excludes.

    With `untracked` also those that git does not track and does not ignore. `only` names files and
    folders; without it, everything counts. Raises RepositoryError where git refuses to read the
    repository, or a .gitignore that counts cannot be read.
    """
    ignores = IgnoreFiles.from_work_tree(root, ".gitignore")
    known = _known_to_git(root, ignores, only, untracked=untracked)
    if known is not None:
        return iter(known)
    if not only:
        return _walk(root, ignores)
    return (path for name in only for path in _below(root, ignores, name))


def relative(root: Path, paths: Iterable[str]) -> Iterator[str]:
    """Yield paths as they are named under the resolved `root`, with slashes, without those of what
    lies elsewhere. A link stays the link it is; the folders around it are looked up."""
    folders: dict[Path, Path | None] = {}
    for path in map(Path, paths):
        if path.parent not in folders:
            folders[path.parent] = _inside(root, path.parent)
        folder = folders[path.parent]
        if folder is not None and path.name not in ("", ".."):
            yield (folder / path.name).as_posix()


def _inside(root: Path, folder: Path) -> Path | None:
    try:
        return folder.resolve().relative_to(root)
    except (ValueError, OSError, RuntimeError):
        return None


def _known_to_git(
    root: Path, ignores: IgnoreFiles, only: Sequence[str], *, untracked: bool
) -> list[str] | None:
    """Return the files that git knows; None where `root` is not a part of a repository."""
    if not git.has_repository(root):
        return None
    names = _listed(root, "--cached", only)
    if untracked:
        # Git passes over an ignore file in UTF-16; its rules hold here all the same.
        names += [path for path in _listed(root, "--others", only) if not ignores.covers(path)]
    # A folder that an outer repository ignores, or has not added, is a repository of its own to us.
    if names or (root / ".git").exists():
        return names
    # Nothing by these names may also mean that git ignores them alone.
    return [] if only and _known_to_git(root, ignores, (), untracked=untracked) else None


def _listed(root: Path, which: str, only: Sequence[str]) -> list[str]:
    # Names are names: a bracket in one is not a pattern.
    asked = ("--literal-pathspecs", "ls-files", "-z", which, "--exclude-standard", "--", *only)
    # It refuses names that lead out of the repository: there is nothing by them.
    names = (git.ask(root, *asked) or b"") if only else git.answer(root, *asked)
    return [os.fsdecode(name) for name in names.split(b"\0") if name]


def _below(root: Path, ignores: IgnoreFiles, path: str) -> Iterator[str]:
    """Yield a file, or all in a folder, if what lies around it would be walked through."""
    full = root / path
    *above, name = path.split("/")
    folder = full.is_dir() and not full.is_symlink()
    if any(part.startswith(".") for part in above) or ignores.covers(path + "/" * folder):
        return
    if not folder:
        yield from [path] if os.path.lexists(full) else []
    elif not name.startswith("."):
        yield from _walk(root, ignores, path + "/")


def _walk(root: Path, ignores: IgnoreFiles, folder: str = "") -> Iterator[str]:
    if reason := ignores.unreadable(folder):
        raise reason
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
