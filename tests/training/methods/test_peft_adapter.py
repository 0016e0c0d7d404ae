"""The variations of LoRA, on a tiny real model."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from budgetai_training.hyperparameters.lora import Lora
from budgetai_training.methods import peft_adapter
from budgetai_training.options import TrainOptions
from support import tiny


@pytest.fixture
def base(tmp_path: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny.make_llama(tmp_path), dtype=torch.float32)


def tuned_modules(model: Any) -> set[str]:
    return {n.split(".lora_")[0] for n, p in model.named_parameters() if p.requires_grad}


def step(model: Any, optimizer: torch.optim.Optimizer) -> float:
    ids = torch.arange(40)[None]
    loss = model(ids, labels=ids).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.detach())


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("", "lora"),
        ("rslora=on", "rslora"),
        ("dora=on", "dora"),
        ("plus=16", "lora+"),
        ("rslora=on,plus=4", "rslora lora+"),
    ],
)
def test_each_variation_learns(base: Any, given: str, name: str) -> None:
    options = TrainOptions(rank=4, lora=Lora.parse(given))
    model = peft_adapter.attach(base, options)
    assert peft_adapter.method(model, options) == name
    optimizer = peft_adapter.optimizer(model, 0.01, options)
    losses = [step(model, optimizer) for _ in range(8)]
    assert losses[-1] < losses[0] - 0.05


def test_the_usual_scale_is_one(base: Any) -> None:
    model = peft_adapter.attach(base, TrainOptions(rank=4))
    assert model.base_model.model.model.layers[0].self_attn.q_proj.scaling == {"default": 1.0}


def test_rslora_scales_by_the_root_of_the_rank(base: Any) -> None:
    model = peft_adapter.attach(base, TrainOptions(rank=16, lora=Lora(alpha=8, rslora=True)))
    assert model.base_model.model.model.layers[0].self_attn.q_proj.scaling == {"default": 2.0}


def test_with_lora_plus_b_learns_faster(base: Any) -> None:
    options = TrainOptions(rank=4, lora=Lora(plus=16.0))
    model = peft_adapter.attach(base, options)
    names = {id(p): n for n, p in model.named_parameters()}
    groups = peft_adapter.optimizer(model, 0.01, options).param_groups
    rates = {side: {g["lr"] for g in groups for p in g["params"] if side in names[id(p)]}
             for side in ("lora_A", "lora_B")}  # fmt: skip
    assert rates == {"lora_A": {0.01}, "lora_B": {0.16}}


@pytest.mark.parametrize(
    ("target", "ends"),
    [
        ("attention", {"q_proj", "k_proj", "v_proj", "o_proj"}),
        ("mlp", {"gate_proj", "up_proj", "down_proj"}),
    ],
)
def test_the_tuned_layers_are_those_asked_for(base: Any, target: str, ends: set[str]) -> None:
    model = peft_adapter.attach(
        base, TrainOptions(rank=2, lora=Lora(target=target, layers="upper"))
    )
    modules = tuned_modules(model)
    assert {name.rpartition(".")[2] for name in modules} == ends
    layers = base.config.num_hidden_layers
    numbers = {int(name.split(".layers.")[1].split(".")[0]) for name in modules}
    assert numbers == set(range(layers // 2, layers))
