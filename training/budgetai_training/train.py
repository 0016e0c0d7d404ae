"""The story of a run, top to bottom: corpus, base, loss before, training, loss after, adapter."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers

from budgetai_server.artefacts.bases import resolve
from budgetai_server.artefacts.manifest import AdapterManifest, BaseRecord
from budgetai_server.context.index import Index
from budgetai_server.context.prompt import PROMPT_FORMAT
from budgetai_server.errors import BudgetError
from budgetai_server.options import Seconds
from budgetai_training import adapter
from budgetai_training.base import LoadedBase, load
from budgetai_training.budget import Clock
from budgetai_training.corpus import read as corpus
from budgetai_training.corpus.files import Corpus
from budgetai_training.dataset import Encoded, Encoder, Passes
from budgetai_training.evaluate import held_out_loss
from budgetai_training.loop import Interruption, fit
from budgetai_training.options import TrainOptions
from budgetai_training.progress import Reporter
from budgetai_training.runs import FINAL, RunFolder
from budgetai_training.samples import Recipe, Sample, one_pass

# More passes over the same text than this is memorising: held-out loss no longer falls.
MAX_PASSES = 6
# Each of the two evaluations may take this share of the budget.
EVALUATION_SHARE = 0.05
MAX_HELD_OUT_SAMPLES = 64
# Adam wants about this many updates; with more time, more samples are averaged in each.
WANTED_STEPS = 200
SAVING_SECONDS = 3.0
# A training step costs about three forward passes.
STEP_PER_FORWARD = 3.0


@dataclass(frozen=True)
class Result:
    """What a run leaves: the adapter's folder and its manifest."""

    folder: Path
    manifest: AdapterManifest


@dataclass(frozen=True)
class _Run:
    """Everything that stays the same while a run goes on."""

    options: TrainOptions
    folder: RunFolder
    clock: Clock
    corpus: Corpus
    record: BaseRecord
    loaded: LoadedBase
    model: Any
    report: Reporter


@dataclass(frozen=True)
class _Trained:
    """What came out of training; `after` is None where the run was interrupted."""

    state: transformers.TrainerState
    losses: list[float]
    before: dict[str, Any]
    after: float | None
    samples: Passes


def train(options: TrainOptions, report: Reporter, started: float) -> Result:
    """Tune a base on a repository inside the budget. `started` is a `time.monotonic()` second."""
    if options.resume:
        folder = RunFolder.unfinished(options)
        options = folder.options(options)
    else:
        folder = RunFolder.place(options)
    clock = Clock(float(options.budget), started, spent_before=folder.spent())
    with folder.kept_if_resumable():
        run = _prepared(options, folder, clock, report)
        interruption = Interruption(lambda: report.say("stopping after this step …"))
        # From here on Ctrl-C must not cost what has been learned: also not in the last evaluation
        # or while saving.
        with interruption.listening():
            return _saved(run, _tuned(run, interruption))


def _prepared(options: TrainOptions, folder: RunFolder, clock: Clock, report: Reporter) -> _Run:
    """Read the repository and the base, and put an adapter on it."""
    base = resolve(options.base)
    found = corpus.read(options.repo, options.seed)
    with report.busy(f"reading the base {base.name}"):
        record = base.record()
        if options.resume:
            folder.check_base(record.digest)
        else:
            folder.begin(options, record.digest)
        loaded = load(base, record.digest, options.load_in)
    # After a change of the files, a resumed run still holds out those it began with.
    kept = folder.once("held_out", lambda: {"paths": [file.path for file in found.held_out]})
    found = found.holding_out(kept["paths"])
    report.say(_corpus_line(found))
    transformers.set_seed(options.seed)
    model = adapter.attach(loaded.model, options.rank, loaded.load_in)
    folder.check_space(model.get_nb_trainable_parameters()[0])
    report.say(_model_line(model, loaded, options))
    return _Run(options, folder, clock, found, record, loaded, model, report)


def _tuned(run: _Run, interruption: Interruption) -> _Trained:
    encoder = Encoder(run.loaded.tokenizer)
    indexes = run.corpus.indexes()
    held_out = _held_out_samples(run, indexes, encoder)
    share = run.clock.budget * EVALUATION_SHARE
    samples = Passes(lambda number: _pass(run, indexes, number), encoder, MAX_PASSES)
    before = run.folder.once("before", lambda: _evaluated(run, held_out, share, interruption.asked))
    if interruption.asked():
        raise KeyboardInterrupt
    run.clock.reserve = before["seconds"] * 1.2 + SAVING_SECONDS
    per_step = STEP_PER_FORWARD * _forward_seconds(run, before, samples)
    _check_time(run, per_step)
    state, losses = _fitted(run, samples, per_step, interruption)
    same = held_out[: before["samples"]] if state.global_step else []
    after = _evaluated(run, same, stop=interruption.asked)["loss"]
    return _Trained(state, losses, before, after, samples)


def _forward_seconds(run: _Run, before: dict[str, Any], samples: Passes) -> float:
    """Seconds of one sample's forward pass; of a training sample where none are held out."""
    if before["samples"]:
        return float(before["seconds"]) / float(before["samples"])
    began = time.monotonic()
    held_out_loss(run.model, [samples[0]])
    return time.monotonic() - began


def _check_time(run: _Run, per_step: float) -> None:
    """Raises BudgetError where not even one step fits, with a budget that would do."""
    if run.clock.left() >= per_step:
        return
    enough = run.clock.spent() + run.clock.reserve + 20 * per_step
    raise BudgetError(
        f"a budget of {run.options.budget} is too short: {run.clock.spent():.0f} s went into "
        f"loading and evaluating, one step takes about {per_step:.0f} s, and "
        f"{run.clock.reserve:.0f} s are needed at the end",
        f"Try --budget {Seconds(60 * -(-enough // 60))}",
    )


def _fitted(
    run: _Run, samples: Passes, per_step: float, interruption: Interruption
) -> tuple[transformers.TrainerState, list[float]]:
    settings = run.folder.once("settings", lambda: _settings(run, per_step))
    run.clock.training_from = settings["training_from"]
    checkpoint = run.folder.checkpoint() if run.options.resume else None
    run.report.say(
        f"{samples.pass_length} samples a pass, {settings['accumulate']} a step, "
        f"learning rate {settings['rate']:g}"
        + (f", going on from {checkpoint.name}" if checkpoint else "")
    )
    with run.report.training(run.clock) as bar:
        state = fit(
            run.model,
            samples,
            folder=run.folder.path,
            rate=settings["rate"],
            accumulate=settings["accumulate"],
            options=run.options,
            mixed=run.loaded.load_in != "fp32",
            pad=run.loaded.tokenizer.pad_token_id or 0,
            clock=run.clock,
            interruption=interruption,
            watcher=bar,
            checkpoint=checkpoint,
        )
    return state, bar.losses


def _settings(run: _Run, per_step: float) -> dict[str, Any]:
    """Learning rate and accumulation, from the size of the base and the steps that fit."""
    parameters = run.model.get_nb_trainable_parameters()[1]
    affordable = run.clock.left() / max(per_step, 1e-6)
    return {
        "rate": run.options.learning_rate or (5e-4 if parameters < 300e6 else 3e-4),
        "accumulate": int(min(8, max(1, affordable // WANTED_STEPS))),
        "training_from": run.clock.spent(),
    }


def _pass(run: _Run, indexes: Mapping[str, Index], number: int) -> list[Sample]:
    return one_pass(run.corpus.train, indexes, f"{run.options.seed}/{number}")


def _held_out_samples(run: _Run, indexes: Mapping[str, Index], encoder: Encoder) -> list[Encoded]:
    """Held-out code as the server would show it, cross-file chunks from the training files."""
    recipe = Recipe(chunk_share=1.0)
    samples = one_pass(run.corpus.held_out, indexes, "held-out", recipe)
    return [encoder.encode(sample) for sample in samples[:MAX_HELD_OUT_SAMPLES]]


def _evaluated(
    run: _Run,
    samples: list[Encoded],
    seconds: float = float("inf"),
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Held-out loss, the number of samples used, and how long it took; no loss where there are no
    samples, or `stop` became true."""
    began = time.monotonic()
    with run.report.counting("held-out loss", len(samples)) as tick:
        loss, used = held_out_loss(run.model, samples, seconds, tick, stop)
    if not used or stop():
        run.report.say("held-out loss not measured")
        return {"loss": None, "samples": 0, "seconds": 0.0}
    run.report.say(f"held-out loss {loss:.3f} nats/token ({used} samples)")
    return {"loss": loss, "samples": used, "seconds": time.monotonic() - began}


def _saved(run: _Run, trained: _Trained) -> Result:
    manifest = AdapterManifest(
        prompt_format=PROMPT_FORMAT,
        base=run.record,
        repository=run.corpus.name,
        method="lora",
        rank=run.options.rank,
        load_in=run.loaded.load_in,
        seed=run.options.seed,
        held_out=tuple(file.path for file in run.corpus.held_out),
        counts=_counts(run, trained),
        scores={
            "held_out_loss_before": trained.before["loss"],
            "held_out_loss_after": trained.after,
            "training_loss": _mean(trained.losses[-10:]),
        },
        seconds={"budget": run.clock.budget, "spent": round(run.clock.spent(), 1)},
        versions=adapter.versions(),
        finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )
    made = run.folder.path / FINAL
    adapter.write(run.model, manifest, made)
    run.folder.finish(made)
    return Result(run.folder.out, manifest)


def _counts(run: _Run, trained: _Trained) -> dict[str, int]:
    return {
        "files": len(run.corpus.train),
        "held_out_files": len(run.corpus.held_out),
        "held_out_samples": trained.before["samples"],
        "samples_a_pass": trained.samples.pass_length,
        "steps": trained.state.global_step,
        "tokens": int(trained.state.num_input_tokens_seen),
    }


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _corpus_line(found: Corpus) -> str:
    left_out = ", ".join(f"{n} {reason}" for reason, n in sorted(found.reasons.items()))
    line = f"{found.name}: {len(found.train)} files to learn, {len(found.held_out)} held out"
    return f"{line}; left out: {left_out}" if left_out else line


def _model_line(model: Any, loaded: LoadedBase, options: TrainOptions) -> str:
    trained, every = model.get_nb_trainable_parameters()
    return (
        f"base in {loaded.load_in}, rank {options.rank}: "
        f"{trained / 1e6:.1f} of {every / 1e6:.0f} million parameters are trained"
    )
