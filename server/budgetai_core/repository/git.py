"""Git, asked so that a repository we do not know cannot make it run a program or use a network."""

import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from budgetai_core.errors import RepositoryError

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
    """Return what git answers in the folder `root`; None where git is missing, refuses, or
    hangs."""
    try:
        done = _run(root, arguments, stdin)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout


def answer(root: Path, *arguments: str) -> bytes:
    """Return what `ask` does, in a repository. Raises RepositoryError with git's own words where it
    refuses."""
    try:
        done = _run(root, arguments)
    except subprocess.TimeoutExpired:
        raise _silent(root) from None
    if done.returncode:
        raise _refusal(root, done.stderr)
    return done.stdout


def blobs(root: Path, digests: Sequence[str]) -> dict[str, bytes]:
    """Return the bytes of blobs by their ids; those that are not here are left out."""
    asked = "".join(digest + "\n" for digest in digests).encode()
    answer = ask(root, "cat-file", "--batch", stdin=asked) or b""
    # Each comes as `<digest> <type> <size>`, a newline, the bytes, a newline.
    contents, at = {}, 0
    while (end := answer.find(b"\n", at)) > 0:
        digest, kind, *size = answer[at:end].decode("ascii").split()
        at = end + 1
        if kind == "blob":
            length = int(size[0])
            contents[digest] = answer[at : at + length]
            at += length + 1
    return contents


def has_repository(root: Path) -> bool:
    """Return whether git knows the folder as one of a repository. A repository that git refuses to
    read is not taken for none, or files that it does not track would be read as if it did: then
    this raises RepositoryError, with git's own words."""
    try:
        done = _run(root, ("rev-parse", "--git-dir"))
    except (OSError, ValueError):
        return False
    except subprocess.TimeoutExpired:
        raise _silent(root) from None
    if not done.returncode:
        return True
    # Where there is none here nor above; with a name instead of that, one that leads nowhere.
    if b"not a git repository (or any" in done.stderr and not (root / ".git").exists():
        return False
    raise _refusal(root, done.stderr)


def command(root: Path, *arguments: str) -> str:
    """Return what a user can paste into a shell to have git do something in the folder."""
    return shlex.join(["git", "-C", str(root), *arguments])


def _silent(root: Path) -> RepositoryError:
    return RepositoryError(
        f"git has not answered in {root} for {_PATIENCE} s",
        f"See what it waits for: {command(root, 'status')}",
    )


def _refusal(root: Path, words: bytes) -> RepositoryError:
    """Return what git says, and the command that mends it."""
    text = words.decode("utf-8", "replace")
    lines = text.splitlines()
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines or ["?"]
    reason = fatal[0].removeprefix("fatal:").strip()
    return RepositoryError(f"git does not read {root}: {reason}", _remedy(root, text))


def _remedy(root: Path, text: str) -> str:
    if "safe.directory" in text or "dubious ownership" in text:
        # git names the folder it means, which may be one above.
        named = re.search(r"repository at '(.*)'", text)
        folder = named[1] if named else str(root)
        safe = shlex.join(["git", "config", "--global", "--add", "safe.directory", folder])
        return f"It belongs to another owner; if you trust it: {safe}"
    return f"Mend what stops git: {command(root, 'status')}"


def _run(
    root: Path, arguments: tuple[str, ...], stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["git", *_SAFE, "-C", str(root), *arguments],
        input=stdin,
        capture_output=True,
        timeout=_PATIENCE,
        check=False,
        env=_environment(),
    )


def _environment() -> dict[str, str]:
    """Run from a git hook, GIT_DIR and its like would make git look at another repository."""
    return {n: value for n, value in os.environ.items() if not n.startswith("GIT_")} | _QUIET
