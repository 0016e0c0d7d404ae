"""Time as the budget."""

import pytest

from budgetai_core.errors import OptionError
from budgetai_core.options import Seconds
from budgetai_training.time_budget import FINAL_RATE, Clock, Pace, rate_factor


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("1h30m", 5400), ("1.5h", 5400), ("2m5s", 125)],
)
def test_lengths_of_time(text: str, seconds: int) -> None:
    assert float(Seconds.parse(text)) == seconds
    assert float(Seconds.parse(str(Seconds(seconds)))) == seconds


@pytest.mark.parametrize("text", ["", "soon", "m", "5 minutes", "-5m"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(OptionError, match="15m"):
        Seconds.parse(text)


def test_the_clock_keeps_a_reserve_and_counts_what_was_spent_before() -> None:
    now = [100.0]
    clock = Clock(60, 100, spent_before=10, reserve=5, training_from=20, now=lambda: now[0])
    assert (clock.spent(), clock.left(), clock.progress()) == (10, 45, 0)
    now[0] = 127.5
    assert (clock.spent(), clock.left()) == (37.5, 17.5)
    assert clock.progress() == 0.5
    clock.granted = 17.5
    assert clock.left() == 35
    assert clock.progress() == pytest.approx(17.5 / 52.5)
    now[0] = 1000
    assert clock.progress() == 1


def test_the_rate_warms_up_and_falls_to_the_end() -> None:
    factors = [rate_factor(n / 1000) for n in range(1001)]
    peak = factors.index(max(factors))
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert max(factors) == pytest.approx(1)
    assert factors[-1] == pytest.approx(FINAL_RATE)


def test_with_a_number_of_steps_the_clock_does_not_count() -> None:
    late = Clock(60, 0, now=lambda: 59.0)
    assert Pace(late, max_steps=10, all_steps=100).now(5) == 0.5
    assert Pace(late, max_steps=0, all_steps=100).now(5) == pytest.approx(59 / 60)


def test_where_samples_end_before_the_time_the_rate_falls_with_them() -> None:
    early = Clock(600, 0, now=lambda: 6.0)
    assert Pace(early, max_steps=0, all_steps=10).now(8) == 0.8
    assert Pace(early, max_steps=100, all_steps=10).now(8) == 0.8
    assert Pace(early, max_steps=0, all_steps=10, progress=0.75).left() == pytest.approx(2)
    assert Pace(early, max_steps=0, all_steps=10).left() == pytest.approx(594)
