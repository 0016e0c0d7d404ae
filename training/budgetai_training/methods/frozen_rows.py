"""Steps that change a few rows of some matrices, and leave all others as they were, bit by bit.

Masked gradients are not enough: weight decay, and the momentum of earlier steps, would still move
the other rows. So they are put back after each step, and the optimizer's moments with them.

Adam's count of steps stays that of the whole matrix, and its correction for young moments with it:
a row that is drawn for the first time late in a run moves about three times as far as it would in
the run's first step.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch

Matrix = tuple[torch.nn.Parameter, int]


class FrozenRows:
    """Parameters, each with the dimension whose indices are opened."""

    def __init__(self, matrices: Sequence[Matrix]) -> None:
        self._matrices = matrices
        self._now: tuple[int, ...] = ()
        self._opened: set[int] = set()
        self._before: list[tuple[torch.Tensor, dict[str, torch.Tensor]]] = []
        for parameter, dimension in matrices:
            parameter.register_hook(lambda grad, dim=dimension: self._masked(grad, dim))

    def open(self, rows: Iterable[int]) -> None:
        """Let these rows alone get gradients from now on; the next step may change them, and those
        opened since the last one."""
        self._now = tuple(rows)
        self._opened.update(self._now)

    def guard(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """Return the same optimizer, whose steps change opened rows alone."""
        optimizer.register_step_pre_hook(lambda *_: self._keep(optimizer))
        optimizer.register_step_post_hook(lambda *_: self._put_back(optimizer))
        return optimizer

    def _masked(self, grad: torch.Tensor, dimension: int) -> torch.Tensor:
        open_rows = torch.tensor(self._now, device=grad.device)
        mask = torch.zeros(grad.shape[dimension], dtype=grad.dtype, device=grad.device)
        return grad * mask.index_fill_(0, open_rows, 1.0).unsqueeze(1 - dimension)

    def _keep(self, optimizer: Any) -> None:
        self._before = [
            (parameter.detach().clone(), _moments(optimizer, parameter))
            for parameter, _ in self._matrices
        ]

    @torch.no_grad()
    def _put_back(self, optimizer: Any) -> None:
        for (parameter, dimension), (value, moments) in zip(
            self._matrices, self._before, strict=True
        ):
            closed = [n for n in range(parameter.shape[dimension]) if n not in self._opened]
            rows = torch.tensor(closed, dtype=torch.int64, device=parameter.device)
            _copy(parameter, value, dimension, rows)
            for name, moment in _moments(optimizer, parameter, copy=False).items():
                # Moments that were not there yet had been zero.
                _copy(moment, moments.get(name, torch.zeros_like(moment)), dimension, rows)
        self._opened, self._before = set(), []


def _moments(optimizer: Any, parameter: Any, *, copy: bool = True) -> dict[str, torch.Tensor]:
    """Return what the optimizer keeps for each value of a parameter."""
    state = optimizer.state.get(parameter, {})
    return {
        name: kept.clone() if copy else kept
        for name, kept in state.items()
        if isinstance(kept, torch.Tensor) and kept.shape == parameter.shape
    }


def _copy(target: torch.Tensor, source: torch.Tensor, dimension: int, rows: torch.Tensor) -> None:
    target.index_copy_(dimension, rows, source.index_select(dimension, rows))
