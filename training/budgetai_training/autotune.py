"""What is decided once, when a run begins to train: rate, accumulation, how much is evaluated."""

import math
import time
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import torch

from budgetai_core.errors import BudgetError
from budgetai_core.options import Seconds
from budgetai_training import chunked_loss, lr_finder, process_group
from budgetai_training.evaluation import held_out_loss
from budgetai_training.evaluation.held_out_loss import Question
from budgetai_training.methods import peft_adapter
from budgetai_training.methods.dylora import by_rank
from budgetai_training.options import NONE
from budgetai_training.report.schema import RateTry
from budgetai_training.samples.batching import Epochs, collate
from budgetai_training.samples.encoding import Encoded
from budgetai_training.setup import Run

# Shares of the budget for the tries of rates, the evaluations on the way, and the rank's choice.
RATE_SHARE = 0.08
VALIDATION_SHARE = 0.06
RANK_SHARE = 0.06
# Evaluations on the way, at most: they keep the best state.
EVALUATIONS = 6
# With fewer questions, chance would decide which state is the best.
FEWEST_QUESTIONS = 6
# Adam wants about this many updates; with more time, more samples are averaged in each.
WANTED_STEPS = 200
# A training step costs about three forward passes.
STEP_PER_FORWARD = 3.0


def decide(run: Run, samples: Epochs, per_batch: float) -> dict[str, Any]:
    """Learning rate, accumulation and evaluations, from the size of the base and from what fits."""
    tried = _rates(run, samples, per_batch)
    usual = peft_adapter.usual_rate(run.model, run.options)
    chosen = next((one.rate for one in tried if one.chosen), run.options.learning_rate or usual)
    in_time = run.clock.left() / max(per_batch * run.plan.batch, 1e-6)
    # A fast machine is through with the samples long before the budget ends.
    affordable = min(in_time, len(samples) / process_group.count())
    evaluations, questions = _evaluations(run, per_batch)
    return {
        "rate": chosen,
        "rates": [vars(one) for one in tried],
        "accumulate": _accumulation(run, affordable),
        "evaluations": evaluations,
        "validation": questions,
        "ranking": _ranking(run, per_batch),
        "training_from": run.clock.spent(),
    }


def _accumulation(run: Run, affordable: float) -> int:
    """Micro-batches averaged in a step: as many as the plan has made of a batch, and more where
    there is time for them. The same number of steps is the same run on any machine."""
    if run.options.max_steps:
        return run.plan.accumulate
    wanted = max(run.plan.accumulate, min(8, affordable // WANTED_STEPS))
    return int(max(1, min(wanted, affordable // 4)))


def _evaluations(run: Run, per_batch: float) -> tuple[int, int]:
    """How often the run is judged on the way, and by how many questions; (0, 0) where their share
    of the budget holds less than two evaluations, of which one could be the better."""
    most, times = len(run.exam.validation), EVALUATIONS
    if run.options.evaluate == NONE or not most:
        return 0, 0
    if run.options.max_steps:
        # Where each is asked at several ranks, fewer do.
        fewer = max(FEWEST_QUESTIONS, most // run.nested.passes)
        return times, min(most, fewer)
    fewest = min(FEWEST_QUESTIONS, most)
    per_question = per_batch * run.nested.passes / STEP_PER_FORWARD
    affordable = VALIDATION_SHARE * run.clock.budget / per_question
    times = int(min(times, affordable // fewest))
    return (times, int(min(most, affordable // times))) if times > 1 else (0, 0)


def _ranking(run: Run, per_batch: float) -> int:
    """By how many questions the rank is chosen at the end."""
    most = len(run.exam.validation) if run.nested.judged else 0
    if run.options.max_steps:
        return most
    per_question = per_batch * run.nested.passes / STEP_PER_FORWARD
    affordable = int(RANK_SHARE * run.clock.budget / per_question)
    # By a single question no rank should be chosen: with two, the choice is poor but not blind.
    return min(most, max(2, affordable))


def _rates(run: Run, samples: Epochs, per_batch: float) -> tuple[RateTry, ...]:
    """Rates tried, where the user names none and their share of the budget holds the tries."""
    questions = run.exam.validation[:6]
    judging = len(questions) * run.nested.passes / STEP_PER_FORWARD
    needed = len(lr_finder.FACTORS) * (lr_finder.STEPS * run.plan.batch + judging) * per_batch
    share = RATE_SHARE * run.clock.budget
    if run.options.learning_rate or run.options.max_steps or not questions or needed > share:
        return ()
    usual = peft_adapter.usual_rate(run.model, run.options)
    with (
        run.stages.stage("trying rates"),
        run.report.busy("trying learning rates"),
        chunked_loss.headless(run.model) as output,
    ):
        found = lr_finder.tries(
            run.model,
            [usual * factor for factor in lr_finder.FACTORS],
            lambda optimizer, n: training_step(run, output, samples[n], optimizer, n),
            lambda value: run.nested.guard(peft_adapter.optimizer(run.model, value, run.options)),
            lambda: fmean(losses_by_rank(run, output, questions).values()),
        )
    run.report.say("rates tried: " + ", ".join(f"{one.rate:g} → {one.loss:.3f}" for one in found))
    return found


def training_step(
    run: Run,
    output: chunked_loss.Head,
    rows: Sequence[Encoded],
    optimizer: torch.optim.Optimizer,
    number: int,
) -> None:
    """One step outside the Trainer."""
    run.model.train()
    run.nested.draw(number)
    tensors = {
        name: value.to(run.model.device) for name, value in collate(rows, run.encoder.pad).items()
    }
    with held_out_loss.arithmetic(run.model, output.weight.dtype):
        hidden, labels = chunked_loss.hidden_at_labels(run.model, tensors)
        losses = chunked_loss.losses(hidden, output, labels)
        loss = (losses * chunked_loss.weights_at_labels(tensors)).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_([p for p in run.model.parameters() if p.requires_grad], 1.0)
    optimizer.step()
    optimizer.zero_grad()


def batch_seconds(run: Run, before: dict[str, Any], samples: Epochs) -> float:
    """Seconds that a sample of full length takes in training, about; several at once take so many
    times as long on a CPU, and less on a GPU."""
    if before["losses"]:
        return STEP_PER_FORWARD * float(before["seconds"]) / len(before["losses"])
    began = time.monotonic()
    with chunked_loss.headless(run.model) as output:
        held_out_loss.evaluate(run.model, output, [Question(samples[0][0], ())])
    return STEP_PER_FORWARD * (time.monotonic() - began)


def check_time(run: Run, per_batch: float) -> None:
    """Raises BudgetError where not even one step fits, with a budget that would do."""
    # A run that was killed after its last step has what is to be judged and saved.
    if run.options.resume and run.folder.checkpoint():
        return
    per_batch *= run.plan.batch
    if process_group.agreed(run.clock.left()) >= per_batch:
        return
    enough = run.clock.spent() + run.clock.reserve + 20 * per_batch
    raise BudgetError(
        f"a budget of {run.options.budget} is too short: {run.clock.spent():.0f} s went into "
        f"loading and evaluating, one step takes about {per_batch:.0f} s, and "
        f"{run.clock.reserve:.0f} s are needed at the end",
        f"Try --budget {Seconds(60 * -(-enough // 60))}",
    )


def losses_by_rank(
    run: Run, output: chunked_loss.Head, questions: Sequence[Question]
) -> dict[int, float]:
    """Held-out loss at each judged rank; under 0 where one rank alone is trained."""
    found = by_rank(run.nested, lambda: held_out_loss.evaluate(run.model, output, questions))
    means = {rank: held_out_loss.total(questions, losses).mean for rank, losses in found.items()}
    return {rank: math.inf if loss is None else loss for rank, loss in means.items()}
