"""A scaled bottleneck beside each MLP: W_up · relu(W_down x), added to what the MLP gives.

He et al. 2021, "Towards a Unified View of Parameter-Efficient Transfer Learning", where it is the
best place for an adapter. Begun as a LoRA is, with nothing added. To peft it is a LoRA layer of
another kind, so that everything which works with those works with it; no plain peft loads it.
"""

from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora.layer import LoraLayer
from torch import nn

from budgetai_core.errors import BaseError

# The scale He et al. found best.
SCALE = 4


def config(model: Any, width: int, alpha: int) -> LoraConfig:
    """For a bottleneck of `width`; 0 for `alpha` is the usual scale. Raises BaseError for a model
    without MLPs of the usual name."""
    kinds = {type(part) for name, part in model.named_modules() if name.endswith(".mlp")}
    if not kinds:
        raise BaseError("the base has no layers named mlp", "Take another --method")
    made = LoraConfig(
        r=width, lora_alpha=alpha or SCALE * width, lora_dropout=0.0, target_modules=["mlp"],
        task_type="CAUSAL_LM",
    )  # fmt: skip
    made._register_custom_module(dict.fromkeys(kinds, ParallelAdapter))
    return made


class ParallelAdapter(nn.Module, LoraLayer):
    """An MLP with a bottleneck beside it; x (…, d) to (…, d)."""

    def __init__(
        self, base_layer: nn.Module, adapter_name: str, config: LoraConfig, r: int,
        lora_alpha: int, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        # It has no size that peft could read off a layer of this kind.
        self.in_features = self.out_features = 0
        LoraLayer.__init__(self, base_layer, **kwargs)
        self._active_adapter = adapter_name
        self.update_layer(adapter_name, r, lora_alpha, config=config)

    def _get_in_out_features(self, module: nn.Module) -> tuple[int, int]:
        inner: Any = module
        return inner.gate_proj.in_features, inner.down_proj.out_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.base_layer(x)
        if self.disable_adapters:
            return result
        for name in self.active_adapters:
            down: Any = self.lora_A[name]
            up: Any = self.lora_B[name]
            inside = torch.relu(down(self._cast_input_dtype(x, down.weight.dtype)))
            result = result + (up(inside) * self.scaling[name]).to(result.dtype)
        return result
