"""Which rank is enough: the smallest whose held-out loss is within a tolerance of the best."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from budgetai_core.errors import OptionError

STANDARD_ERROR = "se"


class SummedLoss(Protocol):
    """The cross entropies of one question, summed over its tokens, in nats."""

    @property
    def total(self) -> float: ...
    @property
    def tokens(self) -> int: ...


@dataclass(frozen=True)
class Tolerance:
    """How much worse than the best is good enough: a share of its loss, or, where `share` is None,
    one standard error of the difference."""

    share: float | None

    @classmethod
    def parse(cls, text: str) -> "Tolerance":
        """Read it as --lora writes it. Raises OptionError for what is neither a percentage nor
        se."""
        if text == STANDARD_ERROR:
            return cls(None)
        try:
            share = float(text.removesuffix("%")) / 100 if text.endswith("%") else math.nan
        except ValueError:
            share = math.nan
        if not 0 <= share < 1:
            raise OptionError(
                f"--lora tolerance={text} is not known", "tolerance is a share as 1%, or se"
            )
        return cls(share)


@dataclass(frozen=True, kw_only=True)
class RankTry:
    """The adapter cut to a rank, and its held-out loss."""

    rank: int
    loss: float | None = None
    chosen: bool = False


def select_rank(by_rank: Mapping[int, Sequence[SummedLoss]], tolerance: Tolerance) -> int | None:
    """Return the smallest rank that is good enough, by the same questions answered at each rank;
    None where no rank has a loss that is a number."""
    means = {rank: mean(losses) for rank, losses in by_rank.items()}
    known = {rank: loss for rank, loss in means.items() if math.isfinite(loss)}
    if not known:
        return None
    best = min(known, key=lambda rank: (known[rank], rank))
    for rank in sorted(known):
        allowed = (
            tolerance.share * known[best]
            if tolerance.share is not None
            else standard_error(by_rank[rank], by_rank[best])
        )
        if known[rank] - known[best] <= allowed:
            return rank
    return best


def mean(losses: Sequence[SummedLoss]) -> float:
    """Return the mean loss in nats per token; not a number where nothing was asked."""
    tokens = sum(loss.tokens for loss in losses)
    return sum(loss.total for loss in losses) / tokens if tokens else math.nan


def standard_error(losses: Sequence[SummedLoss], best: Sequence[SummedLoss]) -> float:
    """Return the standard error of the difference of two means over the same questions, in nats per
    token.

    Pairs, since what makes a question hard makes it so at every rank; weighted by tokens (Cochran
    1977, ratio means). Zero for a single question, which says nothing of the spread.
    """
    pairs = [(a.total - b.total, a.tokens) for a, b in zip(losses, best, strict=True)]
    count, tokens = len(pairs), sum(n for _, n in pairs)
    if count < 2 or not tokens:
        return 0.0
    middle = sum(difference for difference, _ in pairs) / tokens
    squares = sum((difference - n * middle) ** 2 for difference, n in pairs)
    return math.sqrt(squares * count / (count - 1)) / tokens
