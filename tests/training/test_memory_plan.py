"""The memory plan gives up what is cheapest first, and says so."""

from dataclasses import replace

import pytest

from budgetai_core.errors import BaseError
from budgetai_training.memory_plan import Shape, plan

# Qwen2.5-Coder-0.5B.
SHAPE = Shape(
    parameters=494_000_000, embeddings=136_000_000, trained=8_800_000, layers=24, width=896,
    inner=4864, vocabulary=151_936,
)  # fmt: skip
GB = 10**9


def test_with_enough_memory_nothing_is_given_up() -> None:
    chosen = plan(SHAPE, "bf16", 1024, 16 * GB, fixed=False)
    assert (chosen.load_in, chosen.window, chosen.checkpointing) == ("bf16", 1024, False)
    assert chosen.notes == ()
    assert 3 * GB < chosen.predicted < 4 * GB


def test_with_less_precision_goes_first_then_length_then_time() -> None:
    whole = plan(SHAPE, "bf16", 1024, 16 * GB, fixed=False).predicted
    seen = []
    for available in range(int(whole / 0.9), 2 * GB, -(10**8)):
        try:
            chosen = plan(SHAPE, "bf16", 1024, available, fixed=False)
        except BaseError:
            break
        assert chosen.predicted <= 0.9 * available
        if chosen.notes not in seen:
            seen.append(chosen.notes)
    assert all(notes == STEPS[: len(notes)] for notes in seen)
    assert [len(notes) for notes in seen] == sorted(len(notes) for notes in seen)
    assert len(seen) >= 3


STEPS = ("base in 4 bit", "shorter samples", "activations computed twice", "still shorter samples")


def test_fewer_samples_at_once_come_before_everything_else() -> None:
    four = plan(SHAPE, "bf16", 1024, 100 * GB, fixed=False, batch=4)
    assert four.batch == 4 and four.predicted > 6 * GB
    less = plan(SHAPE, "bf16", 1024, int(four.predicted / 0.9) - GB, fixed=False, batch=4)
    assert (less.batch, less.load_in, less.notes) == (2, "bf16", ())
    # As many count in a step.
    assert (four.accumulate, less.accumulate) == (1, 2)


def test_on_a_gpu_peaks_are_those_that_were_measured() -> None:
    """GB on an H100: Qwen 0.5B with its head apart, SmolLM2-135M; one, two or four at once."""
    qwen = replace(SHAPE, parameters=630_000_000, embeddings=272_000_000)
    smol = Shape(
        parameters=134_500_000, embeddings=28_300_000, trained=4_900_000, layers=30, width=576,
        inner=1536, vocabulary=49_152,
    )  # fmt: skip
    for shape, batch, low, high in (
        (qwen, 1, 2.9, 3.0), (qwen, 2, 4.4, 5.0), (smol, 1, 1.3, 1.4), (smol, 4, 4.4, 4.5),
    ):  # fmt: skip
        chosen = plan(shape, "bf16", 1200, 80 * GB, fixed=True, batch=batch, gpu=True)
        assert low * GB < chosen.predicted < 1.4 * high * GB


def test_a_precision_that_was_asked_for_is_kept() -> None:
    whole = plan(SHAPE, "bf16", 1024, 16 * GB, fixed=True).predicted
    chosen = plan(SHAPE, "bf16", 1024, int(whole / 0.9) - GB, fixed=True)
    assert chosen.load_in == "bf16"
    assert "shorter samples" in chosen.notes


def test_where_nothing_fits_the_error_names_both_numbers() -> None:
    with pytest.raises(BaseError, match=r"needs about [\d.]+ GB of memory, 0\.5 GB are free"):
        plan(SHAPE, "bf16", 1024, GB // 2, fixed=False)
