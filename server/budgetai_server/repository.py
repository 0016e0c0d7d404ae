"""Which files of a repository are its code, and why the others are not. The IO beside the core.

The repository is untrusted: links are not followed, sizes are checked before reading, and git is
asked with its configurable helpers switched off.
"""

import os
import re
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pathspec

from budgetai_server.context.languages import language_of
from budgetai_server.errors import RepositoryError

MAX_FILE_BYTES = 400_000
MAX_MEAN_LINE = 200


@dataclass(frozen=True)
class SourceFile:
    """`path` is relative to the repository, with slashes. Line ends are normalised to \\n."""

    path: str
    text: str


@dataclass(frozen=True)
class Decision:
    """What became of one file; `reason` is empty when it is kept."""

    path: str
    reason: str


def open_repository(path: Path) -> Path:
    """The resolved path of a folder that exists. Raises RepositoryError."""
    if not path.exists():
        raise RepositoryError(f"no such repository: {path}", "Give --repo a folder that exists")
    if not path.is_dir():
        raise RepositoryError(f"{path} is a file", "Give --repo the folder that holds the code")
    return path.resolve()


def sources(root: Path) -> tuple[list[SourceFile], list[Decision]]:
    """The code files under `root` in the order of their paths, and a decision for every file."""
    files: list[SourceFile] = []
    decisions: list[Decision] = []
    for path in sorted(set(listing(root))):
        text, reason = read_source(root, path)
        decisions.append(Decision(path, reason))
        if not reason:
            files.append(SourceFile(path, text))
    return files, decisions


def listing(root: Path) -> Iterator[str]:
    """Relative paths of the files: those git tracks, else all that no .gitignore excludes."""
    tracked = _git_files(root)
    return iter(tracked) if tracked is not None else _walk(root, [])


def _git_files(root: Path) -> list[str] | None:
    # core.fsmonitor may name a program; a cloned repository must not make us run one.
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(root), "ls-files", "-z", "--cached"]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=120, check=False, env=_without_git_variables()
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    # A folder that an outer repository ignores, or has not added, is a repository of its own to us.
    if done.returncode or (not done.stdout and not (root / ".git").exists()):
        return None
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]


def _without_git_variables() -> dict[str, str]:
    """Run from a git hook, GIT_DIR and its like would make git list another repository."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


_Ignore = tuple[str, pathspec.GitIgnoreSpec]


def _walk(root: Path, above: list[_Ignore], folder: str = "") -> Iterator[str]:
    ignores = above + _ignore_file(root, folder)
    try:
        entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        path = folder + entry.name
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith(".") and not _ignored(path + "/", ignores):
                yield from _walk(root, ignores, path + "/")
        elif not _ignored(path, ignores):
            yield path


def _ignore_file(root: Path, folder: str) -> list[_Ignore]:
    file = root / folder / ".gitignore"
    try:
        if file.is_symlink():
            return []
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [(folder, pathspec.GitIgnoreSpec.from_lines(filter(_is_pattern, lines)))]


def _is_pattern(line: str) -> bool:
    """Git passes over patterns that make no sense; so do we."""
    try:
        pathspec.GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True


def _ignored(path: str, ignores: list[_Ignore]) -> bool:
    return any(spec.match_file(path[len(folder) :]) for folder, spec in ignores)


def read_source(root: Path, path: str) -> tuple[str, str]:
    """The text of a file and an empty reason, or an empty text and the reason to leave it out."""
    full = root / path
    if language_of(path) is None:
        return "", "not code"
    if not path.isprintable():
        return "", "unprintable name"
    try:
        info = full.lstat()
        if stat.S_ISLNK(info.st_mode) or not full.resolve().is_relative_to(root):
            return "", "symlink"
        if not stat.S_ISREG(info.st_mode):
            return "", "not a regular file"
        if info.st_size > MAX_FILE_BYTES:
            return "", "too large"
        return _decoded(full.read_bytes())
    except OSError:
        return "", "cannot be read"


def _decoded(data: bytes) -> tuple[str, str]:
    if b"\0" in data:
        return "", "binary"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "", "not UTF-8"
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        return "", "empty"
    if len(text) / (text.count("\n") + 1) > MAX_MEAN_LINE:
        return "", "minified"
    return text, ""
