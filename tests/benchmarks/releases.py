"""Two releases of a project, unpacked in folders, as a git repository with two commits."""

import re
import shutil
import subprocess
from pathlib import Path

from budgetai_core.errors import RepositoryError

OLD = "old"
_VERSION = re.compile(r"[-_.]v?\d.*")
# Neither the user's name and hooks nor their way with line ends shall matter.
_SETTINGS = {
    "user.name": "bench",
    "user.email": "bench@localhost",
    "commit.gpgsign": "false",
    "core.autocrlf": "false",
    "core.hooksPath": "/dev/null",
    "init.defaultBranch": "main",
}


def repository(old: Path, new: Path, work: Path) -> Path:
    """The new release with the old one behind it, tagged OLD; made in `work` where it is not yet.

    It is called as the project is, without a version: the name is part of every prompt. Raises
    RepositoryError for what is not a folder, or where git fails.
    """
    for folder in (old, new):
        if not folder.is_dir():
            raise RepositoryError(f"{folder} is not a folder", "Unpack the release first")
    root = work / (_VERSION.sub("", new.resolve().name) or "project")
    if not root.exists():
        half = work / "repository.partial"
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        _git(half, "init", "--quiet")
        _commit(half, old, OLD)
        _git(half, "tag", OLD)
        _commit(half, new, "new")
        half.rename(root)
    return root


def _commit(root: Path, release: Path, message: str) -> None:
    """Make the folder what the release is."""
    for path in root.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    ignored = shutil.ignore_patterns(".git")
    shutil.copytree(release, root, symlinks=True, dirs_exist_ok=True, ignore=ignored)
    _git(root, "add", "--all")
    _git(root, "commit", "--quiet", "--allow-empty", "--message", message)


def _git(root: Path, *arguments: str) -> None:
    settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command = ["git", *settings, "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        first_line = (done.stderr.strip().splitlines() or [""])[0]
        raise RepositoryError(f"git {arguments[0]} in {root} failed: {first_line}")
