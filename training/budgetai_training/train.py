"""The story of a run, top to bottom: losses before, learning rate, training, losses after."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from transformers import TrainerState

from budgetai_server.errors import BudgetError
from budgetai_server.options import Seconds
from budgetai_training import adapter, completions, evaluate, head, processes, rate
from budgetai_training.budget import Clock, Pace
from budgetai_training.callbacks import Interruption
from budgetai_training.corpus.files import Corpus
from budgetai_training.curriculum import Curriculum
from budgetai_training.dataset import MicroBatch, Passes, collate
from budgetai_training.evaluate import Loss, Question
from budgetai_training.loop import Fitting, fit
from budgetai_training.options import TrainOptions
from budgetai_training.preparation import Run, prepared
from budgetai_training.progress import Reporter
from budgetai_training.report.account import Completion, RateTry
from budgetai_training.results import Result, Trained, saved
from budgetai_training.runs import CURRICULUM_FILE, RunFolder
from budgetai_training.samples.passes import one_pass
from budgetai_training.samples.recipe import Recipe
from budgetai_training.samples.sample import Sample

# More passes over the same text than this is memorising: held-out loss no longer falls.
MAX_PASSES = 6
# Shares of the budget: each of the two evaluations, the tries of rates, those on the way, and the
# completions for the report.
EVALUATION_SHARE = 0.05
RATE_SHARE = 0.08
VALIDATION_SHARE = 0.04
COMPLETION_SHARE = 0.03
EVALUATIONS = 6
# Adam wants about this many updates; with more time, more samples are averaged in each.
WANTED_STEPS = 200
SAVING_SECONDS = 4.0
# A training step costs about three forward passes.
STEP_PER_FORWARD = 3.0


def train(
    options: TrainOptions, folder: RunFolder, found: Corpus, report: Reporter, started: float
) -> Result:
    """Tune a base on a corpus inside the budget. `started` is a `time.monotonic()` second."""
    processes.meet()
    folder = processes.agreed(folder)
    clock = Clock(float(options.budget), started, spent_before=folder.spent())
    with folder.kept_if_resumable():
        run = prepared(options, folder, clock, found, report)
        interruption = Interruption(lambda: report.say("stopping after this step …"))
        # From here on Ctrl-C must not cost what has been learned: also not in the last evaluation
        # or while saving.
        with interruption.listening():
            return saved(run, _trained(run, interruption))


def _trained(run: Run, interruption: Interruption) -> Trained:
    curriculum = Curriculum(run.options.curriculum)
    samples = _passes(run, curriculum)
    before = _before(run, interruption)
    if interruption.asked():
        raise KeyboardInterrupt
    run.clock.reserve = _reserve(run, before)
    per_batch = STEP_PER_FORWARD * _forward_seconds(run, before, samples)
    _check_time(run, per_batch)
    settings = run.folder.once("settings", lambda: _settings(run, samples, per_batch))
    state = _fitted(run, samples, curriculum, settings, interruption)
    asked = run.exam.report[: len(before["losses"])] if state.global_step else ()
    after = processes.by_first(lambda: _asked(run, asked, stop=interruption.asked))
    return Trained(
        state=state,
        samples=samples,
        before=[Loss(*loss) for loss in before["losses"]],
        after=after if len(after) == len(asked) else [],
        rates=tuple(RateTry(**one) for one in settings["rates"]),
        completions=_completed(run, interruption),
    )


def _passes(run: Run, curriculum: Curriculum) -> Passes:
    recipe = Recipe.parse(run.options.recipe)
    # About three characters are a token of code; samples are cut to what the plan allows.
    characters = 3 * run.plan.window
    recipe = replace(recipe, before=min(recipe.before, characters - 600))

    def lay_out(number: int) -> list[Sample]:
        weights = curriculum.weights(number)
        seed = f"{run.options.seed}/{number}"
        return one_pass(run.learned.train, run.indexes, seed, recipe, weights)

    return Passes(lay_out, run.encoder, MAX_PASSES, characters)


def _before(run: Run, interruption: Interruption) -> dict[str, Any]:
    """Losses at the start, of as many questions as fit into their share, and the time they took."""

    def ask() -> dict[str, Any]:
        began = time.monotonic()
        share = run.clock.budget * EVALUATION_SHARE
        found = _asked(run, run.exam.report, share, interruption.asked)
        return {
            "losses": [(loss.total, loss.tokens, loss.samples) for loss in found],
            "seconds": time.monotonic() - began,
        }

    return run.folder.once("before", ask)


def _asked(
    run: Run,
    questions: Sequence[Question],
    seconds: float = math.inf,
    stop: Callable[[], bool] = lambda: False,
) -> list[Loss]:
    """The losses of questions, told to the user."""

    with (
        run.stages.stage("evaluating"),
        run.report.counting("held-out loss", len(questions)) as tick,
        head.headless(run.model) as output,
    ):
        found = evaluate.answered(run.model, output, questions, seconds, tick, stop)
    total = evaluate.total(questions, found)
    if total.mean is None:
        run.report.say("held-out loss not measured")
    else:
        run.report.say(f"held-out loss {total.mean:.3f} nats/token ({total.samples} samples)")
    return found


def _reserve(run: Run, before: dict[str, Any]) -> float:
    """Seconds kept for what comes after training."""
    completing = COMPLETION_SHARE * run.clock.budget if run.options.completions else 0.0
    return float(before["seconds"]) * 1.2 + completing + SAVING_SECONDS


def _forward_seconds(run: Run, before: dict[str, Any], samples: Passes) -> float:
    """Seconds of one micro-batch's forward pass."""
    if before["losses"]:
        return float(before["seconds"]) / len(before["losses"])
    began = time.monotonic()
    with head.headless(run.model) as output:
        evaluate.answered(run.model, output, [Question(samples[0].rows[0], ())])
    return time.monotonic() - began


def _check_time(run: Run, per_batch: float) -> None:
    """Raises BudgetError where not even one step fits, with a budget that would do."""
    if run.clock.left() >= per_batch:
        return
    enough = run.clock.spent() + run.clock.reserve + 20 * per_batch
    raise BudgetError(
        f"a budget of {run.options.budget} is too short: {run.clock.spent():.0f} s went into "
        f"loading and evaluating, one step takes about {per_batch:.0f} s, and "
        f"{run.clock.reserve:.0f} s are needed at the end",
        f"Try --budget {Seconds(60 * -(-enough // 60))}",
    )


def _settings(run: Run, samples: Passes, per_batch: float) -> dict[str, Any]:
    """Learning rate, accumulation and evaluations, from the size of the base and from what fits."""
    tried = _rates(run, samples, per_batch)
    usual = rate.usual(run.model.get_nb_trainable_parameters()[1])
    chosen = next((one.rate for one in tried if one.chosen), run.options.learning_rate or usual)
    affordable = run.clock.left() / max(per_batch, 1e-6)
    steps = run.options.max_steps
    return {
        "rate": chosen,
        "rates": [vars(one) for one in tried],
        # The same number of steps is the same run on any machine.
        "accumulate": run.options.accumulate
        or (1 if steps else int(min(8, max(1, affordable // WANTED_STEPS)))),
        "evaluations": EVALUATIONS if run.exam.validation else 0,
        "validation": _validation_size(run, per_batch),
        "training_from": run.clock.spent(),
    }


def _validation_size(run: Run, per_batch: float) -> int:
    """How many questions an evaluation on the way may ask."""
    seconds = VALIDATION_SHARE * run.clock.budget / EVALUATIONS
    most = len(run.exam.validation)
    return most if run.options.max_steps else int(min(most, max(3, 3 * seconds // per_batch)))


def _rates(run: Run, samples: Passes, per_batch: float) -> tuple[RateTry, ...]:
    """Rates tried, where the user names none and their share of the budget holds the tries."""
    questions = run.exam.validation[:6]
    needed = len(rate.FACTORS) * (rate.STEPS + len(questions) / 3) * per_batch
    share = RATE_SHARE * run.clock.budget
    if run.options.learning_rate or run.options.max_steps or not questions or needed > share:
        return ()
    usual = rate.usual(run.model.get_nb_trainable_parameters()[1])
    with (
        run.stages.stage("trying rates"),
        run.report.busy("trying learning rates"),
        head.headless(run.model) as output,
    ):
        found = rate.tries(
            run.model,
            [usual * factor for factor in rate.FACTORS],
            lambda optimizer, n: _step(run, output, samples[n], optimizer),
            lambda value: adapter.optimizer(run.model, value, run.options),
            lambda: (
                evaluate.total(questions, evaluate.answered(run.model, output, questions)).mean
                or math.inf
            ),
        )
    run.report.say("rates tried: " + ", ".join(f"{one.rate:g} → {one.loss:.3f}" for one in found))
    return found


def _step(run: Run, output: head.Head, batch: MicroBatch, optimizer: torch.optim.Optimizer) -> None:
    """One step outside the Trainer."""
    run.model.train()
    tensors = {
        name: value.to(run.model.device)
        for name, value in collate(batch.rows, run.encoder.pad).items()
    }
    with evaluate.arithmetic(run.model, output):
        hidden, labels = head.hidden_at_labels(run.model, tensors)
        loss = head.losses(hidden, output, labels).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_([p for p in run.model.parameters() if p.requires_grad], 1.0)
    optimizer.step()
    optimizer.zero_grad()


def _fitted(
    run: Run,
    samples: Passes,
    curriculum: Curriculum,
    settings: dict[str, Any],
    interruption: Interruption,
) -> TrainerState:
    run.clock.training_from = settings["training_from"]
    checkpoint = run.folder.checkpoint() if run.options.resume else None
    if checkpoint:
        curriculum.resume(checkpoint / CURRICULUM_FILE)
    run.report.say(
        f"{samples.pass_samples} samples a pass in {samples.pass_length} micro-batches, "
        f"{settings['accumulate']} a step, learning rate {settings['rate']:g}"
        + (f", going on from {checkpoint.name}" if checkpoint else "")
    )
    with run.stages.stage("training"), run.report.training(run.clock) as bar:
        fitting = Fitting(
            options=run.options,
            folder=run.folder.path,
            optimizer=adapter.optimizer(run.model, settings["rate"], run.options),
            accumulate=settings["accumulate"],
            evaluations=settings["evaluations"],
            validate=_validation(run, settings["validation"]),
            mixed=run.loaded.load_in != "fp32",
            pad=run.encoder.pad,
            pace=Pace(run.clock, run.options.max_steps),
            curriculum=curriculum,
            interruption=interruption,
            watcher=bar,
            checkpoint=checkpoint,
        )
        return fit(run.model, samples, fitting)


def _validation(run: Run, count: int) -> Callable[[head.Head], float]:
    questions = run.exam.validation[:count]

    def validate(output: head.Head) -> float:
        def ask() -> float:
            found = evaluate.answered(run.model, output, questions)
            return evaluate.total(questions, found).mean or math.inf

        return processes.by_first(ask)

    return validate


def _completed(run: Run, interruption: Interruption) -> tuple[Completion, ...]:
    """Held-out lines side by side; some are better than a budget overdrawn."""
    lines = [hole for hole in run.exam.holes if hole.kind in ("line", "end")]
    seconds = min(COMPLETION_SHARE * run.clock.budget, run.clock.left() + run.clock.reserve)
    with run.stages.stage("completing"), run.report.busy("completing held-out lines"):
        return processes.by_first(
            lambda: completions.side_by_side(
                run.model, run.loaded.tokenizer, run.encoder, lines[: run.options.completions],
                seconds - SAVING_SECONDS, interruption.asked,
            )
        )  # fmt: skip
