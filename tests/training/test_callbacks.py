"""A step whose gradients are not numbers changes nothing."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import TrainerControl, TrainerState

from budgetai_core.errors import BaseError
from budgetai_training import process_group
from budgetai_training.time_budget import Clock, Pace
from budgetai_training.trainer import BudgetCallback


class Said(list[str]):
    def say(self, line: str) -> None:
        self.append(line)


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def callback(said: Said) -> BudgetCallback:
    process_group.init()
    pace = Pace(Clock(60, 0), max_steps=10, all_steps=10)
    given: Any = SimpleNamespace(pace=pace, watcher=said)
    return BudgetCallback(given)


def step(callback: BudgetCallback, model: torch.nn.Linear, spoiled: bool) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    if spoiled:
        assert model.weight.grad is not None
        model.weight.grad[0, 0] = math.nan
    given: Any = None
    callback.on_pre_optimizer_step(given, TrainerState(), TrainerControl(), model=model)
    optimizer.step()
    optimizer.zero_grad()


def test_it_is_left_out_and_told(callback: BudgetCallback, said: Said) -> None:
    model = torch.nn.Linear(2, 1)
    before = model.weight.detach().clone()
    step(callback, model, spoiled=True)
    assert torch.equal(model.weight, before)
    assert said == ["step 1 is left out: its gradients are not numbers"]
    step(callback, model, spoiled=False)
    assert not torch.equal(model.weight, before)
    assert len(said) == 1


def test_five_in_a_row_end_the_run(callback: BudgetCallback) -> None:
    model = torch.nn.Linear(2, 1)
    for _ in range(4):
        step(callback, model, spoiled=True)
    step(callback, model, spoiled=False)
    for _ in range(4):
        step(callback, model, spoiled=True)
    with pytest.raises(BaseError, match="5 steps in a row"):
        step(callback, model, spoiled=True)
