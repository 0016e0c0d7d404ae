"""All ranks of a LoRA in one training, on tiny real models with stock peft."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from budgetai_core.artifacts.base_models import resolve
from budgetai_training.hyperparameters import rank_weights
from budgetai_training.hyperparameters.lora import Lora
from budgetai_training.methods import peft_adapter
from budgetai_training.methods.dylora import DyLoRA, matrices
from budgetai_training.model import load
from budgetai_training.options import TrainOptions
from support import tiny

IDS = torch.arange(40)[None]
SIZE = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_llama(tmp_path_factory.mktemp("llama"))


def adapted(folder: Path, options: TrainOptions, load_in: str = "fp32") -> tuple[Any, DyLoRA]:
    """A model with a LoRA whose A and B are random, and its ranks."""
    model = peft_adapter.attach(load(resolve(str(folder)), "", load_in).model, options)
    torch.manual_seed(1)
    for parameter, _ in matrices(model):
        torch.nn.init.normal_(parameter, std=0.2)
    return model.eval(), DyLoRA(model, options)


def dylora(**given: Any) -> TrainOptions:
    return TrainOptions(method="dylora", rank=SIZE, **given)


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    computed_logits: torch.Tensor = model(IDS).logits
    return computed_logits


def written_out(folder: Path, model: Any, weights: torch.Tensor, scale: float) -> torch.Tensor:
    """The logits of plain torch linear layers W + scale · B diag(weights) A."""
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    modules = dict(plain.named_modules())
    for name, layer in model.base_model.model.named_modules():
        if "default" in getattr(layer, "lora_A", ()):
            a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
            with torch.no_grad():
                modules[name].weight += scale * (b * weights) @ a
    return logits(plain.eval())


@pytest.mark.parametrize(("alpha", "rslora"), [(0, False), (3, False), (3, True)])
@pytest.mark.parametrize("rank", [1, 4, SIZE])
def test_a_cut_is_the_equation(folder: Path, rank: int, alpha: int, rslora: bool) -> None:
    """W x + alpha/b · B[:, :b] A[:b] x, or alpha/√b with rsLoRA."""
    model, nested = adapted(folder, dylora(lora=Lora(alpha=alpha, rslora=rslora)))
    first = (torch.arange(SIZE) < rank).float()
    scale = (alpha or SIZE) / (rank**0.5 if rslora else rank)
    whole = logits(model)
    nested.cut(rank)
    torch.testing.assert_close(
        logits(model), written_out(folder, model, first, scale), atol=2e-4, rtol=1e-4
    )
    assert rank == SIZE or (logits(model) - whole).abs().max() > 0.1
    nested.cut(None)
    torch.testing.assert_close(logits(model), whole)


def test_matryoshka_is_the_sum_of_its_ranks(folder: Path) -> None:
    options = TrainOptions(method="matryoshka", rank=SIZE, lora=Lora(alpha=4))
    model, nested = adapted(folder, options)
    nested.draw(0)
    sums = torch.tensor([sum(1 / s for s in (1, 2, 4, 6) if s >= i) for i in range(1, SIZE + 1)])
    torch.testing.assert_close(
        logits(model), written_out(folder, model, sums, 4.0), atol=2e-4, rtol=1e-4
    )


def test_all_layers_share_the_draw(folder: Path) -> None:
    model, nested = adapted(folder, dylora(seed=7, lora=Lora(ranks=f"1-{SIZE}")))
    draw = rank_weights.Draw(tuple(range(1, SIZE + 1)), (1 / SIZE,) * SIZE, seed=7)
    seen: list[set[int]] = []
    for layer in [m for m in model.modules() if "default" in getattr(m, "lora_B", ())]:
        layer.lora_B["default"].register_forward_pre_hook(
            lambda _, inputs: seen.append({int((inputs[0].abs().sum((0, 1)) > 0).sum())})
        )
    for number in range(5):
        nested.draw(number)
        seen.clear()
        logits(model)
        assert set.union(*seen) == {draw.at(number)}


@pytest.mark.parametrize("load_in", ["bf16", "4bit"])
def test_other_bases_are_cut_alike(folder: Path, load_in: str) -> None:
    """Rows beyond the rank have no say, and no gradient; those below have."""
    model, nested = adapted(folder, dylora(), load_in)
    nested.cut(2)
    before = logits(model)
    with torch.no_grad():
        for parameter, dimension in matrices(model):
            parameter.narrow(dimension, 2, SIZE - 2).normal_()
    torch.testing.assert_close(logits(model), before)
    with torch.autocast("cpu", torch.bfloat16):
        model(IDS, labels=IDS).loss.backward()
    for parameter, dimension in matrices(model):
        assert parameter.grad is not None
        rows = parameter.grad.abs().sum(1 - dimension)
        assert (rows[:2] > 0).all()
        assert (rows[2:] == 0).all()


def rows_of(parameter: torch.Tensor, dimension: int, rows: list[int]) -> torch.Tensor:
    return parameter.detach().index_select(dimension, torch.tensor(rows)).clone()


@pytest.mark.parametrize("ranks", ["", "1-6"])
def test_frozen_steps_leave_the_other_rows_as_they_were_bit_by_bit(
    folder: Path, ranks: str
) -> None:
    """With weight decay and momentum; two micro-batches a step, so two ranks are drawn."""
    options = dylora(lora=Lora(frozen=True, ranks=ranks))
    model, nested = adapted(folder, options)
    parameters = [parameter for parameter, _ in matrices(model)]
    optimizer = nested.guard(torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1))
    draw = rank_weights.Draw(
        options.trained_ranks,
        rank_weights.chances(options.trained_ranks, "uniform", 0.5),
        options.seed,
    )
    moved = set()
    for step in range(6):
        before = copy.deepcopy([(p.detach(), optimizer.state.get(p, {})) for p in parameters])
        opened = set()
        for number in (2 * step, 2 * step + 1):
            nested.draw(number)
            opened |= set(rank_weights.rows(draw.at(number), options.trained_ranks))
            model(IDS, labels=IDS).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        moved |= opened
        closed = [row for row in range(SIZE) if row not in opened]
        for (parameter, dimension), (old, state) in zip(matrices(model), before, strict=True):
            assert torch.equal(
                rows_of(parameter, dimension, closed), rows_of(old, dimension, closed)
            )
            for name in ("exp_avg", "exp_avg_sq"):
                now = optimizer.state[parameter][name]
                kept = state.get(name, torch.zeros_like(now))
                assert torch.equal(
                    rows_of(now, dimension, closed), rows_of(kept, dimension, closed)
                )
            opened_rows = sorted(opened)
            changed = rows_of(parameter, dimension, opened_rows) != rows_of(
                old, dimension, opened_rows
            )
            assert changed.any(1 - dimension).all()
    assert len(moved) > 3


def test_without_frozen_all_rows_below_the_rank_learn(folder: Path) -> None:
    model, nested = adapted(folder, dylora())
    nested.cut(3)
    model(IDS, labels=IDS).loss.backward()
    for parameter, dimension in matrices(model):
        assert parameter.grad is not None
        assert (parameter.grad.abs().sum(1 - dimension)[:3] > 0).all()
