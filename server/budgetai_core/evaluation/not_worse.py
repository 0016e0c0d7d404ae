"""Whether a model may take another's place, by what both said at the same lines. Pure functions.

A model is refused where it is *shown* to be worse: by at least two points, and so that chance alone
would do it in 5 of 100 cases (one-sided, resampled by commit). A proof that it is no worse would
take thousands of lines, and nobody commits that many in a week.

What n lines, five of a commit, can tell by three measures (simulated; see the tests): of models
that are as good, 9 in 10 pass, and the others were no loss. Of models that bring back 5 points
fewer lines, 46 % are refused at 100 lines, 73 % at 200 and 92 % at 400; of those that bring back
10 fewer, 84 % at 100 and 99 % at 200.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from budgetai_core.evaluation.metrics import Score, by_cluster, signed

MARGIN = 0.02
"""A share of 1; what is worse by less is not worse."""
LINES = 200
"""So many lines are asked for, where there are as many: more would take longer than they tell."""
MIN_LINES = 100
"""With fewer lines, a model that is served stays."""
MIN_LINES_OF_BASE = 20
"""With fewer lines, nothing is said of a first model and its base."""
# A chance that is no longer taken for one, and the normal quantiles of a side and of both.
_CHANCE = 0.05
_ONE_SIDED, _TWO_SIDED = 1.644854, 1.959964


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What one measure, from 0 to 1, says of two models at the same lines: its means, and the
    change from the one to the other with its 95 % interval. `commits` are those that were drawn
    from, 0 where that matters not."""

    measure: str
    before: float
    after: float
    change: Score
    commits: int = 0

    @property
    def bound(self) -> float:
        """Return what the change is below in 95 of 100 cases. With few commits the bootstrap is
        too sure: a correction of the order of Student's t."""
        wider = 1.0
        if self.commits > 1:
            wider = math.sqrt(self.commits / (self.commits - 1))
            wider *= 1 + (_ONE_SIDED**2 + 1) / (4 * (self.commits - 1))
        return self.change.mean + (self.change.high - self.change.mean) * wider * (
            _ONE_SIDED / _TWO_SIDED
        )

    @property
    def is_worse(self) -> bool:
        return self.change.mean <= -MARGIN and self.bound < 0

    def __str__(self) -> str:
        return f"{self.measure} {self.before:.3f} -> {self.after:.3f}, {signed(self.change)}"


def difference(
    measure: str,
    before: Sequence[float],
    after: Sequence[float],
    commits: Sequence[str],
    weights: Sequence[float] | None = None,
) -> Difference:
    """Return the difference at n lines: `before`, `after`, `commits` and `weights` each have one
    value for each line, in the same order."""
    apart = [new - old for old, new in zip(before, after, strict=True)]
    return Difference(
        measure=measure,
        before=_mean(before, weights),
        after=_mean(after, weights),
        change=by_cluster(apart, commits, weights),
        commits=len(set(commits)),
    )


def _mean(values: Sequence[float], weights: Sequence[float] | None) -> float:
    shares = weights or [1.0] * len(values)
    total = sum(shares)
    if not total:
        return 0.0
    return sum(v * share for v, share in zip(values, shares, strict=True)) / total


@dataclass(frozen=True, kw_only=True)
class StaleNames:
    """Lines at which a model said a name that is no more: the one before, the one after, and each
    where the other did not."""

    before: int
    after: int
    only_before: int
    only_after: int

    @property
    def is_worse(self) -> bool:
        """Return whether the second model says such names at more lines, by more than chance would
        have it (a sign test, one-sided)."""
        apart = self.only_before + self.only_after
        tail = sum(math.comb(apart, count) for count in range(self.only_after, apart + 1))
        return self.only_after > self.only_before and tail / 2**apart < _CHANCE

    def __str__(self) -> str:
        return f"names that are gone said at {self.before} -> {self.after} lines"


def stale_names(before: Sequence[bool], after: Sequence[bool]) -> StaleNames:
    """Return what is said of n lines at which each model did or did not say such a name."""
    pairs = list(zip(before, after, strict=True))
    return StaleNames(
        before=sum(before),
        after=sum(after),
        only_before=pairs.count((True, False)),
        only_after=pairs.count((False, True)),
    )
