"""Who is refused, and how often by mistake: simulated lines, five of a commit."""

from dataclasses import replace
from random import Random

import pytest

from budgetai_core.evaluation.metrics import Score
from budgetai_core.evaluation.not_worse import (
    Difference,
    StaleNames,
    difference,
    stale_names,
)

# Of histories in Python, TypeScript and Go: how many lines an untuned model brings back, and how
# many another model of its kind answers otherwise.
_RIGHT, _OTHERWISE = 0.25, 0.10


def answers(rng: Random, lines: int, fewer: float) -> list[tuple[str, float, float, float, float]]:
    """Commit, exact and similarity of the old model, and of the new one, which brings back `fewer`
    of all lines, and is less similar by seven tenths of that, as it was between real models."""
    rows = []
    for number in range(lines):
        if number % 5 == 0:
            ease = rng.betavariate(2, 2 / _RIGHT - 2)
        right = rng.random() < ease
        lost = (_OTHERWISE / 2 + fewer) / _RIGHT
        kept = rng.random() >= lost if right else rng.random() < _OTHERWISE / 2 / (1 - _RIGHT)
        # What is wrong is so by more or less, and said in the same words by both as a rule.
        near = rng.betavariate(2, 2.5)
        moved = rng.betavariate(2, 2.5) if rng.random() < 0.3 else near
        moved = max(0.0, moved - 0.2 * fewer / (1 - _RIGHT))
        rows.append(
            (str(number // 5), float(right), 1.0 if right else near,
             float(kept), 1.0 if kept else moved)
        )  # fmt: skip
    return rows


def refused(seed: int, lines: int, fewer: float) -> bool:
    commits, right, similar, right_after, similar_after = map(
        list, zip(*answers(Random(seed), lines, fewer), strict=True)
    )
    # A line that is right takes one key; of others, some words are taken.
    saved, saved_after = ([max(0.0, 1.8 * s - 0.9) for s in of] for of in (similar, similar_after))
    measures = (
        difference("exact lines", right, right_after, commits),
        difference("edit similarity", similar, similar_after, commits),
        difference("keystrokes saved", saved, saved_after, commits),
    )
    return any(measure.is_worse for measure in measures)


def share_refused(lines: int, fewer: float, runs: int) -> float:
    return sum(refused(seed, lines, fewer) for seed in range(runs)) / runs


@pytest.mark.parametrize("lines", [100, 400])
def test_a_model_that_is_as_good_passes_nearly_always(lines: int) -> None:
    assert share_refused(lines, 0.0, 60) <= 0.15


def test_one_that_is_five_points_worse_is_refused_nine_times_in_ten() -> None:
    """In 92 % of 300 runs; these are fewer."""
    assert share_refused(400, 0.05, 60) >= 0.85


def test_a_hundred_lines_tell_of_ten_points_and_hardly_of_five() -> None:
    assert share_refused(100, 0.10, 40) >= 0.7
    assert share_refused(100, 0.05, 40) <= 0.6


def test_one_that_is_better_is_never_refused() -> None:
    assert share_refused(200, -0.05, 30) == 0


def apart(mean: float, high: float) -> Difference:
    return Difference(measure="m", before=0.5, after=0.5 + mean, change=Score(mean, -1, high))


def test_within_the_margin_nothing_is_worse() -> None:
    assert not apart(-0.019, -0.001).is_worse
    assert apart(-0.02, -0.001).is_worse
    # The 95 % interval has two sides: on one alone, 95 % end sooner.
    assert apart(-0.2, 0.02).is_worse and not apart(-0.2, 0.05).is_worse
    assert str(apart(-0.2, 0.001)) == "m 0.500 -> 0.300, -0.200 [-1.000, +0.001]"


def test_few_commits_tell_less() -> None:
    of = replace(apart(-0.2, 0.02), commits=6)
    assert not of.is_worse
    assert replace(of, commits=60).is_worse


def test_weights_count() -> None:
    of = difference("m", [1.0, 0.0], [0.0, 0.0], ["a", "b"], [3.0, 1.0])
    assert (of.before, of.after, of.change.mean) == (0.75, 0.0, -0.75)
    assert not difference("m", [], [], []).is_worse


def test_names_that_are_gone() -> None:
    said = stale_names([True, False, False, False], [True, True, False, False])
    assert said == StaleNames(before=1, after=2, only_before=0, only_after=1)
    assert not said.is_worse
    assert not StaleNames(before=0, after=4, only_before=0, only_after=4).is_worse
    assert StaleNames(before=0, after=5, only_before=0, only_after=5).is_worse
    assert not StaleNames(before=6, after=0, only_before=6, only_after=0).is_worse
    assert not StaleNames(before=4, after=9, only_before=4, only_after=9).is_worse
    assert str(said) == "names that are gone said at 1 -> 2 lines"
