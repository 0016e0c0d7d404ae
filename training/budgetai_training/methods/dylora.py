"""Every rank of a LoRA in one training: weights on what comes out of A, the same in all layers.

A forward hook on each A multiplies its output (…, R) by a vector: with that of a cut to b the layer
computes W x + alpha/b · B[:, :b] A[:b] x, on any base that stock peft can tune, 4-bit ones too.
Nothing here knows how ranks are drawn, nor what a run is.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from budgetai_training.hyperparameters import rank_weights
from budgetai_training.hyperparameters.rank_weights import Draw
from budgetai_training.methods.frozen_rows import FrozenRows
from budgetai_training.options import TrainOptions

T = TypeVar("T")

ADAPTER = "default"


class DyLoRA:
    """The ranks inside of a LoRA. `draw` before each micro-batch, `cut` before an evaluation; both
    hold until the next call. With a method that trains one rank alone both do nothing."""

    def __init__(self, model: Any, options: TrainOptions) -> None:
        self._options = options
        self._weights: torch.Tensor | None = None
        self._frozen: FrozenRows | None = None
        self.evaluated_ranks: tuple[int, ...] = ()
        if not options.nested:
            return
        self._ranks = options.trained_ranks
        self._size = self._ranks[-1]
        self._power = 0.5 if model.active_peft_config.use_rslora else 1.0
        shares = rank_weights.chances(self._ranks, options.lora.distribution, options.lora.decay)
        self._draw = Draw(self._ranks, shares, options.seed)
        self.evaluated_ranks = rank_weights.evaluated(self._ranks)
        for layer in layers(model).values():
            layer.lora_A[ADAPTER].register_forward_hook(self._weighted)
        if options.lora.frozen:
            self._frozen = FrozenRows(matrices(model))

    @property
    def passes(self) -> int:
        """Forward passes that each question of an evaluation costs."""
        return max(1, len(self.evaluated_ranks))

    def draw(self, number: int) -> None:
        """Train the rank that is drawn for the micro-batch `number`, or all by the diagonal."""
        if self._options.method == "matryoshka":
            self._weigh(rank_weights.diagonal(self._ranks, self._size, self._power))
        elif self._options.method == "dylora":
            rank = self._draw.at(number)
            self._weigh(rank_weights.cut(rank, self._size, self._power))
            if self._frozen:
                self._frozen.open(rank_weights.rows(rank, self._ranks))

    def cut(self, rank: int | None) -> None:
        """Be the LoRA of this rank; None is the largest."""
        if self.evaluated_ranks:
            self._weigh(rank_weights.cut(rank or self._size, self._size, self._power))

    def guard(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """Let a step change what was drawn alone, where that is asked for."""
        return self._frozen.guard(optimizer) if self._frozen else optimizer

    def _weigh(self, weights: Sequence[float]) -> None:
        self._weights = torch.tensor(weights)

    def _weighted(self, module: Any, inputs: Any, out: torch.Tensor) -> torch.Tensor:
        """Return out (…, R) times the weights. They stay in 32 bits: 16/3 in bf16 would be another
        scale than alpha/3."""
        if self._weights is None:
            return out
        self._weights = self._weights.to(out.device)
        return (out * self._weights).to(out.dtype)


def matrices(model: Any) -> list[tuple[torch.nn.Parameter, int]]:
    """Return every A and B of a LoRA, each with the dimension that is the rank: 0 of A, 1 of B."""
    pairs = []
    for layer in layers(model).values():
        pairs += [(layer.lora_A[ADAPTER].weight, 0), (layer.lora_B[ADAPTER].weight, 1)]
    return pairs


def layers(model: Any) -> dict[str, Any]:
    """Return every layer of peft's that holds a LoRA, by its name."""
    return {n: m for n, m in model.named_modules() if ADAPTER in getattr(m, "lora_A", ())}


def each_rank(nested: DyLoRA, measure: Callable[[], T]) -> dict[int, T]:
    """Return what `measure` gives at each evaluated rank; at the only one, under 0, where there are
    none."""
    if not nested.evaluated_ranks:
        return {0: measure()}
    by_rank = {}
    for rank in nested.evaluated_ranks:
        nested.cut(rank)
        by_rank[rank] = measure()
    return by_rank
