"""Blocks of a transformer that keep less for the backward pass.

As transformers writes them, a norm keeps its input twice over in 32 bits, and a gated MLP four
vectors of its inner width a token, which are most of what a training step keeps. Here a norm keeps
its input alone, and an MLP the two that come out of products with weights, in 16 bits whatever it
computes in; the others are made again from those, which costs no product. Forward passes are the
same to the bit.

Idea: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", for what is cheap alone, as
the fused kernels for GPUs do.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import silu

_ROWS = 64


def make_lean(model: nn.Module, *, checkpointing: bool = False) -> None:
    """Replace the norms and gated MLPs of a base by lean ones with the same weights. Where whole
    blocks are computed twice (`checkpointing`), nothing inside of one is kept in any case."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if _is_rms_norm(child):
                setattr(parent, name, LeanRMSNorm(child))
            elif _is_gated_mlp(child):
                setattr(parent, name, LeanGatedMLP(child, remake=not checkpointing))


def _is_rms_norm(module: Any) -> bool:
    return type(module).__name__.endswith("RMSNorm") and hasattr(module, "variance_epsilon")


def _is_gated_mlp(module: Any) -> bool:
    named = all(hasattr(module, f"{part}_proj") for part in ("gate", "up", "down"))
    activation = getattr(module, "act_fn", None)
    return named and type(activation).__name__ in ("SiLU", "SiLUActivation")


class LeanRMSNorm(nn.Module):
    """RMSNorm of x (…, d) as transformers computes it, in 32 bits inside."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.weight: nn.Parameter = norm.weight
        self.epsilon: float = norm.variance_epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x (…, d), each row of length sqrt(d), times the weight (d,)."""
        normed: torch.Tensor = _RMSNorm.apply(  # type: ignore[no-untyped-call]
            x, self.weight, self.epsilon
        )
        return normed


class _RMSNorm(torch.autograd.Function):
    """weight · x / sqrt(mean(x²) + epsilon), for x (…, d)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        wide = x.float()
        scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)  # (…, 1)
        ctx.save_for_backward(x, weight, scale)
        return weight * (wide * scale).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        x, weight, scale = ctx.saved_tensors
        normed = x.float() * scale
        by_weight = None
        if ctx.needs_input_grad[1]:
            by_weight = (grads[0] * normed).flatten(end_dim=-2).sum(dim=0).to(weight.dtype)
        inner = (grads[0] * weight).float()
        inner -= normed * (inner * normed).mean(-1, keepdim=True)
        return inner.mul_(scale).to(x.dtype), by_weight, None


class LeanGatedMLP(nn.Module):
    """down(silu(gate(x)) · up(x)) for x (…, d). With `remake` what goes into `down` is not kept for
    the adapter there, but made again."""

    def __init__(self, mlp: Any, *, remake: bool) -> None:
        super().__init__()
        self.gate_proj: nn.Module = mlp.gate_proj
        self.up_proj: nn.Module = mlp.up_proj
        self.down_proj: nn.Module = mlp.down_proj
        self._remake = remake

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the MLP makes of x (…, d), as (…, d)."""
        gate, up = self.gate_proj(x), self.up_proj(x)
        kept: tuple[torch.Tensor, ...] = ()
        if torch.is_grad_enabled():
            kept = _in_16_bits(gate), _in_16_bits(up)
        inner: torch.Tensor = _GatedProduct.apply(gate, up, *kept)  # type: ignore[no-untyped-call]
        del gate, up
        with _remade(inner, *kept) if kept and self._remake else nullcontext():
            out: torch.Tensor = self.down_proj(inner)
        return out


def _in_16_bits(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor as it is kept: rounding what gradients are computed from to bfloat16 changes
    them by about as much as a training in bfloat16 does, and their sums hardly."""
    values = tensor.detach()
    return values.bfloat16() if values.dtype == torch.float32 else values


class _GatedProduct(torch.autograd.Function):
    """silu(gate) · up, (…, inner) each; `kept` are the two as they are kept for backward."""

    @staticmethod
    def forward(
        ctx: Any, gate: torch.Tensor, up: torch.Tensor, *kept: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(*kept)
        return silu(gate) * up

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        # Rows of tensors that lie otherwise would be copies.
        whole = torch.contiguous_format
        by_gate, by_up = (torch.empty_like(grads[0], memory_format=whole) for _ in range(2))
        parts = (grads[0], *ctx.saved_tensors, by_gate, by_up)
        for grad, gate, up, to_gate, to_up in _by_rows(*parts):
            wide = gate.to(grad.dtype)
            torch.mul(silu(wide), grad, out=to_up)
            to_gate.copy_(torch.ops.aten.silu_backward(grad * up, wide))
        return by_gate, by_up, None, None


def _by_rows(*tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield the same few rows of several tensors (…, d) at a time: what is made on the way then
    stays in the processor's cache."""
    return zip(*(t.reshape(-1, t.shape[-1]).split(_ROWS) for t in tensors), strict=True)


def _remade(
    inner: torch.Tensor, gate: torch.Tensor, up: torch.Tensor
) -> AbstractContextManager[None]:
    """Keep gate and up wherever silu(gate) · up, which is about `inner`, would be kept inside of
    this."""
    place = inner.untyped_storage().data_ptr()

    def pack(tensor: torch.Tensor) -> Any:
        if tensor.dtype != inner_type or tensor.untyped_storage().data_ptr() != place:
            return tensor
        return tensor.size(), tensor.stride(), tensor.storage_offset()

    def unpack(packed: Any) -> torch.Tensor:
        if isinstance(packed, torch.Tensor):
            return packed
        again = torch.empty(gate.shape, dtype=inner_type, device=gate.device)
        for rows, gates, ups in _by_rows(again, gate, up):
            torch.mul(silu(gates.to(inner_type)), ups, out=rows)
        return again.as_strided(*packed)

    # Not the tensor itself, which it is all about not to keep.
    inner_type = inner.dtype
    return saved_tensors_hooks(pack, unpack)
