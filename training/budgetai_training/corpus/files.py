"""The files of a corpus, as samples and scores see them. No IO."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace

from budgetai_server.context.index import Index
from budgetai_server.repository import Decision


@dataclass(frozen=True)
class CorpusFile:
    """A file of one repository. `path` is relative to it, with slashes.

    A file of weight 2 is shown twice as often as one of weight 1. `fresh` are the character
    ranges (start, end) a held-out file is judged on; None means all of it.
    """

    repository: str
    path: str
    text: str
    weight: float = 1.0
    fresh: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True)
class Corpus:
    """Files in the order of their paths; no text is in both parts."""

    name: str
    train: tuple[CorpusFile, ...]
    held_out: tuple[CorpusFile, ...]
    decisions: tuple[Decision, ...]

    def holding_out(self, paths: Collection[str]) -> "Corpus":
        """The same files with another split."""
        every = (*self.train, *self.held_out)
        return replace(
            self,
            train=tuple(file for file in every if file.path not in paths),
            held_out=tuple(file for file in every if file.path in paths),
        )

    def indexes(self) -> dict[str, Index]:
        """Who defines what, by repository; of training files alone."""
        names = {file.repository for file in (*self.train, *self.held_out)}
        return {
            name: Index((f.path, f.text) for f in self.train if f.repository == name)
            for name in sorted(names)
        }

    @property
    def reasons(self) -> dict[str, int]:
        return dict(Counter(d.reason for d in self.decisions if d.reason))
