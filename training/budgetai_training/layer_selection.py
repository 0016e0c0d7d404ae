"""Which layers are tuned, by a short try of each choice with as many parameters as the others.

At the same rank the largest set would win, and per parameter the smallest: the first steps are
worth the most. So each set gets the rank with which it has about the parameters of all layers.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import transformers

from budgetai_training import autotune
from budgetai_training.methods import peft_adapter
from budgetai_training.methods.dylora import ADAPTER, DyLoRA, layers
from budgetai_training.options import TrainOptions
from budgetai_training.samples.batching import Epochs
from budgetai_training.setup import Run

AUTO = "auto"
# What target and layers of --lora say, by a name.
SETS = {
    "all": ("all", "all"),
    "attention": ("attention", "all"),
    "mlp": ("mlp", "all"),
    "all of the upper half": ("all", "upper"),
}
SHARE = 0.1


def select_layers(run: Run, samples: Epochs, per_sample: float) -> Run:
    """Return the run with the layers that lead furthest where --lora has target=auto, else as it
    is. Where a tenth of the budget does not hold the tries, all layers are tuned."""
    if run.options.lora.target != AUTO:
        return run
    chosen = run.folder.once("target", lambda: _tried(run, samples, per_sample), by_all=True)
    losses = ", ".join(f"{name} → {loss:.3f}" for name, loss in chosen["losses"].items())
    text = losses or "there is no time for tries"
    run.reporter.say(f"layers tried: {text}; tuned: {chosen['name']}, rank {chosen['rank']}")
    return _with(run, chosen["name"], chosen["rank"])


def _tried(run: Run, samples: Epochs, per_sample: float) -> dict[str, Any]:
    ranks = equal_ranks(run.model, run.options)
    questions = run.eval_set.validation[: autotune.MIN_QUESTIONS]
    asked = len(questions) / autotune.STEP_PER_FORWARD
    needed = len(SETS) * (autotune.TRY_STEPS * run.plan.batch + asked) * per_sample
    hurried = not run.options.max_steps and needed > SHARE * run.clock.budget
    losses: dict[str, float] = {}
    if questions and not hurried:
        with run.stages.stage("trying layers"), run.reporter.busy("trying layers"):
            losses = {name: _loss(_with(run, name, ranks[name]), samples) for name in ranks}
    best = min(losses, key=lambda name: losses[name], default="all")
    return {"name": best, "rank": ranks[best], "losses": losses}


def equal_ranks(model: Any, options: TrainOptions) -> dict[str, int]:
    """Return for each set the base has layers of the rank with which it has as many parameters as
    all layers have with --rank. `model` has a LoRA on all layers."""
    count = model.config.num_hidden_layers
    sizes = {
        name: layer.lora_A[ADAPTER].in_features + layer.lora_B[ADAPTER].out_features
        for name, layer in layers(model).items()
    }
    whole = sum(sizes.values())
    parts = {name: _size(sizes, *chosen, count) for name, chosen in SETS.items()}
    return {
        name: max(1, round(options.rank * whole / part)) for name, part in parts.items() if part
    }


def _size(sizes: Mapping[str, int], target: str, which: str, count: int) -> int:
    """Return parameters per rank of the layers in a set."""
    ends = peft_adapter.TARGETS[target]
    numbers = peft_adapter.layer_numbers(which, count) or range(count)
    return sum(
        size
        for name, size in sizes.items()
        if (target == "all" or name.rpartition(".")[2] in ends)
        and any(f".{number}." in name for number in numbers)
    )


def _with(run: Run, name: str, rank: int) -> Run:
    """Return the run with a new adapter on a set of layers; the one it had is taken off."""
    target, which = SETS[name]
    chosen = replace(run.options.lora, target=target, layers=which)
    options = replace(run.options, lora=chosen, rank=rank)
    run.model.unload()
    transformers.set_seed(options.seed)
    model = peft_adapter.attach(run.loaded.model, options, checkpointing=run.plan.checkpointing)
    return replace(run, options=options, model=model, dylora=DyLoRA(model, options))


def _loss(run: Run, samples: Epochs) -> float:
    """Return the loss after a few steps with the usual rate."""
    rate = run.options.learning_rate or peft_adapter.usual_rate(run.model, run.options)
    (tried,) = autotune.try_rates(run, samples, [rate])
    # A try that ends in NaN has failed.
    return tried.loss if tried.loss is not None and math.isfinite(tried.loss) else math.inf
