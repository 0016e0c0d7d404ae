"""Scores of predicted lines: exact match and edit similarity, with 95 % intervals; and what one
model changes about another's, place by place, which tells more than two intervals do."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

_Z = 1.959964
_DRAWS = 2000
_TINY = 1e-12


@dataclass(frozen=True)
class Score:
    """A mean, and the interval that holds the true one in 95 of 100 cases."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class LineScores:
    """Scores over `count` spans, and those of each in turn."""

    count: int
    exact_match: Score
    edit_similarity: Score
    right: tuple[bool, ...]
    similar: tuple[float, ...]


@dataclass(frozen=True)
class Change:
    """From one model's answers to another's at the same spans: how many became right, how many
    wrong, and the mean differences, between -1 and 1."""

    better: int
    worse: int
    exact_match: Score
    edit_similarity: Score

    def __str__(self) -> str:
        exact, similar = self.exact_match, self.edit_similarity
        return (
            f"{self.better} lines became right, {self.worse} wrong; "
            f"exact match {signed(exact)}, edit similarity {signed(similar)}"
        )


def first_line(text: str) -> str:
    """Return what is compared: the first line, without white space at its end."""
    return text.partition("\n")[0].rstrip()


def score(predicted: Sequence[str], expected: Sequence[str]) -> LineScores:
    """Compare first lines pair by pair."""
    pairs = [(first_line(p), first_line(e)) for p, e in zip(predicted, expected, strict=True)]
    right = tuple(p == e for p, e in pairs)
    similar = tuple(round(Levenshtein.normalized_similarity(p, e), 4) for p, e in pairs)
    return LineScores(len(pairs), wilson(sum(right), len(pairs)), mean(similar), right, similar)


def change(before: LineScores, after: LineScores) -> Change:
    """Return what came of it at each span. The interval of the differences of exact match is that
    of Agresti and Min 2005: Wald's, with half a span more in each of the four cases."""
    pairs = list(zip(before.right, after.right, strict=True))
    better, worse = pairs.count((False, True)), pairs.count((True, False))
    count = len(pairs) + 2
    centre = (better - worse) / count
    half = _Z * math.sqrt(((better + worse + 1) / count - centre**2) / count)
    gain = (better - worse) / len(pairs) if pairs else math.nan
    apart = [b - a for a, b in zip(before.similar, after.similar, strict=True)]
    return Change(
        better, worse, Score(gain, centre - half, centre + half), _normal(apart, least=-1.0)
    )


def wilson(successes: int, count: int) -> Score:
    """Return a share with its score interval (Wilson 1927), sound for small counts too."""
    if not count:
        return Score(math.nan, math.nan, math.nan)
    share = successes / count
    scale = 1 + _Z**2 / count
    centre = (share + _Z**2 / (2 * count)) / scale
    half = _Z / scale * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return Score(share, max(0.0, centre - half), min(1.0, centre + half))


def by_cluster(
    values: Sequence[float], clusters: Sequence[str], weights: Sequence[float] | None = None
) -> Score:
    """Return the (weighted) mean of values with the interval that resampling whole clusters gives:
    lines of one commit resemble each other, so that their number says more than is known.

    `values`, `clusters` and `weights` have a length of n. The percentile bootstrap (Efron 1979),
    2,000 draws, always the same ones. With fewer than two clusters nothing is known of the spread.
    """
    if not values:
        return Score(math.nan, math.nan, math.nan)
    # Not at the top: --help answers without it.
    import numpy as np

    names = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    rows = np.array([names[name] for name in clusters])
    shares = np.ones(len(values)) if weights is None else np.array(weights, float)
    sums = np.bincount(rows, np.array(values, float) * shares, len(names))
    totals = np.bincount(rows, shares, len(names))
    centre = float(sums.sum() / totals.sum())
    if len(names) < 2:
        return Score(centre, -math.inf, math.inf)
    drawn = np.random.default_rng(0).multinomial(
        len(names), np.full(len(names), 1 / len(names)), _DRAWS
    )
    low, high = np.quantile((drawn @ sums) / np.maximum(drawn @ totals, _TINY), (0.025, 0.975))
    return Score(centre, float(low), float(high))


def mean(values: Sequence[float]) -> Score:
    """Return a mean of values between 0 and 1 with its normal interval."""
    return _normal(values, least=0.0)


def _normal(values: Sequence[float], *, least: float) -> Score:
    """Return the normal approximation for values between `least` and 1."""
    if not values:
        return Score(math.nan, math.nan, math.nan)
    centre = sum(values) / len(values)
    spread = sum((value - centre) ** 2 for value in values) / max(len(values) - 1, 1)
    half = _Z * math.sqrt(spread / len(values))
    return Score(centre, max(least, centre - half), min(1.0, centre + half))


def signed(score: Score) -> str:
    """Return a difference with its sign and interval."""
    return f"{score.mean:+.3f} [{score.low:+.3f}, {score.high:+.3f}]"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan
