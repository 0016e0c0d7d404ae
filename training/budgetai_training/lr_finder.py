"""The learning rate: from the base's size, or by a few short tries where time allows."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from budgetai_training.report.schema import RateTry

# Tried as factors on the usual rate. The best rate of a LoRA hardly depends on its variant, and
# matters more than it (Schulman et al. 2025, "LoRA Without Regret").
FACTORS = (0.5, 1.0, 2.0)
STEPS = 8


def default_rate(parameters: int) -> float:
    """The peak rate for LoRA on a base of this size; smaller models take larger ones.

    After 20 steps of SmolLM2-135M 5e-4, 1e-3, 2e-3 and 4e-3 led from 1.469 to 1.408, 1.386, 1.377
    and 1.421; after 12 of Qwen 0.5B 3e-4, 1e-3 and 2e-3 led to 0.749, 0.741 and 0.808. The longer
    a run, the lower its best rate.
    """
    return 1e-3 if parameters < 300e6 else 5e-4


def tries(
    model: Any,
    rates: Sequence[float],
    step: Callable[[torch.optim.Optimizer, int], None],
    optimizer: Callable[[float], torch.optim.Optimizer],
    judge: Callable[[], float],
) -> tuple[RateTry, ...]:
    """Train STEPS steps with each rate from the same start, and judge; the model ends as it began.

    `step(optimizer, n)` makes the n-th step on the same samples for each rate.
    """
    start = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    found = []
    for rate in rates:
        chosen = optimizer(rate)
        for number in range(STEPS):
            for group in chosen.param_groups:
                # A short warm-up, or the first steps of Adam would decide.
                group["lr"] = rate * min(1.0, (number + 1) / (STEPS // 2))
            step(chosen, number)
        found.append(judge())
        _restore(model, start)
    # A rate that ends in NaN has failed.
    best = min(range(len(found)), key=lambda i: found[i] if math.isfinite(found[i]) else math.inf)
    return tuple(
        RateTry(rate=rate, loss=loss, chosen=i == best)
        for i, (rate, loss) in enumerate(zip(rates, found, strict=True))
    )


@torch.no_grad()
def _restore(model: Any, start: dict[str, torch.Tensor]) -> None:
    for name, parameter in model.named_parameters():
        if name in start:
            parameter.copy_(start[name])
    model.zero_grad(set_to_none=True)
