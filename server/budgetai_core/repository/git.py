"""Git, asked so that a repository we do not know cannot make it run a program or use a network."""

import os
import subprocess
from pathlib import Path

# core.fsmonitor and hooks name programs. A missing object would be fetched from a promisor remote,
# whose address may name a program too: no protocol is allowed.
_SAFE = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
_QUIET = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_PATIENCE = 300


def ask(root: Path, *arguments: str, stdin: bytes = b"") -> bytes | None:
    """What git answers in the folder `root`; None where git is missing, refuses, or hangs."""
    try:
        done = subprocess.run(
            ["git", *_SAFE, "-C", str(root), *arguments],
            input=stdin,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
            env=_environment(),
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout


def _environment() -> dict[str, str]:
    """Run from a git hook, GIT_DIR and its like would make git look at another repository."""
    return {n: value for n, value in os.environ.items() if not n.startswith("GIT_")} | _QUIET
