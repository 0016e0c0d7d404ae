"""Repositories with two commits each, and git in them, whoever runs the tests."""

import subprocess
from pathlib import Path

WHO = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always")


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *WHO, "-C", str(root), *arguments], check=True, capture_output=True)


def new_repository(root: Path, text: str = "x = 1\n") -> Path:
    (root / "pkg").mkdir(parents=True)
    git(root, "init", "-q")
    for number in (1, 2):
        (root / "pkg" / "a.py").write_text(text * number)
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", f"{root.name} {number}")
    return root
