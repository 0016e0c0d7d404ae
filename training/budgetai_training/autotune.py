"""What is decided once, when a run begins to train: rate, accumulation, how much is evaluated."""

import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

import torch

from budgetai_core.errors import BudgetError
from budgetai_core.options import Seconds
from budgetai_training import chunked_loss, process_group
from budgetai_training.evaluation import held_out_loss
from budgetai_training.hyperparameters.chosen import Hyperparameters, RateTry
from budgetai_training.methods import peft_adapter
from budgetai_training.options import NONE
from budgetai_training.samples.batching import Epochs, collate
from budgetai_training.setup import Run
from budgetai_training.trainer import training_step

# Shares of the budget for the tries of rates, the evaluations on the way, and the rank's choice.
RATE_SHARE = 0.08
VALIDATION_SHARE = 0.06
RANK_SHARE = 0.06
# Evaluations on the way, at most: they keep the best state.
MAX_EVALUATIONS = 6
# With fewer questions, chance would decide which state is the best.
MIN_QUESTIONS = 6
# Adam wants about this many updates; with more time, more samples are averaged in each.
WANTED_STEPS = 200
# A training step costs about three forward passes.
STEP_PER_FORWARD = 3.0
# Tried as factors on the usual rate. The best rate of a LoRA hardly depends on its variant, and
# matters more than it (Schulman et al. 2025, "LoRA Without Regret").
RATE_FACTORS = (0.5, 1.0, 2.0)
# Of each try.
TRY_STEPS = 8


def decide(run: Run, samples: Epochs, per_sample: float) -> Hyperparameters:
    """Choose learning rate, accumulation and evaluations, by the size of the base and by what fits
    where a sample takes `per_sample` seconds in training."""
    rates = _rates_tried(run, samples, per_sample)
    usual = peft_adapter.usual_rate(run.model, run.options)
    in_time = run.clock.left() / max(per_sample * run.plan.batch, 1e-6)
    # A fast machine is through with the samples long before the budget ends.
    affordable = min(in_time, len(samples) / process_group.world_size())
    evaluations, questions = _evaluations(run, per_sample)
    return Hyperparameters(
        rate=next((t.rate for t in rates if t.chosen), run.options.learning_rate or usual),
        rates=rates,
        accumulate=_accumulation(run, affordable),
        evaluations=evaluations,
        validation=questions,
        ranking=_ranking(run, per_sample),
        training_from=run.clock.spent(),
    )


def _accumulation(run: Run, affordable: float) -> int:
    """Return micro-batches averaged in a step: as many as the plan has made of a batch, and more
    where there is time for them. The same number of steps is the same run on any machine."""
    if run.options.max_steps:
        return run.plan.accumulate
    wanted = max(run.plan.accumulate, min(8, affordable // WANTED_STEPS))
    return int(max(1, min(wanted, affordable // 4)))


def _evaluations(run: Run, per_sample: float) -> tuple[int, int]:
    """Return how often the run is evaluated on the way, and by how many questions; (0, 0) where
    their share of the budget holds less than two evaluations, of which one could be the better."""
    most, times = len(run.eval_set.validation), MAX_EVALUATIONS
    if run.options.evaluate == NONE or not most:
        return 0, 0
    if run.options.max_steps:
        # Where each is asked at several ranks, fewer do.
        fewer = max(MIN_QUESTIONS, most // run.dylora.passes)
        return times, min(most, fewer)
    fewest = min(MIN_QUESTIONS, most)
    per_question = per_sample * run.dylora.passes / STEP_PER_FORWARD
    affordable = VALIDATION_SHARE * run.clock.budget / per_question
    times = int(min(times, affordable // fewest))
    return (times, int(min(most, affordable // times))) if times > 1 else (0, 0)


def _ranking(run: Run, per_sample: float) -> int:
    """Return by how many questions the rank is chosen at the end."""
    most = len(run.eval_set.validation) if run.dylora.evaluated_ranks else 0
    if run.options.max_steps:
        return most
    per_question = per_sample * run.dylora.passes / STEP_PER_FORWARD
    affordable = int(RANK_SHARE * run.clock.budget / per_question)
    # By a single question no rank should be chosen: with two, the choice is poor but not blind.
    return min(most, max(2, affordable))


def _rates_tried(run: Run, samples: Epochs, per_sample: float) -> tuple[RateTry, ...]:
    """Return rates tried, where the user names none and their share of the budget holds the
    tries."""
    questions = run.eval_set.validation[:MIN_QUESTIONS]
    evaluation_passes = len(questions) * run.dylora.passes / STEP_PER_FORWARD
    needed = len(RATE_FACTORS) * (TRY_STEPS * run.plan.batch + evaluation_passes) * per_sample
    share = RATE_SHARE * run.clock.budget
    if run.options.learning_rate or run.options.max_steps or not questions or needed > share:
        return ()
    usual = peft_adapter.usual_rate(run.model, run.options)
    with run.stages.stage("trying rates"), run.reporter.busy("trying learning rates"):
        rates = try_rates(run, samples, [usual * factor for factor in RATE_FACTORS])
    run.reporter.say("rates tried: " + ", ".join(f"{t.rate:g} → {t.loss:.3f}" for t in rates))
    return rates


def try_rates(run: Run, samples: Epochs, rates: Sequence[float]) -> tuple[RateTry, ...]:
    """Train a few steps with each rate, and take the held-out loss; the model ends as it began."""
    questions = run.eval_set.validation[:MIN_QUESTIONS]
    with chunked_loss.headless(run.model) as output:

        def step(number: int) -> None:
            run.dylora.draw(number)
            batch = collate(samples[number], run.encoder.pad)
            on_device = {name: value.to(run.model.device) for name, value in batch.items()}
            training_step(run.model, output, on_device)

        return compare_rates(
            run.model,
            rates,
            lambda rate: run.dylora.guard(peft_adapter.optimizer(run.model, rate, run.options)),
            step,
            lambda: fmean(held_out_loss.by_rank(run.model, run.dylora, output, questions).values()),
        )


def compare_rates(
    model: Any,
    rates: Sequence[float],
    optimizer: Callable[[float], torch.optim.Optimizer],
    step: Callable[[int], object],
    evaluate: Callable[[], float],
) -> tuple[RateTry, ...]:
    """Make TRY_STEPS updates with each rate from the same start, and `evaluate`; `step(n)` leaves
    the gradients of the n-th one. The model ends as it began."""
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    start = {name: parameter.detach().clone() for name, parameter in trained.items()}
    losses = []
    for rate in rates:
        updates = optimizer(rate)
        for number in range(TRY_STEPS):
            for group in updates.param_groups:
                # A short warm-up, or the first steps of Adam would decide.
                group["lr"] = rate * min(1.0, (number + 1) / (TRY_STEPS // 2))
            step(number)
            torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
            updates.step()
            updates.zero_grad()
        losses.append(evaluate())
        with torch.no_grad():
            for name, parameter in trained.items():
                parameter.copy_(start[name])
        model.zero_grad(set_to_none=True)
    # A rate that ends in NaN has failed.
    best = min(range(len(rates)), key=lambda i: losses[i] if math.isfinite(losses[i]) else math.inf)
    return tuple(
        RateTry(rate=rate, loss=loss, chosen=i == best)
        for i, (rate, loss) in enumerate(zip(rates, losses, strict=True))
    )


def check_time(run: Run, per_sample: float) -> None:
    """Raise BudgetError where not even one step fits, with a budget that would do."""
    # A run that was killed after its last step has what is to be evaluated and saved.
    if run.options.resume and run.folder.checkpoint():
        return
    per_batch = per_sample * run.plan.batch
    if process_group.broadcast(run.clock.left()) >= per_batch:
        return
    enough = run.clock.spent() + run.clock.reserve + 20 * per_batch
    raise BudgetError(
        f"a budget of {run.options.budget} is too short: {run.clock.spent():.0f} s went into "
        f"loading and evaluating, one step takes about {per_batch:.0f} s, and "
        f"{run.clock.reserve:.0f} s are needed at the end",
        f"Try --budget {Seconds(60 * -(-enough // 60))}",
    )
