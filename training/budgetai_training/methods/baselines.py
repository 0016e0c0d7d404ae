"""What LoRA is measured against: plain fine-tuning, a bottleneck beside each MLP, a prefix.

Full: every linear layer and norm of the blocks. Each is copied, the copy is trained in 32 bits (a
step of 1e-5 is lost in bf16), and the base stays beside it for comparison.

Parallel adapter: a scaled bottleneck beside each MLP, W_up · relu(W_down x), added to what the MLP
gives (He et al. 2021, "Towards a Unified View of Parameter-Efficient Transfer Learning", where it
is the best place for an adapter). Begun as a LoRA is, with nothing added. To peft it is a LoRA
layer of another kind, so that all that works with those works with it; no plain peft loads it.

Prefix tuning (Li and Liang 2021): keys and values in front of every prompt, learned directly. They
begin as those of text from the repository, which is better than to begin at random, and the only
thing a prefix of a few tokens can learn in minutes.

Embeddings and head are not trained, as with LoRA.
"""

import warnings
from typing import Any

import torch
from peft import (
    LNTuningConfig,
    LoraConfig,
    PeftModel,
    PrefixTuningConfig,
    get_peft_model,
    initialize_kv_prefix_from_past_key_values,
)
from peft.tuners.lora.layer import LoraLayer
from torch import nn

from budgetai_core.errors import BaseError

# The scale He et al. found best.
SCALE = 4


def attach_full(model: Any) -> PeftModel:
    with warnings.catch_warnings():
        # peft's tuning of norms copies whole layers; it warns of each that is none of torch's own.
        warnings.simplefilter("ignore", UserWarning)
        tuned = get_peft_model(
            model, LNTuningConfig(target_modules=all_layers(model), task_type="CAUSAL_LM")
        )
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return tuned


def all_layers(model: Any) -> list[str]:
    """Return names of all layers with weights but for the embeddings and the head."""
    ends = {id(model.get_input_embeddings()), id(model.get_output_embeddings())}
    return [
        name
        for name, part in model.named_modules()
        if "weight" in dict(part.named_parameters(recurse=False)) and id(part) not in ends
    ]


def attach_prefix(model: Any, tokens: int) -> PeftModel:
    """Return a prefix of so many tokens, at random until `begin_prefix`."""
    config = PrefixTuningConfig(num_virtual_tokens=tokens, task_type="CAUSAL_LM")
    return get_peft_model(model, config)


@torch.no_grad()
def begin_prefix(model: Any, ids: list[int]) -> None:
    """Begin as the keys and values of these tokens; repeated where they are fewer than the
    prefix, left out where there are none."""
    wanted = model.active_peft_config.num_virtual_tokens
    if not ids:
        return
    whole = (ids * (wanted // len(ids) + 1))[:wanted]
    with model.disable_adapter():
        run = model(input_ids=torch.tensor([whole], device=model.device), use_cache=True)
    initialize_kv_prefix_from_past_key_values(model, past_key_values=run.past_key_values)


def attach_parallel(model: Any, width: int, alpha: int) -> PeftModel:
    """Attach bottlenecks of `width`; 0 for `alpha` is the usual scale. Raises BaseError for a model
    without MLPs of the usual name."""
    kinds = {type(part) for name, part in model.named_modules() if name.endswith(".mlp")}
    if not kinds:
        raise BaseError("the base has no layers named mlp", "Take another --method")
    config = LoraConfig(
        r=width, lora_alpha=alpha or SCALE * width, lora_dropout=0.0, target_modules=["mlp"],
        task_type="CAUSAL_LM",
    )  # fmt: skip
    config._register_custom_module(dict.fromkeys(kinds, ParallelAdapter))
    return get_peft_model(model, config)


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
        """Return what the MLP makes of x (…, d), and what the bottleneck adds to it (…, d)."""
        result: torch.Tensor = self.base_layer(x)
        if self.disable_adapters:
            return result
        for name in self.active_adapters:
            down: Any = self.lora_A[name]
            up: Any = self.lora_B[name]
            inside = torch.relu(down(self._cast_input_dtype(x, down.weight.dtype)))
            result = result + (up(inside) * self.scaling[name]).to(result.dtype)
        return result
