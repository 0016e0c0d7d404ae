"""The files of a corpus, as samples and scores see them. No IO."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby

from budgetai_core.context.index import Index
from budgetai_core.context.languages import Language, language_of
from budgetai_core.repository import Decision

TRAIN = "train"
HELD_OUT = "held-out"


@dataclass(frozen=True)
class CorpusFile:
    """A file of one repository. `path` is relative to it, with slashes; that of a part of a large
    file has the number of the `part` behind it, as `a.st#3`.

    A file of weight 2 is shown twice as often as one of weight 1. `fresh` are the character
    ranges (start, end) a held-out file is evaluated on; None means all of it.
    """

    repository: str
    path: str
    text: str
    weight: float = 1.0
    fresh: tuple[tuple[int, int], ...] | None = None
    declared: Language | None = None
    part: int = 0

    @property
    def source(self) -> str:
        """The path of the file on the disk, of which this may be a part."""
        return self.path.removesuffix(f"#{self.part}")

    @property
    def language(self) -> Language | None:
        """The language that the repository says the file is in, or else its name and text."""
        return self.declared or language_of(self.source, self.text)

    @property
    def key(self) -> tuple[str, str]:
        """Repository and path, the same from run to run."""
        return self.repository, self.path


@dataclass(frozen=True, kw_only=True)
class CorpusRow:
    """What became of one file, for people to read and to edit: a line of corpus.jsonl.

    `reason` is empty where the file is included; `part` where it is not. `revision` is the commit
    the text was read at, empty for what lies on the disk. `secrets` counts them by kind. `digest`
    is the sha256 of the text with its secrets replaced, of included files alone.
    """

    repository: str
    path: str
    revision: str = ""
    language: str
    lines: int
    characters: int
    reason: str
    weight: float = 1.0
    part: str = ""
    secrets: Mapping[str, int] = field(default_factory=dict)
    digest: str = ""


@dataclass(frozen=True)
class Corpus:
    """Files in the order of their paths; no text is in both parts.

    Where `holdout` names a revision, a held-out file may also be in `train`, as it was then; of
    the held-out one only the `fresh` ranges count.
    """

    name: str
    train: tuple[CorpusFile, ...]
    held_out: tuple[CorpusFile, ...]
    decisions: tuple[Decision, ...]
    rows: tuple[CorpusRow, ...] = ()
    holdout: str = ""

    def decided(self) -> "Corpus":
        """Return the corpus with the decisions that the rows tell."""
        decisions = (Decision(self.name_of(row), row.reason) for row in self.rows)
        return replace(self, decisions=tuple(decisions))

    def name_of(self, file: "CorpusFile | CorpusRow") -> str:
        return named(self.name, file.repository, file.path)

    @property
    def also(self) -> tuple[str, ...]:
        """The further repositories by name."""
        return tuple(sorted({row.repository for row in self.rows} - {self.name}))

    @property
    def held_out_names(self) -> tuple[str, ...]:
        return tuple(self.name_of(file) for file in self.held_out)

    def digests(self) -> dict[str, str]:
        """Return the sha256 of each text that is learned, by the name of its file."""
        return {self.name_of(file): digest(file.text) for file in self.train}

    def indexes(self) -> dict[str, Index]:
        """Return who defines what, by repository; of training files alone."""
        names = {file.repository for file in (*self.train, *self.held_out)}
        return {
            name: _index(f for f in self.train if f.repository == name) for name in sorted(names)
        }

    @property
    def reasons(self) -> dict[str, int]:
        """How many files were left out for which reason; what differs stands behind a colon."""
        return dict(Counter(d.reason.partition(":")[0] for d in self.decisions if d.reason))

    @property
    def secrets(self) -> dict[str, int]:
        """How many secrets of which kind were replaced."""
        counts: Counter[str] = Counter()
        for row in self.rows:
            counts.update(row.secrets)
        return dict(sorted(counts.items()))


def _index(files: Iterable[CorpusFile]) -> Index:
    """Return the index of files; the parts of one are one file there, as in a workspace."""
    index = Index()
    for path, parts in groupby(files, key=lambda file: file.source):
        own = list(parts)
        index.update(path, "".join(part.text for part in own), language=own[0].language)
    return index


def named(main: str, repository: str, path: str) -> str:
    """Return the path of a file of the main repository; of others with the repository before it."""
    return path if repository == main else f"{repository}:{path}"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
