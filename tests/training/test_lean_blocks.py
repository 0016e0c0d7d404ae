"""Lean blocks: the same results and gradients as transformers' own, and less that is kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from transformers import AutoModelForCausalLM

from budgetai_training.lean_blocks import LeanGatedMLP, LeanRMSNorm, make_lean
from budgetai_training.methods.peft_adapter import attach
from budgetai_training.options import TrainOptions
from support import tiny

FAMILIES = [
    tiny.make_llama, tiny.make_mistral, tiny.make_granite, tiny.make_smollm3, tiny.make_qwen2,
    tiny.make_qwen3,
]  # fmt: skip
IDS = torch.arange(1, 61).reshape(2, 30)


def _tuned(folder: Path, *, lean: bool, dtype: torch.dtype = torch.float32) -> Any:
    """A base with a LoRA that already says something."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    if lean:
        make_lean(model)
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    tuned = get_peft_model(model, config)
    for name, parameter in sorted(tuned.named_parameters()):
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.05)
    return tuned


def _gradients(model: Any) -> dict[str, torch.Tensor]:
    with torch.autocast("cpu", torch.bfloat16, enabled=model.dtype == torch.bfloat16):
        model(input_ids=IDS, labels=IDS).loss.backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("make", FAMILIES)
def test_outputs_are_the_same_and_gradients_nearly(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    """In 64 bits nothing is rounded on the way but by the norms, here as there."""
    folder = make(tmp_path / "base")
    plain, lean = (_tuned(folder, lean=lean, dtype=torch.float64) for lean in (False, True))
    with torch.no_grad():
        assert torch.equal(plain(input_ids=IDS).logits, lean(input_ids=IDS).logits)
    expected, gradients = _gradients(plain), _gradients(lean)
    assert expected.keys() == gradients.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 0.003), (torch.bfloat16, 0.05)])
def test_gradients_are_off_by_no_more_than_rounding(
    tmp_path: Path, dtype: torch.dtype, most: float
) -> None:
    folder = tiny.make_qwen2(tmp_path / "base")
    exact = _gradients(_tuned(folder, lean=False))

    def error(*, lean: bool) -> float:
        gradients = _gradients(_tuned(folder, lean=lean, dtype=dtype))
        off = sum(float((gradients[n] - g).pow(2).sum()) for n, g in exact.items())
        return float((off / sum(float(g.pow(2).sum()) for g in exact.values())) ** 0.5)

    assert error(lean=True) < max(most, 1.1 * error(lean=False))


def test_gradients_may_lie_in_memory_in_any_order() -> None:
    class MLP(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.gate_proj, self.up_proj = nn.Linear(6, 8), nn.Linear(6, 8)
            self.down_proj = nn.Identity()

    x = torch.randn(4, 5, 6, dtype=torch.float64)
    weights = torch.randn(5, 4, 8, dtype=torch.float64).transpose(0, 1)
    gradients = []
    for remake in (None, True):
        mlp = MLP().double()
        inner = nn.functional.silu(mlp.gate_proj(x)) * mlp.up_proj(x)
        out = inner if remake is None else LeanGatedMLP(mlp, remake=remake)(x)
        out.backward(weights)
        gradients.append([p.grad for p in mlp.parameters()])
    torch.testing.assert_close(gradients[1], gradients[0])


def _kept(model: Any) -> int:
    """Return bytes that a forward pass keeps for backward, weights left out."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        model(input_ids=IDS)
    return sum(storage.nbytes() for storage in kept.values())


def test_less_is_kept(tmp_path: Path) -> None:
    folder = tiny.make_qwen2(tmp_path / "base")
    # The tensors that a hook of the lean MLP takes are not counted, gate and up are.
    assert _kept(_tuned(folder, lean=True)) < 0.75 * _kept(_tuned(folder, lean=False))


def test_weights_that_are_trained_themselves_get_the_same_gradients(tmp_path: Path) -> None:
    folder = tiny.make_qwen2(tmp_path / "base")
    plain, lean = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64) for _ in range(2)
    )
    make_lean(lean)
    expected, gradients = _gradients(plain), _gradients(lean)
    assert expected.keys() == gradients.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_blocks_that_are_computed_twice_give_the_same_and_keep_less(tmp_path: Path) -> None:
    folder = tiny.make_llama(tmp_path / "base")
    once = attach(AutoModelForCausalLM.from_pretrained(folder), TrainOptions())
    torch.manual_seed(0)
    twice = attach(AutoModelForCausalLM.from_pretrained(folder), TrainOptions(), checkpointing=True)
    twice.load_state_dict(once.state_dict())
    once.train(), twice.train()
    expected, gradients = _gradients(once), _gradients(twice)
    for name, gradient in expected.items():
        assert torch.equal(gradients[name], gradient), name
    assert _kept(twice) < 0.5 * _kept(once)


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny.make_llama(tmp_path / "base"))
    names = list(model.state_dict())
    make_lean(model)
    replaced = [m for m in model.modules() if isinstance(m, LeanRMSNorm | LeanGatedMLP)]
    make_lean(model)
    assert replaced == [m for m in model.modules() if isinstance(m, LeanRMSNorm | LeanGatedMLP)]
    assert list(model.state_dict()) == names


def test_other_blocks_stay(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny.make_starcoder2(tmp_path / "base"))
    before = [type(module) for module in model.modules()]
    make_lean(model)
    assert [type(module) for module in model.modules()] == before
