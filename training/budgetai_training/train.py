"""A run, top to bottom: plan, load, split, encode, autotune, train, choose a rank, evaluate,
save."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from transformers import TrainerState

from budgetai_core.artifacts.base_models import resolve
from budgetai_core.errors import OptionError
from budgetai_core.models import base_weights
from budgetai_training import autotune, chunked_loss, layer_selection, process_group, setup
from budgetai_training.corpus.records import Corpus
from budgetai_training.evaluation import docstring_generations, held_out_loss, line_generations
from budgetai_training.evaluation.comparisons import DocstringComparison, LineComparison
from budgetai_training.evaluation.eval_set import docstring_eval_set, line_eval_set
from budgetai_training.evaluation.held_out_loss import Baseline, Loss, Question
from budgetai_training.hyperparameters import rank_selection
from budgetai_training.hyperparameters.chosen import Hyperparameters
from budgetai_training.hyperparameters.rank_selection import RankTry, Tolerance
from budgetai_training.methods import peft_adapter
from budgetai_training.methods.dylora import each_rank
from budgetai_training.model import load
from budgetai_training.options import DOCSTRING, FULL, NONE, QUICK, TrainOptions
from budgetai_training.progress_bar import Reporter
from budgetai_training.run_dir import RunFolder
from budgetai_training.samples.batching import Epochs
from budgetai_training.samples.docstring_samples import pairs_of, sample
from budgetai_training.samples.encoding import Encoder
from budgetai_training.save import Trained, TrainingResult, save
from budgetai_training.setup import Run
from budgetai_training.time_budget import Clock, Pace, Stages
from budgetai_training.trainer import FitArguments, Interruption, fit

# Share of the budget of each of the two evaluations.
EVALUATION_SHARE = 0.05
# Held-out windows of a full evaluation, the same on every machine.
FULL_WINDOWS = 32
# Lines or docstrings that are written for the report, by --evaluate, and their share of the budget.
ANSWERS = {NONE: 0, QUICK: 10, FULL: 24}
ANSWER_SHARE = 0.03
# Kept for saving, at the end of all.
SAVING_SECONDS = 4.0


def train(
    options: TrainOptions, folder: RunFolder, corpus: Corpus, reporter: Reporter, started: float
) -> TrainingResult:
    """Tune a base on a corpus inside the budget. `started` is a `time.monotonic()` second."""
    sharded = process_group.init()
    _check_processes(options, sharded=sharded)
    folder = process_group.broadcast(folder)
    clock = Clock(float(options.budget), started, spent_before=folder.spent())
    interruption = Interruption(lambda: reporter.say("stopping after this step …"))
    with folder.kept_if_resumable():
        # What went by until here was reading the repository and loading libraries.
        stages = Stages({"starting": clock.spent() - clock.spent_before})

        # Plan, and load what fits.
        base = resolve(options.base)
        with stages.stage("loading"), reporter.busy(f"reading the base {base.name}"):
            base = base_weights.fetched(base)
            options, record = setup.begin(options, folder, base)
            plan = setup.plan_memory(options, folder, base, record.digest)
            loaded = load(base, record.digest, plan.load_in)

        # Split: what is learned, what is held out.
        learned = setup.split(options, folder, corpus, reporter)
        pairs = pairs_of(corpus).among(learned.train) if options.task == DOCSTRING else None
        with stages.stage("loading"):
            model, dylora = setup.attach(options, loaded, plan, folder, sharded=sharded)
        for line in setup.describe(options, corpus, learned, plan, model, pairs, sharded=sharded):
            reporter.say(line)

        # Encode: samples to learn, questions to evaluate on.
        encoder = Encoder(loaded.tokenizer)
        if options.method == "prefix":
            setup.begin_prefix(model, learned, encoder)
        indexes = corpus.indexes()
        with stages.stage("encoding"):
            if pairs:
                eval_set = docstring_eval_set(pairs.held_out, encoder, options.seed)
            else:
                eval_set = line_eval_set(corpus, indexes, encoder, options.seed)
        run = Run(
            options, folder, clock, stages, corpus, learned, pairs, indexes, record, loaded, plan,
            model, dylora, encoder, eval_set, reporter,
        )  # fmt: skip

        # From here on Ctrl-C must not cost what has been learned: also not in the last evaluation
        # or while saving.
        with interruption.listening():
            samples = setup.epochs(run)
            baseline = _evaluate_base(run, interruption)
            if process_group.any_process(interruption.asked()):
                raise KeyboardInterrupt
            run, chosen = _autotune(run, samples, baseline)
            state = _fit(run, samples, chosen, interruption)
            ranks = _choose_rank(run, chosen.ranking, interruption)
            after = _evaluate_tuned(run, baseline, state, interruption)
            completions, drafts = _write_answers(run, interruption)
            trained = Trained(
                state=state,
                samples=samples,
                shown=state.global_step * chosen.accumulate * process_group.world_size(),
                before=baseline.losses,
                after=after,
                rates=chosen.rates,
                ranks=ranks,
                completions=completions,
                drafts=drafts,
            )
            return replace(save(run, trained), interrupted=interruption.asked())


def _check_processes(options: TrainOptions, *, sharded: bool) -> None:
    if sharded and options.method == "full":
        raise OptionError("--method full trains what FSDP would spread", "Choose plain multi-GPU")
    if sharded and options.lora.target == layer_selection.AUTO:
        raise OptionError("--lora target=auto needs a whole base in each process", "Choose another")


def _evaluate_base(run: Run, interruption: Interruption) -> Baseline:
    """Return losses at the start, of as many questions as fit into their share, or of all that a
    full evaluation has."""
    if run.options.evaluate == NONE:
        return Baseline((), 0.0)
    full = run.options.evaluate == FULL
    # Every other question is a held-out window, while there are some.
    questions = run.eval_set.report[: 2 * FULL_WINDOWS] if full else run.eval_set.report
    seconds = math.inf if full else EVALUATION_SHARE * run.clock.budget

    def evaluate() -> dict[str, Any]:
        began = time.monotonic()
        # A new adapter adds nothing yet, but a prefix does.
        plain = run.model.disable_adapter() if run.options.method == "prefix" else nullcontext()
        with plain:
            losses = _held_out_losses(run, questions, seconds, interruption.asked)
        return Baseline(tuple(losses), time.monotonic() - began).to_json()

    return Baseline.from_json(run.folder.once("before", evaluate, by_all=True))


def _held_out_losses(
    run: Run, questions: Sequence[Question], seconds: float, stop: Callable[[], bool]
) -> list[Loss]:
    """Return the losses of questions, told to the user."""
    with (
        run.stages.stage("evaluating"),
        run.reporter.counting("held-out loss", len(questions)) as tick,
        chunked_loss.headless(run.model) as output,
    ):
        losses = held_out_loss.evaluate(run.model, output, questions, seconds, tick, stop)
    total = held_out_loss.total(questions, losses)
    if total.mean is None:
        run.reporter.say("held-out loss not measured")
    else:
        run.reporter.say(f"held-out loss {total.mean:.3f} nats/token ({total.samples} samples)")
    return losses


def _autotune(run: Run, samples: Epochs, baseline: Baseline) -> tuple[Run, Hyperparameters]:
    """Divide the time, and choose layers and hyperparameters by it; a resumed run keeps to them.
    Raises BudgetError where not even one step fits."""
    full = run.options.evaluate == FULL
    answering = ANSWER_SHARE * run.clock.budget if run.options.evaluate == QUICK else 0.0
    run.clock.reserve = SAVING_SECONDS + (0.0 if full else 1.2 * baseline.seconds + answering)
    run.clock.granted = baseline.seconds if full else 0.0
    per_sample = process_group.broadcast(_sample_seconds(run, samples, baseline))
    autotune.check_time(run, per_sample)
    run = layer_selection.select_layers(run, samples, per_sample)
    decided = run.folder.once(
        "settings", lambda: autotune.decide(run, samples, per_sample).to_json(), by_all=True
    )
    chosen = Hyperparameters.from_json(decided)
    # The last evaluation on the way comes after the last step.
    per_question = run.dylora.passes * per_sample / autotune.STEP_PER_FORWARD
    run.clock.reserve += (chosen.validation + chosen.ranking) * per_question
    run.clock.training_from = chosen.training_from
    return run, chosen


def _sample_seconds(run: Run, samples: Epochs, baseline: Baseline) -> float:
    """Return seconds that a sample of full length takes in training, about; several at once take so
    many times as long on a CPU, and less on a GPU."""
    if baseline.losses:
        return autotune.STEP_PER_FORWARD * baseline.seconds / len(baseline.losses)
    began = time.monotonic()
    with chunked_loss.headless(run.model) as output:
        held_out_loss.evaluate(run.model, output, [Question(samples[0][0], ())])
    return autotune.STEP_PER_FORWARD * (time.monotonic() - began)


def _fit(
    run: Run, samples: Epochs, chosen: Hyperparameters, interruption: Interruption
) -> TrainerState:
    checkpoint = run.folder.checkpoint() if run.options.resume else None
    run.reporter.say(
        f"{samples.epoch_samples} samples a pass in {samples.epoch_length} micro-batches, "
        f"{chosen.accumulate} a step, learning rate {chosen.rate:g}"
        + (f", going on from {checkpoint.name}" if checkpoint else "")
    )
    per_step = chosen.accumulate * process_group.world_size()
    pace = Pace(run.clock, run.options.max_steps, all_steps=-(-len(samples) // per_step))
    optimizer = peft_adapter.optimizer(run.model, chosen.rate, run.options)
    questions = run.eval_set.validation[: chosen.validation]
    with run.stages.stage("training"), run.reporter.training(pace) as bar:
        fitting = FitArguments(
            options=run.options,
            folder=run.folder.path,
            optimizer=run.dylora.guard(optimizer),
            accumulate=chosen.accumulate,
            evaluations=chosen.evaluations,
            validate=lambda output: held_out_loss.by_rank(run.model, run.dylora, output, questions),
            dylora=run.dylora,
            mixed=run.loaded.load_in != "fp32",
            pad=run.encoder.pad,
            pace=pace,
            interruption=interruption,
            watcher=bar,
            checkpoint=checkpoint,
        )
        return fit(run.model, samples, fitting)


def _choose_rank(run: Run, count: int, interruption: Interruption) -> tuple[RankTry, ...]:
    """Return held-out loss at each evaluated rank by `count` questions, and the smallest rank that
    is enough: with it the run goes on. Empty where one rank alone was trained, or the user wants
    the run to end."""
    if not run.dylora.evaluated_ranks:
        return ()
    questions = run.eval_set.validation[:count]
    with (
        run.stages.stage("choosing the rank"),
        run.reporter.busy("choosing the rank"),
        chunked_loss.headless(run.model) as output,
    ):
        losses = each_rank(
            run.dylora,
            lambda: held_out_loss.evaluate(run.model, output, questions, stop=interruption.asked),
        )
    # Half of a comparison is none.
    losses = process_group.broadcast({} if interruption.asked() or not questions else losses)
    means = {rank: rank_selection.mean(answered) for rank, answered in losses.items()}
    chosen = rank_selection.select_rank(losses, Tolerance.parse(run.options.lora.tolerance))
    run.dylora.cut(chosen)
    text = ", ".join(f"{rank}: {loss:.3f}" for rank, loss in means.items())
    run.reporter.say(f"held-out loss by rank: {text if chosen else '-'}")
    return tuple(
        RankTry(rank=rank, loss=loss, chosen=rank == chosen) for rank, loss in means.items()
    )


def _evaluate_tuned(
    run: Run, baseline: Baseline, state: TrainerState, interruption: Interruption
) -> list[Loss]:
    """Return losses of what the base was asked; empty where nothing was learned, or the user wants
    the run to end before all are there."""
    if not (state.global_step and baseline.losses):
        return []
    questions = run.eval_set.report[: len(baseline.losses)]
    losses = _held_out_losses(run, questions, math.inf, interruption.asked)
    return losses if len(losses) == len(questions) else []


def _write_answers(
    run: Run, interruption: Interruption
) -> tuple[tuple[LineComparison, ...], tuple[DocstringComparison, ...]]:
    """Return held-out lines, or docstrings, of base and tuned model side by side; some are better
    than a budget overdrawn."""
    count = ANSWERS[run.options.evaluate]
    if not count:
        return (), ()
    left = run.clock.left() + run.clock.reserve - SAVING_SECONDS
    full = run.options.evaluate == FULL
    seconds = math.inf if full else min(ANSWER_SHARE * run.clock.budget, left)
    given = (run.model, run.loaded.tokenizer, run.encoder)
    if run.pairs:
        shown = [(pair, sample(pair)) for pair in run.eval_set.pairs[:count]]
        with (
            run.stages.stage("writing docstrings"),
            run.reporter.busy("writing docstrings"),
        ):
            drafts = docstring_generations.side_by_side(*given, shown, seconds, interruption.asked)
        return (), drafts
    lines = [span for span in run.eval_set.spans if span.kind in ("line", "end")][:count]
    with run.stages.stage("completing"), run.reporter.busy("completing held-out lines"):
        completions = line_generations.side_by_side(*given, lines, seconds, interruption.asked)
    return completions, ()
