"""The memory plan gives up what is cheapest first, and says so."""

import pytest

from budgetai_server.errors import BaseError
from budgetai_training.memory import Shape, plan

# Qwen2.5-Coder-0.5B.
SHAPE = Shape(
    parameters=494_000_000, embeddings=136_000_000, trained=8_800_000, layers=24, width=896,
    inner=4864, vocabulary=151_936,
)  # fmt: skip
GB = 10**9


def test_with_enough_memory_nothing_is_given_up() -> None:
    found = plan(SHAPE, "bf16", 1024, 16 * GB, fixed=False)
    assert (found.load_in, found.window, found.checkpointing) == ("bf16", 1024, False)
    assert found.notes == ()
    assert 4 * GB < found.predicted < 8 * GB


def test_with_less_precision_goes_first_then_length_then_time() -> None:
    whole = plan(SHAPE, "bf16", 1024, 16 * GB, fixed=False).predicted
    seen = []
    for available in range(int(whole / 0.9), 2 * GB, -(10**8)):
        try:
            found = plan(SHAPE, "bf16", 1024, available, fixed=False)
        except BaseError:
            break
        assert found.predicted <= 0.9 * available
        if found.notes not in seen:
            seen.append(found.notes)
    assert all(notes == STEPS[: len(notes)] for notes in seen)
    assert [len(notes) for notes in seen] == sorted(len(notes) for notes in seen)
    assert len(seen) >= 3


STEPS = ("base in 4 bit", "shorter samples", "activations computed twice", "still shorter samples")


def test_fewer_samples_at_once_come_before_everything_else() -> None:
    four = plan(SHAPE, "bf16", 1024, 100 * GB, fixed=False, batch=4)
    assert four.batch == 4 and four.predicted > 10 * GB
    less = plan(SHAPE, "bf16", 1024, int(four.predicted / 0.9) - GB, fixed=False, batch=4)
    assert (less.batch, less.load_in, less.notes) == (2, "bf16", ())


def test_a_precision_that_was_asked_for_is_kept() -> None:
    whole = plan(SHAPE, "bf16", 1024, 16 * GB, fixed=True).predicted
    found = plan(SHAPE, "bf16", 1024, int(whole / 0.9) - GB, fixed=True)
    assert found.load_in == "bf16"
    assert "shorter samples" in found.notes


def test_where_nothing_fits_the_error_names_both_numbers() -> None:
    with pytest.raises(BaseError, match=r"needs about [\d.]+ GB of memory, 0\.5 GB are free"):
        plan(SHAPE, "bf16", 1024, GB // 2, fixed=False)
