"""What the Trainer is given for one run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from budgetai_training import chunked_loss
from budgetai_training.interruption import Interruption, Watcher
from budgetai_training.methods.dylora import DyLoRA
from budgetai_training.options import TrainOptions
from budgetai_training.time_budget import Pace


@dataclass(frozen=True, kw_only=True)
class FitArguments:
    """What a run is fitted with; `rate` is the peak, `accumulate` counts micro-batches a step,
    `evaluations` is how often `validate` is asked on the way for losses by rank. `mixed` multiplies
    in bf16 whatever the weights are kept in, `pad` is a token id."""

    options: TrainOptions
    folder: Path
    optimizer: torch.optim.Optimizer
    accumulate: int
    evaluations: int
    validate: Callable[[chunked_loss.Head], dict[int, float]]
    nested: DyLoRA
    mixed: bool
    pad: int
    pace: Pace
    interruption: Interruption
    watcher: Watcher
    checkpoint: Path | None
