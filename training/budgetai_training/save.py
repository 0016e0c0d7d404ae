"""What a run leaves: the adapter with its manifest, and the report."""

import contextlib
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast

from transformers import TrainerState

from budgetai_core.artifacts.manifest import AdapterManifest
from budgetai_core.context.prompt import PROMPT_FORMAT
from budgetai_training import memory_plan, process_group
from budgetai_training.evaluation import held_out_loss
from budgetai_training.evaluation.comparisons import DocstringComparison, LineComparison
from budgetai_training.evaluation.eval_set import GENERAL, GENERAL_WHAT
from budgetai_training.evaluation.held_out_loss import ALL, Loss
from budgetai_training.hyperparameters.chosen import RateTry
from budgetai_training.hyperparameters.rank_selection import RankTry
from budgetai_training.methods import peft_adapter
from budgetai_training.options import TrainOptions
from budgetai_training.report import report_files as report
from budgetai_training.report.schema import (
    By,
    FileRow,
    Forgetting,
    Group,
    Memory,
    Point,
    Report,
)
from budgetai_training.run_dir import FINAL, LOGS
from budgetai_training.samples.batching import Epochs
from budgetai_training.setup import Run

Groups = dict[tuple[str, str], Loss]
_ORDER = ("all", "language", "style", "hole")
_OF_THIS_CALL = ("json", "dry_run", "resume", "convert")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What came out of training; `after` is empty where the run was interrupted. `shown` counts
    micro-batches."""

    state: TrainerState
    samples: Epochs
    shown: int
    before: Sequence[Loss]
    after: Sequence[Loss]
    rates: tuple[RateTry, ...]
    ranks: tuple[RankTry, ...]
    completions: tuple[LineComparison, ...]
    drafts: tuple[DocstringComparison, ...]


@dataclass(frozen=True)
class TrainingResult:
    """A finished run: the adapter's folder and its manifest. `page` is its report, if written;
    `interrupted` says that the user ended it."""

    folder: Path
    manifest: AdapterManifest
    page: Path | None
    interrupted: bool = False


def save(run: Run, trained: Trained) -> TrainingResult:
    """Write everything, move it to its place, and remove the run's own folder."""
    before = held_out_loss.grouped(run.eval_set.report, trained.before)
    after = held_out_loss.grouped(run.eval_set.report, trained.after)
    manifest = _manifest(run, trained, before, after)
    page = run.folder.out / report.PAGE
    if process_group.is_main():
        made = run.folder.path / FINAL
        with run.stages.stage("saving"):
            peft_adapter.write(run.model, manifest, made)
        # The adapter is safe; a page that cannot be written is not a reason to lose it.
        with contextlib.suppress(OSError):
            report.write(_report(run, trained, manifest, before, after), made)
        logs = run.folder.path / LOGS
        if logs.exists():
            shutil.move(logs, made / LOGS)
        run.folder.finish(made)
    process_group.broadcast(True)
    return TrainingResult(run.folder.out, manifest, page if page.exists() else None)


def _manifest(run: Run, trained: Trained, before: Groups, after: Groups) -> AdapterManifest:
    history = trained.state.log_history
    losses = [entry["loss"] for entry in history if "loss" in entry]
    return AdapterManifest(
        prompt_format=PROMPT_FORMAT,
        base=run.record,
        repository=run.corpus.name,
        task=run.options.task,
        method=peft_adapter.method(run.model, run.options),
        rank=peft_adapter.size(run.model),
        load_in=run.loaded.load_in,
        seed=run.options.seed,
        held_out=run.corpus.held_out_names,
        holdout=run.corpus.holdout,
        also=run.corpus.also,
        learned=_learned(run, trained),
        chosen_rank=next((rank.rank for rank in trained.ranks if rank.chosen), 0),
        rank_losses={str(r.rank): r.loss for r in trained.ranks if r.loss is not None},
        counts=_counts(run, trained),
        scores={
            "held_out_loss_before": _mean(before.get(ALL)),
            "held_out_loss_after": _mean(after.get(ALL)),
            "general_loss_before": _mean(before.get(GENERAL)),
            "general_loss_after": _mean(after.get(GENERAL)),
            "training_loss": sum(losses[-10:]) / len(losses[-10:]) if losses else None,
        },
        seconds={"budget": run.clock.budget, "spent": round(run.clock.spent(), 1)},
        versions=peft_adapter.versions(),
        finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )


def _learned(run: Run, trained: Trained) -> dict[str, str]:
    """Return the digest of each text that was shown, now or to the adapter that was gone on from.
    Where the time ended within the first epoch, --continue-from shows the others."""
    folder = run.options.continue_from
    known = AdapterManifest.read(folder).learned if folder else {}
    keys = {file.key for file in run.learned.train}
    if trained.shown < trained.samples.epoch_length:
        keys &= trained.samples.begun_with(trained.shown)
    shown = {run.corpus.name_of(file) for file in run.learned.train if file.key in keys}
    every = run.corpus.digests()
    return {name: sha for name, sha in every.items() if name in shown or known.get(name) == sha}


def _counts(run: Run, trained: Trained) -> dict[str, int]:
    docstrings = {}
    if run.pairs:
        docstrings = {
            "docstrings": len(run.pairs.train), "held_out_docstrings": len(run.pairs.held_out),
        }  # fmt: skip
    return docstrings | {
        "files": len(run.learned.train),
        "held_out_files": len(run.corpus.held_out),
        "held_out_samples": held_out_loss.total(run.eval_set.report, trained.before).samples,
        "samples_a_pass": trained.samples.epoch_samples,
        "steps": trained.state.global_step,
        "best_step": _best_step(trained.state),
        "tokens": int(trained.state.num_input_tokens_seen),
        "peak_memory": memory_plan.used_at_most(),
    }


def _best_step(state: TrainerState) -> int:
    """Return the step whose state was kept: the last, or the best whose checkpoint could be
    written."""
    best = state.best_model_checkpoint
    return int(best.rpartition("-")[2]) if best else state.global_step


def _mean(loss: Loss | None) -> float | None:
    return loss.mean if loss else None


def _report(
    run: Run, trained: Trained, manifest: AdapterManifest, before: Groups, after: Groups
) -> Report:
    trained_parameters, parameters = peft_adapter.parameters(run.model)
    history = trained.state.log_history
    return Report(
        repository=manifest.repository,
        base=manifest.base.location,
        method=manifest.method,
        rank=manifest.rank,
        load_in=manifest.load_in,
        seed=manifest.seed,
        finished=manifest.finished,
        budget=run.clock.budget,
        spent=run.clock.spent(),
        parameters=parameters,
        trained_parameters=trained_parameters,
        stages=run.stages.spent,
        corpus=tuple(_row(run, row) for row in run.corpus.rows),
        curve=_points(history, "loss"),
        validation=_points(history, "eval_loss"),
        held_out=_held_out(before, after),
        rates=trained.rates,
        ranks=trained.ranks,
        memory=Memory(
            predicted=run.plan.predicted,
            peak=manifest.counts["peak_memory"],
            available=run.plan.available,
            notes=run.plan.notes,
        ),
        forgetting=_forgetting(manifest),
        completions=trained.completions,
        task=manifest.task,
        docstrings=run.pairs.counts if run.pairs else None,
        drafts=trained.drafts,
        options=_options_given(run.options),
        notes=_notes(trained),
        versions=manifest.versions,
    )


def _row(run: Run, row: Any) -> FileRow:
    part = row.part if not row.reason else "out"
    return FileRow(
        repository=row.repository,
        path=row.path,
        language=row.language,
        part=cast(Literal["train", "held-out", "out"], part),
        reason=row.reason,
        lines=row.lines,
        characters=row.characters,
        weight=row.weight,
        secrets=dict(row.secrets),
    )


def _points(history: Sequence[dict[str, Any]], name: str) -> tuple[Point, ...]:
    return tuple(
        Point(
            step=entry["step"],
            seconds=entry.get("seconds", 0.0),
            tokens=int(entry.get("num_input_tokens_seen", 0)),
            loss=entry[name],
            rate=entry.get("learning_rate"),
        )
        for entry in history
        if name in entry
    )


def _held_out(before: Groups, after: Groups) -> tuple[Group, ...]:
    names = [key for key in before if key[0] in _ORDER]
    return tuple(
        Group(
            by=cast(By, by),
            name=name or "all",
            samples=before[by, name].samples,
            tokens=before[by, name].tokens,
            before=before[by, name].mean,
            after=_mean(after.get((by, name))),
        )
        for by, name in sorted(names, key=lambda key: (_ORDER.index(key[0]), key))
    )


def _forgetting(manifest: AdapterManifest) -> Forgetting | None:
    before, after = (manifest.scores[f"general_loss_{when}"] for when in ("before", "after"))
    if before is None or after is None:
        return None
    return Forgetting(what=GENERAL_WHAT, before=before, after=after)


def _options_given(options: TrainOptions) -> dict[str, str]:
    """Return the options with a value of their own."""
    usual = TrainOptions()
    names = [field.name for field in fields(options) if field.name not in _OF_THIS_CALL]
    given = {name: getattr(options, name) for name in names}
    return {n: str(v) for n, v in given.items() if v is not None and v != getattr(usual, n)}


def _notes(trained: Trained) -> tuple[str, ...]:
    notes = []
    best, last = _best_step(trained.state), trained.state.global_step
    if best < last and trained.after:
        notes.append(f"Held-out loss was lowest after step {best} of {last}; that state was kept.")
    if not trained.after:
        notes.append("The run was interrupted, or had no time left, before it was evaluated.")
    return tuple(notes)
