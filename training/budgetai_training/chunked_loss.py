"""The language-model head and its loss: where there is a label, and a few rows at a time.

A small model with a large vocabulary spends a quarter of its time and most of its memory in the
head. So the model runs without it and gives hidden states at labelled places; this module
multiplies them with the head in chunks and keeps their gradient instead of the logits.

Idea: Wijmans et al. 2024, "Cut Your Losses in Large-Vocabulary Language Models", and the fused
linear cross entropies of GPU kernels; here with plain matrix products, for any device.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

# 128 rows of 152,000 logits in 32 bits are 78 MB; more rows were no faster (SmolLM2, two cores).
CHUNK = 128
# Smaller probabilities enter the gradient together, as if spread evenly. On code the gradient then
# differs by 1.6 %; rounding to bf16 alone makes about 1 %.
NEGLIGIBLE = 2.0**-16


@dataclass(frozen=True)
class Head:
    """Output embeddings (V, d) that are not trained, and their mean (d,)."""

    weight: torch.Tensor
    mean: torch.Tensor


@contextmanager
def headless(model: Any) -> Iterator[Head]:
    """Let `model` give hidden states where it gave logits, and yield its head.

    A scale that a model puts on its logits still applies, since the head is linear.
    """
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    head = inner.get_output_embeddings()
    weight = head.weight.detach()
    inner.set_output_embeddings(torch.nn.Identity())
    try:
        yield Head(weight, _mean(weight))
    finally:
        inner.set_output_embeddings(head)


def _mean(weight: torch.Tensor) -> torch.Tensor:
    """Return the mean row (d,), taken in parts: a 32-bit copy of a large vocabulary would be the
    peak of the whole run."""
    total = torch.zeros(weight.shape[1], dtype=torch.float32, device=weight.device)
    for start in range(0, len(weight), 4096):
        total += weight[start : start + 4096].sum(dim=0, dtype=torch.float32)
    return (total / len(weight)).to(weight.dtype)


def arithmetic(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    """Multiply in bf16 where the base's head is, the fp32 adapter too: in training, and wherever
    the tuned model is asked."""
    if dtype == torch.bfloat16:
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def hidden_at_labels(model: Any, batch: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return hidden states (n, d) at the places that have to foretell a label, and the labels (n,),
    row by row. `model` is headless.

    No attention mask is needed: rows are padded on the right, where no place looks. With one,
    slower kernels are taken, and cuDNN's can give gradients that are not numbers for Qwen2.5 on an
    H100 (pytorch issue 196678); runs that became NaN there had one.
    """
    labels = batch["labels"][:, 1:]  # (batch, length - 1)
    columns = (labels >= 0).any(dim=0).nonzero().squeeze(1)  # places labelled in any row
    hidden = model(
        input_ids=batch["input_ids"],
        logits_to_keep=columns,
    ).logits
    wanted = labels[:, columns]
    return hidden[wanted >= 0], wanted[wanted >= 0]


def weights_at_labels(batch: dict[str, Any]) -> torch.Tensor:
    """Return how much each of those labels counts (n,), in the same order."""
    weights: torch.Tensor = batch["weights"][:, 1:][batch["labels"][:, 1:] >= 0]
    return weights


def losses(hidden: torch.Tensor, head: Head, labels: torch.Tensor) -> torch.Tensor:
    """Return cross entropies (n,) in nats at n places: hidden (n, d), labels (n,)."""
    entropies: torch.Tensor = _CrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, head, labels
    )
    return entropies


class _CrossEntropy(torch.autograd.Function):
    """-log softmax(hidden · weightᵀ)[label] of each row."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, head: Head, labels: torch.Tensor) -> torch.Tensor:
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        entropies = []
        for start in range(0, len(hidden), CHUNK):
            rows = slice(start, start + CHUNK)
            logits = (hidden[rows].to(head.weight.dtype) @ head.weight.t()).float()  # (chunk, V)
            logits.sub_(logits.amax(dim=1, keepdim=True))
            right = logits.gather(1, labels[rows, None])
            chances = logits.exp_()
            sums = chances.sum(dim=1, keepdim=True)
            entropies.append((sums.log() - right).squeeze(1))
            if gradient is not None:
                gradient[rows] = _gradient(chances.div_(sums), head, labels[rows]).to(hidden.dtype)
        ctx.save_for_backward(gradient)
        return torch.cat(entropies) if entropies else hidden.new_zeros(0, dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0][:, None].to(gradient.dtype), None, None


def _gradient(chances: torch.Tensor, head: Head, labels: torch.Tensor) -> torch.Tensor:
    """Return (softmax - one-hot) · weight, for chances (chunk, V): exact in the columns that weigh
    anything, and with the mean embedding for the rest of the probability."""
    heavy = (chances.amax(dim=0) > NEGLIGIBLE).nonzero().squeeze(1)
    columns = torch.unique(torch.cat([heavy, labels]))
    kept = chances[:, columns]
    rest = 1 - kept.sum(dim=1, keepdim=True)
    places = torch.searchsorted(columns, labels)[:, None]
    kept.scatter_add_(1, places, torch.full_like(rest, -1.0))
    dtype = head.weight.dtype
    return kept.to(dtype) @ head.weight[columns] + rest.to(dtype) * head.mean
