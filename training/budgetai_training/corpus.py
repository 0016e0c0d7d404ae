"""The repository's files, split into those to train on and those held out to judge by."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from budgetai_server.errors import RepositoryError
from budgetai_server.repository import Decision, SourceFile, open_repository, sources

HELD_OUT_SHARE = 0.1


@dataclass(frozen=True)
class Corpus:
    """Files in the order of their paths; no text is in both parts."""

    name: str
    train: tuple[SourceFile, ...]
    held_out: tuple[SourceFile, ...]
    decisions: tuple[Decision, ...]

    def holding_out(self, paths: Collection[str]) -> "Corpus":
        """The same files with another split."""
        train, held_out = parted((*self.train, *self.held_out), paths)
        return replace(self, train=train, held_out=held_out)

    @property
    def reasons(self) -> dict[str, int]:
        return dict(Counter(d.reason for d in self.decisions if d.reason))


def read(repo: Path, seed: int) -> Corpus:
    """Read a repository. Raises RepositoryError where there is nothing to learn from."""
    root = open_repository(repo)
    files, decisions = sources(root)
    if not decisions:
        raise RepositoryError(f"{repo} is empty", "Commit some code first, or name another --repo")
    if not files:
        raise RepositoryError(
            f"{repo} has no code files among {len(decisions)} files",
            "BudgetAI learns from source code in the languages of its README",
        )
    train, held_out = split(files, seed)
    return Corpus(root.name or "repository", train, held_out, tuple(decisions))


def split(
    files: list[SourceFile], seed: int
) -> tuple[tuple[SourceFile, ...], tuple[SourceFile, ...]]:
    """Hold out about a tenth of the text, by whole files, in an order drawn from the seed.

    Files with the same text stay together. A single text cannot be split: nothing is held out.
    """
    groups: dict[str, list[SourceFile]] = {}
    for file in files:
        groups.setdefault(hashlib.sha256(file.text.encode()).hexdigest(), []).append(file)
    sizes = {digest: sum(len(file.text) for file in group) for digest, group in groups.items()}
    chosen = _tenth(sizes, seed)
    return parted(files, {file.path for digest in chosen for file in groups[digest]})


def _tenth(sizes: dict[str, int], seed: int) -> list[str]:
    """Groups of about a tenth of the size of all, of at most a seventh."""
    if len(sizes) < 2:
        return []
    wanted = HELD_OUT_SHARE * sum(sizes.values())
    chosen: list[str] = []
    size = 0
    for digest in sorted(sizes, key=lambda d: hashlib.sha256(f"{seed}{d}".encode()).digest()):
        if size < wanted and size + sizes[digest] <= 1.5 * wanted:
            chosen.append(digest)
            size += sizes[digest]
    # Among a few large files none is a tenth; then the smallest has to do.
    return chosen or [min(sizes, key=lambda digest: sizes[digest])]


def parted(
    files: Iterable[SourceFile], held: Collection[str]
) -> tuple[tuple[SourceFile, ...], tuple[SourceFile, ...]]:
    """Files to train on, and those at the `held` paths."""
    every = tuple(files)
    train = tuple(file for file in every if file.path not in held)
    return train, tuple(file for file in every if file.path in held)
