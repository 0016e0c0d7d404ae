"""Ratios of two conditions on the same places, with 95 % intervals."""

from collections.abc import Hashable, Sequence

import numpy as np

from budgetai_core.evaluation.metrics import Score

_DRAWS = 10_000


def ratio(
    values: Sequence[float], base: Sequence[float], groups: Sequence[Hashable], seed: int = 0
) -> Score:
    """The sum of `values` over that of `base`, pair by pair of the same place.

    The interval is a percentile bootstrap (Efron 1979) that draws whole groups, here files:
    places of one file are alike. NaN where the base has nothing.
    """
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    sums = np.zeros((2, max(len(numbers), 1)))
    for group, value, other in zip(groups, values, base, strict=True):
        sums[:, numbers[group]] += value, other
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(sums.shape[1], np.full(sums.shape[1], 1 / sums.shape[1]), _DRAWS)
    above, below = weights @ sums[0], weights @ sums[1]
    drawn = above[below > 0] / below[below > 0]
    if not drawn.size or not sums[1].sum():
        return Score(np.nan, np.nan, np.nan)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Score(float(sums[0].sum() / sums[1].sum()), float(low), float(high))
