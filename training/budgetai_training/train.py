"""The story of a run, top to bottom: losses before, learning rate, training, losses after."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from transformers import TrainerState

from budgetai_core.errors import OptionError, RepositoryError
from budgetai_training import autotune, chunked_loss, generations, layer_selection, process_group
from budgetai_training.corpus.records import Corpus
from budgetai_training.evaluation import held_out_loss
from budgetai_training.evaluation.held_out_loss import Loss, Question
from budgetai_training.fit_arguments import FitArguments
from budgetai_training.hyperparameters import rank_selection
from budgetai_training.hyperparameters.mixture import Mixture
from budgetai_training.hyperparameters.rank_selection import Tolerance
from budgetai_training.interruption import Interruption
from budgetai_training.methods import peft_adapter
from budgetai_training.methods.dylora import by_rank
from budgetai_training.options import COMPLETION, DOCSTRING, FULL, NONE, QUICK, TrainOptions
from budgetai_training.progress_bar import Reporter
from budgetai_training.report.schema import RankTry, RateTry
from budgetai_training.run_dir import RunFolder
from budgetai_training.samples.batching import Epochs
from budgetai_training.samples.docstring_samples import Pairs, one_round, sample
from budgetai_training.samples.epoch import epoch
from budgetai_training.samples.sample import Sample
from budgetai_training.save import Result, Trained, save
from budgetai_training.setup import WINDOW, Run, prepare
from budgetai_training.time_budget import Clock, Pace
from budgetai_training.trainer import fit

# More is learning by heart. After the first pass over 93,000 tokens held-out loss fell no more, for
# SmolLM2 and Qwen 0.5B alike; a rate that fell over six passes was still high at the best state,
# which ended worse than one that fell over 1.5 passes (1.418 against 1.393; 0.890 and 0.879).
USUAL_PASSES = {COMPLETION: 2, DOCSTRING: 6}
# Share of the budget of each of the two evaluations.
EVALUATION_SHARE = 0.05
# Held-out windows of a full evaluation, the same on every machine.
FULL_WINDOWS = 32


def train(
    options: TrainOptions, folder: RunFolder, found: Corpus, report: Reporter, started: float
) -> Result:
    """Tune a base on a corpus inside the budget. `started` is a `time.monotonic()` second."""
    spread = process_group.meet()
    _check_processes(options, spread=spread)
    folder = process_group.agreed(folder)
    clock = Clock(float(options.budget), started, spent_before=folder.spent())
    with folder.kept_if_resumable():
        run = prepare(options, folder, clock, found, report, spread=spread)
        interruption = Interruption(lambda: report.say("stopping after this step …"))
        # From here on Ctrl-C must not cost what has been learned: also not in the last evaluation
        # or while saving.
        with interruption.listening():
            return save(*_trained(run, interruption))


def _check_processes(options: TrainOptions, *, spread: bool) -> None:
    if spread and options.method == "full":
        raise OptionError("--method full trains what FSDP would spread", "Choose plain multi-GPU")
    if spread and options.lora.target == layer_selection.AUTO:
        raise OptionError("--lora target=auto needs a whole base in each process", "Choose another")


def _trained(run: Run, interruption: Interruption) -> tuple[Run, Trained]:
    """What came out, and the run with the layers that were settled on."""
    samples = _passes(run)
    before = _before(run, interruption)
    if process_group.any_of(interruption.asked()):
        raise KeyboardInterrupt
    run.clock.reserve = _reserve(run, before)
    run.clock.granted = before["seconds"] if run.options.evaluate == FULL else 0.0
    per_batch = process_group.agreed(autotune.batch_seconds(run, before, samples))
    autotune.check_time(run, per_batch)
    run = layer_selection.select_layers(run, samples, per_batch)
    decided = run.folder.once(
        "settings", lambda: autotune.decide(run, samples, per_batch), by_all=True
    )
    # The last evaluation on the way comes after the last step.
    per_question = run.nested.passes * per_batch / autotune.STEP_PER_FORWARD
    run.clock.reserve += (decided["validation"] + decided["ranking"]) * per_question
    state = _fitted(run, samples, decided, interruption)
    ranks = _ranked(run, decided["ranking"], interruption)
    asked = run.exam.report[: len(before["losses"])] if state.global_step else ()
    after = _asked(run, asked, stop=interruption.asked)
    return run, Trained(
        state=state,
        samples=samples,
        shown=state.global_step * decided["accumulate"] * process_group.count(),
        before=[Loss(*loss) for loss in before["losses"]],
        after=after if len(after) == len(asked) else [],
        rates=tuple(RateTry(**one) for one in decided["rates"]),
        ranks=ranks,
        completions=generations.completed(run, interruption),
        drafts=generations.drafted(run, interruption),
    )


def _passes(run: Run) -> Epochs:
    # About three characters are a token of code.
    characters = 3 * run.plan.window * run.plan.batch
    passes = Epochs(_laid_out(run), run.encoder, _most_passes(run), characters)
    if not passes.pass_length:
        raise RepositoryError("there is nothing to learn", "Give the files in --corpus more weight")
    return passes


def _most_passes(run: Run) -> int:
    """A pass has a micro-batch at least, so there are enough for --max-steps."""
    needed = run.options.max_steps * run.plan.accumulate
    return run.options.passes or needed or USUAL_PASSES[run.options.task]


def _laid_out(run: Run) -> Callable[[int], list[Sample]]:
    """The samples of a pass, by its number."""
    if run.pairs:
        return _docstrings(run, run.pairs)
    recipe = Mixture.parse(run.options.recipe).scaled(run.plan.window / WINDOW)

    def lay_out(number: int) -> list[Sample]:
        return epoch(run.learned.train, run.indexes, f"{run.options.seed}/{number}", recipe)

    return lay_out


def _docstrings(run: Run, pairs: Pairs) -> Callable[[int], list[Sample]]:
    """Each pair once in a pass, always with the same prompt, the server's; less of it where there
    is little memory."""
    if not pairs.train:
        raise RepositoryError("no docstring is new", "Come back after some commits")
    share = run.plan.window / WINDOW
    samples = [sample(pair, share) for pair in pairs.train]
    return lambda number: one_round(samples, f"{run.options.seed}/{number}")


def _before(run: Run, interruption: Interruption) -> dict[str, Any]:
    """Losses at the start, of as many questions as fit into their share, or of all that a full
    evaluation has, and the time they took."""
    if run.options.evaluate == NONE:
        return {"losses": [], "seconds": 0.0}
    full = run.options.evaluate == FULL

    def ask() -> dict[str, Any]:
        began = time.monotonic()
        share = math.inf if full else run.clock.budget * EVALUATION_SHARE
        # Every other question is a held-out window, while there are some.
        questions = run.exam.report[: 2 * FULL_WINDOWS] if full else run.exam.report
        # A new adapter adds nothing yet, but a prefix does.
        plain = run.model.disable_adapter() if run.options.method == "prefix" else nullcontext()
        with plain:
            found = _asked(run, questions, share, interruption.asked)
        return {
            "losses": [(loss.total, loss.tokens, loss.samples) for loss in found],
            "seconds": time.monotonic() - began,
        }

    return run.folder.once("before", ask, by_all=True)


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
        chunked_loss.headless(run.model) as output,
    ):
        found = held_out_loss.evaluate(run.model, output, questions, seconds, tick, stop)
    total = held_out_loss.total(questions, found)
    if total.mean is None:
        run.report.say("held-out loss not measured")
    else:
        run.report.say(f"held-out loss {total.mean:.3f} nats/token ({total.samples} samples)")
    return found


def _reserve(run: Run, before: dict[str, Any]) -> float:
    """Seconds kept for what comes after training."""
    if run.options.evaluate == FULL:
        return generations.SAVING_SECONDS
    completing = generations.SHARE * run.clock.budget if run.options.evaluate == QUICK else 0.0
    return float(before["seconds"]) * 1.2 + completing + generations.SAVING_SECONDS


def _fitted(
    run: Run, samples: Epochs, decided: dict[str, Any], interruption: Interruption
) -> TrainerState:
    run.clock.training_from = decided["training_from"]
    checkpoint = run.folder.checkpoint() if run.options.resume else None
    run.report.say(
        f"{samples.pass_samples} samples a pass in {samples.pass_length} micro-batches, "
        f"{decided['accumulate']} a step, learning rate {decided['rate']:g}"
        + (f", going on from {checkpoint.name}" if checkpoint else "")
    )
    each = decided["accumulate"] * process_group.count()
    pace = Pace(run.clock, run.options.max_steps, all_steps=-(-len(samples) // each))
    with run.stages.stage("training"), run.report.training(pace) as bar:
        fitting = FitArguments(
            options=run.options,
            folder=run.folder.path,
            optimizer=run.nested.guard(
                peft_adapter.optimizer(run.model, decided["rate"], run.options)
            ),
            accumulate=decided["accumulate"],
            evaluations=decided["evaluations"],
            validate=_validation(run, decided["validation"]),
            nested=run.nested,
            mixed=run.loaded.load_in != "fp32",
            pad=run.encoder.pad,
            pace=pace,
            interruption=interruption,
            watcher=bar,
            checkpoint=checkpoint,
        )
        return fit(run.model, samples, fitting)


def _validation(run: Run, count: int) -> Callable[[chunked_loss.Head], dict[int, float]]:
    questions = run.exam.validation[:count]

    def validate(output: chunked_loss.Head) -> dict[int, float]:
        return autotune.losses_by_rank(run, output, questions)

    return validate


def _ranked(run: Run, count: int, interruption: Interruption) -> tuple[RankTry, ...]:
    """Held-out loss at each judged rank, and the smallest rank that is enough: with it the run goes
    on. Empty where one rank alone was trained, or the user wants the run to end."""
    if not run.nested.judged:
        return ()
    found = process_group.agreed(_answered_by_rank(run, count, interruption))
    means = {rank: rank_selection.mean(losses) for rank, losses in found.items()}
    chosen = rank_selection.select_rank(found, Tolerance.parse(run.options.lora.tolerance))
    run.nested.cut(chosen)
    told = ", ".join(f"{rank}: {loss:.3f}" for rank, loss in means.items())
    run.report.say(f"held-out loss by rank: {told}" if chosen else "held-out loss by rank: -")
    return tuple(
        RankTry(rank=rank, loss=loss, chosen=rank == chosen) for rank, loss in means.items()
    )


def _answered_by_rank(run: Run, count: int, interruption: Interruption) -> dict[int, list[Loss]]:
    questions = run.exam.validation[:count]
    with (
        run.stages.stage("choosing the rank"),
        run.report.busy("choosing the rank"),
        chunked_loss.headless(run.model) as output,
    ):
        found = by_rank(
            run.nested,
            lambda: held_out_loss.evaluate(run.model, output, questions, stop=interruption.asked),
        )
    # Half of a comparison is none.
    return {} if interruption.asked() or not questions else found
