"""Which ranks are trained, how often, what weighs what, and which is enough. No model."""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from budgetai_core.errors import OptionError
from budgetai_training.hyperparameters import rank_selection, rank_weights
from budgetai_training.hyperparameters.lora import Lora
from budgetai_training.hyperparameters.rank_selection import Tolerance
from budgetai_training.hyperparameters.rank_weights import Draw
from budgetai_training.options import TrainOptions


@dataclass(frozen=True)
class Answer:
    total: float
    tokens: int = 10


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"method": "dylora", "rank": 5}, (1, 2, 4, 5)),
        ({"method": "dylora", "rank": 5, "lora": Lora(ranks="1-5")}, (1, 2, 3, 4, 5)),
        ({"method": "dylora", "lora": Lora(ranks="8,1,4,2")}, (1, 2, 4, 8)),
        ({"method": "dylora", "lora": Lora(ranks="4-7")}, (4, 5, 6, 7)),
        ({"method": "matryoshka"}, (1, 2, 4, 8, 16)),
        ({"method": "matryoshka", "rank": 12}, (1, 2, 4, 8, 12)),
        ({"method": "matryoshka", "rank": 1}, (1,)),
        ({"rank": 12}, (12,)),
    ],
)
def test_which_ranks_are_trained(given: dict[str, Any], expected: tuple[int, ...]) -> None:
    assert TrainOptions(**given).trained_ranks == expected


@pytest.mark.parametrize(
    ("method", "text", "words"),
    [
        ("dylora", "ranks=0-3", "--lora ranks=0-3"),
        ("dylora", "ranks=4-2", "--lora ranks=4-2"),
        ("dylora", "ranks=1-32", "--rank 32"),
        ("dylora", "dora=on", "--lora dora=on"),
        ("lora", "ranks=1,2", "--lora ranks means nothing to --method lora. Add --method dylora"),
        ("matryoshka", "frozen=on", "--method matryoshka"),
        ("full", "alpha=2", "--lora alpha means nothing to --method full"),
    ],
)
def test_what_makes_no_sense_is_said_at_once(method: str, text: str, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        TrainOptions(method=method, lora=Lora.parse(text))
    assert words in f"{caught.value}"


@pytest.mark.parametrize(
    ("distribution", "decay", "given"),
    [
        ("uniform", 0.15, tuple(range(1, 17))),
        ("geometric", 0.15, tuple(range(1, 17))),
        ("geometric", 0.4, (1, 2, 4, 8)),
    ],
)
def test_draws_follow_their_distribution(
    distribution: str, decay: float, given: tuple[int, ...]
) -> None:
    """Pearson's chi-square; its mean is the degrees of freedom, with standard deviation √(2·df)."""
    draw = Draw(given, rank_weights.chances(given, distribution, decay), seed=3)
    count = 6000
    seen = Counter(draw.at(number) for number in range(count))
    expected = [count * chance for chance in draw.chances]
    chi = sum((seen[b] - e) ** 2 / e for b, e in zip(given, expected, strict=True))
    freedom = len(given) - 1
    assert chi < freedom + 3 * math.sqrt(2 * freedom)
    assert sum(seen.values()) == sum(seen[b] for b in given)


def test_geometric_chances_are_cut_off_and_sum_to_one() -> None:
    shares = rank_weights.chances((1, 2, 3), "geometric", 0.5)
    assert shares == pytest.approx((4 / 7, 2 / 7, 1 / 7))


def test_a_draw_depends_on_seed_and_number_alone() -> None:
    made = [Draw((1, 2, 3, 4), (0.25,) * 4, seed) for seed in (0, 0, 1)]
    drawn = [[draw.at(n) for n in range(50)] for draw in made]
    backwards = [made[0].at(n) for n in reversed(range(50))]
    assert drawn[0] == drawn[1] == backwards[::-1] != drawn[2]


def test_frozen_rows_of_a_subset_leave_no_row_untrained() -> None:
    assert [list(rank_weights.rows(b, (1, 2, 4, 8))) for b in (1, 2, 4, 8)] == [
        [0], [1], [2, 3], [4, 5, 6, 7],
    ]  # fmt: skip
    assert list(rank_weights.rows(5, range(1, 17))) == [4]
    assert list(rank_weights.rows(4, (4, 5))) == [0, 1, 2, 3]


def test_the_diagonal_of_matryoshka() -> None:
    """P_i is the sum of c(s) over the ranks s from i on; here relative to c(4)."""
    assert rank_weights.diagonal((1, 2, 4), 4, 1.0) == pytest.approx(
        [4 * (1 + 1 / 2 + 1 / 4), 4 * (1 / 2 + 1 / 4), 1, 1]
    )
    root = [1 + 2**-0.5 + 0.5, 2**-0.5 + 0.5, 0.5, 0.5]
    assert rank_weights.diagonal((1, 2, 4), 4, 0.5) == pytest.approx([2 * p for p in root])
    sums = [
        sum(column)
        for column in zip(*(rank_weights.cut(b, 4, 1.0) for b in (1, 2, 4)), strict=True)
    ]
    assert rank_weights.diagonal((1, 2, 4), 4, 1.0) == pytest.approx(sums)


def test_few_ranks_are_evaluated() -> None:
    assert rank_weights.evaluated(range(1, 17)) == (1, 2, 4, 8, 16)
    assert rank_weights.evaluated(range(3, 13)) == (3, 4, 8, 12)
    assert rank_weights.evaluated((3, 5, 6)) == (3, 5, 6)


LOSSES = {1: 2.4, 2: 2.09, 4: 2.015, 8: 2.0, 16: 2.01}


@pytest.mark.parametrize(
    ("tolerance", "rank"), [("1%", 4), ("0%", 8), ("5%", 2), ("20%", 1), ("0.4%", 8)]
)
def test_the_smallest_rank_within_the_tolerance_is_chosen(tolerance: str, rank: int) -> None:
    shares = {b: [Answer(10 * loss), Answer(10 * loss)] for b, loss in LOSSES.items()}
    assert rank_selection.select_rank(shares, Tolerance.parse(tolerance)) == rank


def test_a_standard_error_is_that_of_pairs() -> None:
    """Hard questions are hard at every rank: that is not an error of the difference."""
    hard = [Answer(5.0), Answer(50.0), Answer(20.0)]
    shifted = [Answer(answer.total + 1.0) for answer in hard]
    assert rank_selection.standard_error(shifted, hard) == pytest.approx(0.0, abs=1e-12)
    assert rank_selection.select_rank({1: shifted, 2: hard}, Tolerance.parse("se")) == 2
    mixed = [Answer(5.0 + 3), Answer(50.0 - 3), Answer(20.0 + 1)]
    # Differences per token .3, -.3, .1: their standard deviation over the root of three.
    assert rank_selection.standard_error(mixed, hard) == pytest.approx(0.3055 / 3**0.5, abs=1e-4)
    assert rank_selection.select_rank({1: mixed, 2: hard}, Tolerance.parse("se")) == 1


def test_no_rank_is_chosen_where_nothing_was_measured() -> None:
    assert rank_selection.select_rank({}, Tolerance(0.01)) is None
    assert rank_selection.select_rank({1: [], 2: [Answer(math.nan)]}, Tolerance(0.01)) is None
    assert (
        rank_selection.select_rank({1: [Answer(math.nan)], 2: [Answer(3.0)]}, Tolerance(0.01)) == 2
    )
