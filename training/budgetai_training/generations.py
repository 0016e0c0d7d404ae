"""What the base and the tuned model write at a few held-out places, in the time kept for it."""

import math

from budgetai_training.evaluation import docstring_generations, line_generations
from budgetai_training.interruption import Interruption
from budgetai_training.options import FULL, NONE, QUICK
from budgetai_training.report.schema import Completion, Drafts
from budgetai_training.samples.docstring_samples import sample
from budgetai_training.setup import Run

# How many, by what --evaluate says.
COUNTS = {NONE: 0, QUICK: 10, FULL: 24}
# Share of the budget.
SHARE = 0.03
# Kept for saving, at the end of all.
SAVING_SECONDS = 4.0


def completed(run: Run, interruption: Interruption) -> tuple[Completion, ...]:
    """Held-out lines side by side; some are better than a budget overdrawn."""
    if run.pairs:
        return ()
    lines = [hole for hole in run.exam.holes if hole.kind in ("line", "end")]
    seconds = _seconds(run)
    with run.stages.stage("completing"), run.report.busy("completing held-out lines"):
        return line_generations.side_by_side(
            run.model, run.loaded.tokenizer, run.encoder, lines[: _count(run)],
            seconds, interruption.asked,
        )  # fmt: skip


def drafted(run: Run, interruption: Interruption) -> tuple[Drafts, ...]:
    """Held-out docstrings side by side, in the same time."""
    if not run.pairs:
        return ()
    pairs = run.exam.pairs[: _count(run)]
    shown = [(pair, sample(pair)) for pair in pairs]
    seconds = _seconds(run)
    with run.stages.stage("writing docstrings"), run.report.busy("writing held-out docstrings"):
        return docstring_generations.side_by_side(
            run.model, run.loaded.tokenizer, run.encoder, shown, seconds, interruption.asked
        )


def _count(run: Run) -> int:
    return COUNTS[run.options.evaluate]


def _seconds(run: Run) -> float:
    if run.options.evaluate == FULL:
        return math.inf
    left = run.clock.left() + run.clock.reserve - SAVING_SECONDS
    return min(SHARE * run.clock.budget, left)
