"""Scores of predicted lines: exact match and edit similarity, with 95 % intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

_Z = 1.959964


@dataclass(frozen=True)
class Score:
    """A mean between 0 and 1, and the interval that holds the true one in 95 of 100 cases."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class LineScores:
    """Scores over `count` holes."""

    count: int
    exact_match: Score
    edit_similarity: Score


def first_line(text: str) -> str:
    """What is compared: the first line, without white space at its end."""
    return text.partition("\n")[0].rstrip()


def score(predicted: Sequence[str], expected: Sequence[str]) -> LineScores:
    """Compare first lines pair by pair."""
    pairs = [(first_line(p), first_line(e)) for p, e in zip(predicted, expected, strict=True)]
    similar = [Levenshtein.normalized_similarity(p, e) for p, e in pairs]
    return LineScores(len(pairs), wilson(sum(p == e for p, e in pairs), len(pairs)), mean(similar))


def wilson(successes: int, count: int) -> Score:
    """A share with its score interval (Wilson 1927), sound for small counts too."""
    if not count:
        return Score(math.nan, math.nan, math.nan)
    share = successes / count
    scale = 1 + _Z**2 / count
    centre = (share + _Z**2 / (2 * count)) / scale
    half = _Z / scale * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return Score(share, max(0.0, centre - half), min(1.0, centre + half))


def mean(values: Sequence[float]) -> Score:
    """A mean with its normal interval."""
    if not values:
        return Score(math.nan, math.nan, math.nan)
    centre = sum(values) / len(values)
    spread = sum((value - centre) ** 2 for value in values) / max(len(values) - 1, 1)
    half = _Z * math.sqrt(spread / len(values))
    return Score(centre, max(0.0, centre - half), min(1.0, centre + half))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan
