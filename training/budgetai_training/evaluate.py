"""Held-out loss: how well the model foretells code it has never seen, in nats per token."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from budgetai_training.dataset import Encoded, collate


@torch.no_grad()
def summed_loss(model: Any, sample: Encoded) -> tuple[float, int]:
    """Sum of the cross entropies over the labelled tokens of one sample, and their number."""
    batch = {key: value.to(model.device) for key, value in collate([sample]).items()}
    labels = batch.pop("labels")[:, 1:]
    learned = labels[0] >= 0
    # The head is the dearest layer of a small model: it is asked for at labelled places only.
    places = learned.nonzero().squeeze(1)
    logits = model(**batch, logits_to_keep=places).logits[0].float()
    loss = torch.nn.functional.cross_entropy(logits, labels[0, places], reduction="sum")
    return float(loss), int(learned.sum())


def held_out_loss(
    model: Any,
    samples: Sequence[Encoded],
    seconds: float = math.inf,
    tick: Callable[[int], None] = lambda done: None,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[float, int]:
    """Mean loss per token over as many samples as fit into `seconds`, at least one of them, or
    until `stop` becomes true.

    Returns the loss and the number of samples used, so that a later call can use the same.
    """
    model.eval()
    started = time.monotonic()
    total, tokens, used = 0.0, 0, 0
    for sample in samples:
        if stop():
            break
        loss, count = summed_loss(model, sample)
        total, tokens, used = total + loss, tokens + count, used + 1
        tick(used)
        if time.monotonic() - started > seconds:
            break
    return total / max(tokens, 1), used
