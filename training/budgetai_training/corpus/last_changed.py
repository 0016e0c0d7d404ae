"""When each file was last changed, by the history of its repository."""

import os
from pathlib import Path

from budgetai_core.repository import git

# Older changes are all alike: long ago.
_COMMITS = 5000


def last_changes(root: Path) -> dict[str, int]:
    """Seconds since 1970 of the last commit of each path; empty without a history."""
    answer = git.ask(
        root, "-c", "core.quotePath=false", "log", "--format=@%ct", "--name-only", "--relative",
        "--no-renames", "--no-ext-diff", f"--max-count={_COMMITS}", "HEAD",
    )  # fmt: skip
    found: dict[str, int] = {}
    now = 0
    for line in (answer or b"").split(b"\n"):
        if line.startswith(b"@") and line[1:].isdigit():
            now = int(line[1:])
        elif line:
            found.setdefault(os.fsdecode(line), now)
    return found
