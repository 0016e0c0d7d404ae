"""What came of each place under each condition, and the tables that sum it up."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from intervals import ratio
from markdown_table import table
from rapidfuzz.distance import Levenshtein

from budgetai_core.evaluation.metrics import Score, first_line, mean, wilson

ALL = "all"
_HEAD = (
    "condition", "exact match", "× file", "edit similarity", "× file", "name said",
    "name shown", "prompt tokens", "places",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """One answer's scores. `said`: it has the name that decides; `shown`: what the prompt shows
    of other files has it. Without a model only `shown` is known."""

    repository: str
    path: str
    condition: str
    shown: bool
    exact: bool = False
    similarity: float = 0.0
    said: bool = False
    tokens: int = 0

    @classmethod
    def judged(cls, answer: str, expected: str, **known: Any) -> "Outcome":
        one, other = first_line(answer), first_line(expected)
        similarity = Levenshtein.normalized_similarity(one, other)
        return cls(exact=one == other, similarity=similarity, **known)


@dataclass(frozen=True)
class Row:
    """The outcomes of one condition in one repository, or in all of them, beside those of
    the file alone at the same places."""

    repository: str
    condition: str
    places: int
    exact: Score
    exact_ratio: Score
    similarity: Score
    similarity_ratio: Score
    said: Score
    shown: Score
    tokens: float

    def cells(self) -> list[str]:
        scores = (self.exact, self.exact_ratio, self.similarity, self.similarity_ratio)
        shares = (f"{score.mean:.3f}" for score in (self.said, self.shown))
        return [self.condition, *map(str, scores), *shares, f"{self.tokens:.0f}", str(self.places)]


def rows(outcomes: Sequence[Outcome], base: str) -> list[Row]:
    """For each repository, then for all, a row for each condition."""
    found = []
    for repository in (*dict.fromkeys(one.repository for one in outcomes), ALL):
        there = [one for one in outcomes if repository in (ALL, one.repository)]
        under: dict[str, list[Outcome]] = {}
        for one in there:
            under.setdefault(one.condition, []).append(one)
        found += [_row(repository, some, under[base]) for some in under.values()]
    return found


def _row(repository: str, some: Sequence[Outcome], base: Sequence[Outcome]) -> Row:
    groups = [(one.repository, one.path) for one in some]

    def over_base(value: Callable[[Outcome], float]) -> Score:
        return ratio([value(one) for one in some], [value(one) for one in base], groups)

    def share(value: Callable[[Outcome], bool]) -> Score:
        return wilson(sum(value(one) for one in some), len(some))

    return Row(
        repository,
        some[0].condition,
        len(some),
        share(lambda one: one.exact),
        over_base(lambda one: one.exact),
        mean([one.similarity for one in some]),
        over_base(lambda one: one.similarity),
        share(lambda one: one.said),
        share(lambda one: one.shown),
        sum(one.tokens for one in some) / len(some),
    )


def tables(found: Sequence[Row]) -> str:
    """Markdown, a table for each repository."""
    lines: list[str] = []
    for repository in dict.fromkeys(row.repository for row in found):
        cells = [row.cells() for row in found if row.repository == repository]
        lines += ["", f"### {repository}", "", *table(_HEAD, cells)]
    return "\n".join(lines)


def shown_table(found: Sequence[Row]) -> str:
    """Markdown: how often what is shown of other files has the name."""
    repositories = list(dict.fromkeys(row.repository for row in found))
    shares: dict[str, list[str]] = {}
    for row in found:
        shares.setdefault(row.condition, []).append(str(row.shown))
    cells = [[condition, *some] for condition, some in shares.items()]
    return "\n".join(table(("name shown", *repositories), cells))


def plain(found: Iterable[Row]) -> list[dict[str, Any]]:
    return [asdict(row) for row in found]
