"""Repositories with commits, for tests."""

import subprocess
from pathlib import Path


def git(root: Path, *arguments: str, date: str = "2025-01-01T00:00:00") -> str:
    when = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, "PATH": "/usr/bin:/bin"}
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    done = subprocess.run(
        ["git", "-C", str(root), *who, *arguments],
        check=True, capture_output=True, text=True, env=when,
    )  # fmt: skip
    return done.stdout.strip()


def commit(root: Path, date: str = "2025-01-01T00:00:00") -> str:
    if not (root / ".git").exists():
        git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "x", date=date)
    return git(root, "rev-parse", "HEAD")
