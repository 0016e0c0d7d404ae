"""What is decided once, when a run begins: the rate, by short tries from one start."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from budgetai_training import autotune, chunked_loss
from budgetai_training.hyperparameters.chosen import Hyperparameters, RateTry
from budgetai_training.methods import peft_adapter
from budgetai_training.options import TrainOptions
from budgetai_training.samples.batching import collate
from budgetai_training.trainer import training_step
from support import tiny

IDS = list(range(40))
ROW = {"input_ids": IDS, "labels": IDS, "weights": [1] * len(IDS)}


def test_the_best_rate_is_found_and_the_model_is_as_before(tmp_path: Path) -> None:
    base = AutoModelForCausalLM.from_pretrained(tiny.make_llama(tmp_path), dtype=torch.float32)
    options = TrainOptions(rank=4)
    model: Any = peft_adapter.attach(base, options)
    start = {n: p.detach().clone() for n, p in model.named_parameters()}
    batch = collate([ROW])
    with chunked_loss.headless(model) as output:

        def evaluate() -> float:
            with torch.no_grad():
                hidden, labels = chunked_loss.hidden_at_labels(model, batch)
                return float(chunked_loss.losses(hidden, output, labels).mean())

        rates = autotune.compare_rates(
            model,
            (1e-5, 1e-2, 1e4),
            lambda rate: peft_adapter.optimizer(model, rate, options),
            lambda _: training_step(model, output, batch),
            evaluate,
        )
    assert [rate.chosen for rate in rates] == [False, True, False]
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, start[name])


def test_a_batch_that_memory_does_not_hold_is_averaged_in_parts() -> None:
    def accumulated(accumulate: int, affordable: float, max_steps: int = 0) -> int:
        run: Any = SimpleNamespace(
            options=TrainOptions(max_steps=max_steps), plan=SimpleNamespace(accumulate=accumulate)
        )
        return autotune._accumulation(run, affordable)

    assert accumulated(1, 100) == 1
    assert accumulated(1, 1000) == 5
    assert accumulated(4, 100) == 4
    assert accumulated(4, 8) == 2
    assert accumulated(4, 8, max_steps=3) == 4
    assert accumulated(1, 1000, max_steps=3) == 1


def test_what_was_decided_is_kept_as_json() -> None:
    chosen = Hyperparameters(
        rate=1e-3, rates=(RateTry(rate=1e-3, loss=1.5, chosen=True),), accumulate=2, evaluations=6,
        validation=4, ranking=0, training_from=12.5,
    )  # fmt: skip
    assert Hyperparameters.from_json(chosen.to_json()) == chosen
