"""Which repository a folder is a clone of, whatever its path: a second clone, a worktree, a
container.

Two folders hold the same repository if their histories begin with the same commit, or if they were
cloned from the same address. Of the address a digest is kept: who sees it learns nothing.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from budgetai_core.repository import git

# user@host:path, as ssh has it, and scheme://user@host:port/path.
_SCP = re.compile(r"(?:[^@/]+@)?([\w.-]{2,}):(?!/)(.+)")
_URL = re.compile(r"\w[\w+.-]*://(?:[^@/]*@)?([^/:]+)(?::\d+)?/(.+)")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What tells a repository from others. `root_commit` is where the line of first parents begins,
    "" where the history is not all there; `remote` a digest of the address it was cloned from, ""
    without one; `prefix` the folder meant, in the repository, "" for all of it."""

    root_commit: str = ""
    remote: str = ""
    prefix: str = ""

    def is_same_repository(self, other: "Identity") -> bool:
        return bool(
            (self.root_commit and self.root_commit == other.root_commit)
            or (self.remote and self.remote == other.remote)
        )

    def lies_in(self, other: "Identity") -> bool:
        """Return whether this is the same folder of the same repository, or one below."""
        return self.is_same_repository(other) and f"{self.prefix}/".startswith(
            f"{other.prefix}/" if other.prefix else ""
        )


def identity(folder: Path) -> Identity | None:
    """Return what the repository that holds a folder is known by; None where git knows of none, or
    of one without commits and address."""
    prefix = git.ask(folder, "rev-parse", "--show-prefix")
    if prefix is None:
        return None
    known = Identity(
        root_commit=_root_commit(folder),
        remote=_remote(folder),
        prefix=prefix.decode("utf-8", "surrogateescape").rstrip("\n").rstrip("/"),
    )
    return known if known.root_commit or known.remote else None


def _root_commit(folder: Path) -> str:
    # A shallow history begins anywhere.
    if git.ask(folder, "rev-parse", "--is-shallow-repository") != b"false\n":
        return ""
    # By first parents alone: a merged history of another project does not make it that project.
    answer = git.ask(folder, "rev-list", "--first-parent", "--max-parents=0", "HEAD")
    return (answer or b"").decode("ascii", "replace").strip()


def _remote(folder: Path) -> str:
    answer = git.ask(folder, "config", "--get", "remote.origin.url")
    address = (answer or b"").decode("utf-8", "surrogateescape").strip()
    same = _same_for_all(address)
    return hashlib.sha256(same.encode("utf-8", "surrogateescape")).hexdigest() if same else ""


def _same_for_all(address: str) -> str:
    """Return an address without what differs from clone to clone: protocol, user, port, ending. A
    relative path says nothing, and is ""."""
    match = _URL.fullmatch(address) or _SCP.fullmatch(address)
    if match:
        return f"{match[1].lower()}/{_bare(match[2])}"
    address = address.removeprefix("file://")
    return _bare(address) if address.startswith("/") else ""


def _bare(path: str) -> str:
    return path.rstrip("/").removesuffix(".git").rstrip("/")
