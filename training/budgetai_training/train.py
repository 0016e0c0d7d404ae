"""The story of a run, top to bottom: corpus, base, loss before, training, loss after, adapter."""

import dataclasses
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers

from budgetai_server.artefacts import home
from budgetai_server.artefacts.bases import Base, resolve
from budgetai_server.artefacts.manifest import AdapterManifest, BaseRecord
from budgetai_server.artefacts.storage import read_json, write_json
from budgetai_server.context.index import Index
from budgetai_server.context.prompt import PROMPT_FORMAT, Prompt
from budgetai_server.errors import AdapterError, BudgetError, OptionError
from budgetai_server.options import Seconds
from budgetai_training import adapter, corpus
from budgetai_training.base import LoadedBase, load
from budgetai_training.budget import Clock
from budgetai_training.corpus import Corpus
from budgetai_training.dataset import Encoded, Encoder, Passes
from budgetai_training.evaluate import held_out_loss
from budgetai_training.loop import SPENT_FILE, Interruption, fit
from budgetai_training.options import TrainOptions
from budgetai_training.progress import Reporter
from budgetai_training.samples import Recipe, one_pass

RUN_FILE = "run.json"
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


def train(options: TrainOptions, report: Reporter, started: float) -> Result:
    """Tune a base on a repository inside the budget. `started` is a `time.monotonic()` second."""
    work, options, spent = _place(options)
    clock = Clock(budget=float(options.budget), started=started, spent_before=spent)
    found = corpus.read(options.repo, options.seed)
    report.say(_corpus_line(found))
    base = resolve(options.base)
    with _kept_if_resumable(work):
        with report.busy(f"reading the base {base.name}"):
            record = _same_base(base, work, options)
            loaded = load(base, record.digest, options.load_in)
        transformers.set_seed(options.seed)
        model = adapter.attach(loaded.model, options.rank, loaded.load_in)
        report.say(_model_line(model, loaded, options))
        return _tune(_Run(options, work, clock, found, record, loaded, model, report))


@contextmanager
def _kept_if_resumable(work: Path) -> Iterator[None]:
    """The working folder, made now; after a failure it stays only if it holds a checkpoint."""
    work.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if work.exists() and _checkpoint(work) is None:
            shutil.rmtree(work, ignore_errors=True)
        raise


@dataclass(frozen=True)
class _Run:
    """Everything that stays the same while a run goes on."""

    options: TrainOptions
    work: Path
    clock: Clock
    corpus: Corpus
    record: BaseRecord
    loaded: LoadedBase
    model: Any
    report: Reporter


def _tune(run: _Run) -> Result:
    encoder = Encoder(run.loaded.tokenizer)
    index = Index((file.path, file.text) for file in run.corpus.train)
    held_out = _held_out_samples(run, index, encoder)
    before, used, seconds = _evaluate(run, held_out, run.clock.budget * EVALUATION_SHARE)
    run.clock.reserve = seconds * 1.2 + SAVING_SECONDS
    run.clock.training_from = run.clock.spent()
    per_step = STEP_PER_FORWARD * seconds / max(used, 1)
    if run.clock.left() < per_step:
        raise BudgetError(
            f"a budget of {run.options.budget} is too short: {run.clock.spent():.0f} s went into "
            f"loading and evaluating, and one step takes about {per_step:.0f} s",
            f"Try --budget {Seconds(60 * -(-(run.clock.spent() + 20 * per_step + 20) // 60))}",
        )
    samples = Passes(lambda number: _pass(run, index, number), encoder, MAX_PASSES)
    interruption = Interruption()
    state, losses = _fit(run, samples, per_step, interruption)
    after = None
    if not interruption.requested and state.global_step:
        after, _, _ = _evaluate(run, held_out[:used], float("inf"))
    manifest = _manifest(run, state, samples, {"before": before, "after": after}, losses, used)
    out = run.options.out or _default_out(run.work)
    adapter.save(run.model, manifest, run.work, out)
    return Result(out, manifest)


def _fit(
    run: _Run, samples: Passes, per_step: float, interruption: Interruption
) -> tuple[transformers.TrainerState, list[float]]:
    settings = _settings(run, per_step)
    checkpoint = _checkpoint(run.work) if run.options.resume else None
    run.report.say(
        f"{samples.pass_length} samples a pass, {settings['accumulate']} a step, "
        f"learning rate {settings['rate']:g}"
        + (f", going on from {checkpoint.name}" if checkpoint else "")
    )
    with run.report.training(run.clock) as bar:
        state = fit(
            run.model,
            samples,
            folder=run.work,
            max_steps=run.options.max_steps,
            seed=run.options.seed,
            clock=run.clock,
            interruption=interruption,
            watcher=bar,
            pad=run.loaded.tokenizer.pad_token_id or 0,
            mixed=run.loaded.load_in != "fp32",
            checkpoint=checkpoint,
            **settings,
        )
    return state, bar.losses


def _settings(run: _Run, per_step: float) -> dict[str, Any]:
    """Learning rate and accumulation; a resumed run keeps those it began with, or the samples
    it skips would not be those it has seen."""
    kept = read_json(run.work / RUN_FILE)
    if "settings" not in kept:
        parameters = sum(p.numel() for p in run.model.parameters())
        size_rate = 5e-4 if parameters < 300e6 else 3e-4
        affordable = run.clock.left() / max(per_step, 1e-6)
        kept["settings"] = {
            "rate": run.options.learning_rate or size_rate,
            "accumulate": int(min(8, max(1, affordable // WANTED_STEPS))),
        }
        write_json(run.work / RUN_FILE, kept)
    settings: dict[str, Any] = kept["settings"]
    return settings


def _pass(run: _Run, index: Index, number: int) -> list[Prompt]:
    seed = f"{run.options.seed}/{number}"
    return one_pass(run.corpus.name, run.corpus.train, index, seed)


def _held_out_samples(run: _Run, index: Index, encoder: Encoder) -> list[Encoded]:
    """Held-out code as the server would show it, cross-file chunks from the training files."""
    recipe = Recipe(chunk_share=1.0)
    prompts = one_pass(run.corpus.name, run.corpus.held_out, index, "held-out", recipe)
    return [encoder.encode(prompt) for prompt in prompts[:MAX_HELD_OUT_SAMPLES]]


def _evaluate(run: _Run, samples: list[Encoded], seconds: float) -> tuple[float | None, int, float]:
    """Held-out loss, the number of samples used, and how long it took."""
    if not samples:
        run.report.say("too few files to hold any out: there will be no scores")
        return None, 0, 0.0
    began = time.monotonic()
    with run.report.counting("held-out loss", len(samples)) as tick:
        loss, used = held_out_loss(run.model, samples, seconds, tick)
    run.report.say(f"held-out loss {loss:.3f} nats/token ({used} samples)")
    return loss, used, time.monotonic() - began


def _place(options: TrainOptions) -> tuple[Path, TrainOptions, float]:
    """The working folder, the options in force, and the seconds already spent on the run."""
    if options.resume:
        return _unfinished(options)
    out = options.out or home.new_adapter(options.repo)
    if out.exists():
        raise OptionError(f"--out {out} exists already", "Name a folder that does not exist")
    work = out.with_name(out.name + home.PARTIAL)
    if work.exists():
        raise OptionError(
            f"an unfinished run stands at {work}", "Add --resume to go on with it, or remove it"
        )
    return work, options, 0.0


def _unfinished(options: TrainOptions) -> tuple[Path, TrainOptions, float]:
    work = (
        options.out.with_name(options.out.name + home.PARTIAL)
        if options.out
        else home.newest_partial(options.repo)
    )
    if work is None or not (work / RUN_FILE).exists():
        raise AdapterError(
            f"no unfinished run of {options.repo} to resume", "Start one without --resume"
        )
    kept = read_json(work / RUN_FILE)["options"]
    fixed = {name: kept[name] for name in ("base", "load_in", "rank", "seed", "learning_rate")}
    checkpoint = _checkpoint(work)
    spent = float(read_json(checkpoint / SPENT_FILE)["seconds"]) if checkpoint else 0.0
    budget = Seconds(max(float(options.budget), float(kept["budget"])))
    return work, dataclasses.replace(options, **fixed, budget=budget), spent


def _checkpoint(work: Path) -> Path | None:
    """The newest complete checkpoint; the file with the time spent is written last."""
    found = [path.parent for path in work.glob(f"checkpoint-*/{SPENT_FILE}")]
    return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _default_out(work: Path) -> Path:
    return work.with_name(work.name.removesuffix(home.PARTIAL))


def _same_base(base: Base, work: Path, options: TrainOptions) -> BaseRecord:
    """The base's record; a resumed run must find the base it began with."""
    record = base.record()
    if options.resume and (kept := read_json(work / RUN_FILE)).get("base") != record.digest:
        raise AdapterError(
            f"the base {options.base} has changed since the run began ({kept.get('base', '?')[:8]}"
            f" then, {record.digest[:8]} now)",
            "Start a new run without --resume",
        )
    if not options.resume:
        kept = {"options": _plain(options), "base": record.digest}
        write_json(work / RUN_FILE, kept)
    return record


def _plain(options: TrainOptions) -> dict[str, Any]:
    values = dataclasses.asdict(options)
    return {name: str(v) if isinstance(v, Path) else v for name, v in values.items()}


def _manifest(
    run: _Run,
    state: transformers.TrainerState,
    samples: Passes,
    scores: dict[str, float | None],
    losses: list[float],
    used: int,
) -> AdapterManifest:
    last = losses[-10:]
    return AdapterManifest(
        prompt_format=PROMPT_FORMAT,
        base=run.record,
        repository=run.corpus.name,
        method="lora",
        rank=run.options.rank,
        load_in=run.loaded.load_in,
        seed=run.options.seed,
        held_out=tuple(file.path for file in run.corpus.held_out),
        counts={
            "files": len(run.corpus.train),
            "held_out_files": len(run.corpus.held_out),
            "held_out_samples": used,
            "samples_a_pass": samples.pass_length,
            "steps": state.global_step,
            "tokens": int(state.num_input_tokens_seen),
        },
        scores={
            "held_out_loss_before": scores["before"],
            "held_out_loss_after": scores["after"],
            "training_loss": sum(last) / len(last) if last else None,
        },
        seconds={
            "budget": run.clock.budget,
            "spent": round(run.clock.spent(), 1),
            "training_from": round(run.clock.training_from, 1),
        },
        versions=adapter.versions(),
        finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )


def _corpus_line(found: Corpus) -> str:
    left_out = ", ".join(f"{n} {reason}" for reason, n in sorted(found.reasons.items()))
    return f"{found.name}: {len(found.train)} files to learn, {len(found.held_out)} held out" + (
        f"; left out: {left_out}" if left_out else ""
    )


def _model_line(model: Any, loaded: LoadedBase, options: TrainOptions) -> str:
    trained, every = model.get_nb_trainable_parameters()
    return (
        f"base in {loaded.load_in}, rank {options.rank}: "
        f"{trained / 1e6:.1f} of {every / 1e6:.0f} million parameters are trained"
    )
