"""Ranks that are trained at once: which, how often each is drawn, and what each entry weighs.

Pure arithmetic; `dylora` applies it to a model. A LoRA of rank R holds one of each rank b below it:
the first b rows of A and columns of B, with the scale alpha/b, or alpha/√b with rsLoRA. In what
follows that is alpha · b**-power, with power 1 or 1/2. Weights are relative to the scale at R.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from budgetai_core.errors import OptionError

# With so few, held-out loss is taken at each; of more, at those that double.
_MAX_ALL_EVALUATED = 5


def parse(text: str, largest: float) -> tuple[int, ...]:
    """Return ranks as 4-16 or 1,2,4,8, in rising order. Raises OptionError where it is neither, or
    beyond `largest`."""
    first, dash, last = text.partition("-")
    try:
        parts = range(int(first), int(last) + 1) if dash else map(int, text.split(","))
        ranks = tuple(sorted(set(parts)))
    except ValueError:
        ranks = ()
    if not ranks or ranks[0] < 1:
        raise OptionError(
            f"--lora ranks={text} is not known", "ranks are written as 1,2,4,8 or 4-16"
        )
    if ranks[-1] > largest:
        raise OptionError(
            f"--lora ranks={text} goes beyond --rank {largest}", f"Add --rank {ranks[-1]}"
        )
    return ranks


def doubling(largest: int) -> tuple[int, ...]:
    """Return 1, 2, 4 … and `largest`."""
    return (*(1 << n for n in range((largest - 1).bit_length())), largest)


def evaluated(ranks: Sequence[int]) -> tuple[int, ...]:
    """Return the ranks of which held-out loss is taken: all of a few, or doubling ones and both
    ends."""
    if len(ranks) <= _MAX_ALL_EVALUATED:
        return tuple(ranks)
    return tuple(sorted({*ranks} & {ranks[0], *doubling(ranks[-1])}))


def chances(ranks: Sequence[int], distribution: str, decay: float) -> tuple[float, ...]:
    """Return how often each rank is drawn, in all 1: alike, or geometric, where P(b + 1) is (1 -
    decay) times P(b), cut off at both ends (Valipour et al. 2022, "DyLoRA")."""
    shares = [(1 - decay) ** b if distribution == "geometric" else 1.0 for b in ranks]
    return tuple(share / sum(shares) for share in shares)


@dataclass(frozen=True)
class Draw:
    """Ranks drawn at random, each by the seed and the number of its micro-batch alone: after a
    resume and in several processes the draws are the same."""

    ranks: tuple[int, ...]
    chances: tuple[float, ...]
    seed: int

    def at(self, number: int) -> int:
        rng = random.Random(f"rank/{self.seed}/{number}")
        return rng.choices(self.ranks, self.chances)[0]


def rows(rank: int, ranks: Sequence[int]) -> range:
    """Return the rows, from 0, that `rank` has and the next lower of `ranks` has not: what frozen
    training changes when `rank` is drawn."""
    return range(max((lower for lower in ranks if lower < rank), default=0), rank)


def cut(rank: int, size: int, power: float) -> tuple[float, ...]:
    """Return weights of the `size` entries that leave the first `rank`, with the scale of that
    rank."""
    return tuple((size / rank) ** power if entry < rank else 0.0 for entry in range(size))


def diagonal(ranks: Sequence[int], size: int, power: float) -> tuple[float, ...]:
    """Return weights that are the sum of all cuts: entry i, from 1, has Σ c(s) over s ≥ i in
    `ranks`, with c(s) = s**-power (Modoranu et al. 2026, "MatryoshkaLoRA"). For training; a cut is
    served."""
    return tuple(
        sum((size / rank) ** power for rank in ranks if rank >= entry)
        for entry in range(1, size + 1)
    )
