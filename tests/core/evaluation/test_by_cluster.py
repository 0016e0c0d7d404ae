"""Intervals that resample whole commits."""

import math
import random

import pytest

from budgetai_core.evaluation.metrics import by_cluster


def test_lines_that_go_together_say_less_than_their_number() -> None:
    rng = random.Random(0)
    rights = [float(rng.random() < 0.4) for _ in range(60)]
    alone = by_cluster(rights, [str(number) for number in range(60)])
    copied = by_cluster(rights * 5, [str(number) for number in range(60)] * 5)
    assert copied.mean == pytest.approx(alone.mean)
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low)
    assert 0.15 < alone.high - alone.low < 0.35
    assert alone.low < alone.mean < alone.high


def test_the_interval_holds_the_truth_nineteen_times_in_twenty() -> None:
    rng = random.Random(1)
    held = 0
    for _ in range(200):
        rows = [(float(rng.random() < 0.3), str(commit)) for commit in range(40) for _ in range(3)]
        interval = by_cluster(*map(list, zip(*rows, strict=True)))
        held += interval.low <= 0.3 <= interval.high
    assert 180 <= held <= 199


def test_a_weight_counts_as_that_many_values() -> None:
    assert by_cluster([1.0, 0.0], ["a", "b"], [3.0, 1.0]).mean == 0.75


def test_of_one_commit_nothing_is_known() -> None:
    only = by_cluster([1.0, 0.0], ["a", "a"])
    assert (only.mean, only.low, only.high) == (0.5, -math.inf, math.inf)
    assert math.isnan(by_cluster([], []).mean)
