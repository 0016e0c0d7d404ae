"""Several methods side by side: each trained in a process of its own with one budget, one table.

The corpus, the samples and what is held out depend on the seed alone, and are the same for all. So
are the windows and lines that are evaluated, in time beyond the budget: what fits into a share of
it would be other ones for each.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from budgetai_core.artifacts import layout
from budgetai_core.artifacts.manifest import MANIFEST, AdapterManifest
from budgetai_core.command import flags
from budgetai_core.errors import AdapterError, OptionError
from budgetai_training.evaluation.comparisons import is_exact
from budgetai_training.options import FULL, TrainOptions
from budgetai_training.report import report_files as report
from budgetai_training.report.schema import Report

_HEADS = (
    "method", "rank", "parameters", "memory MB", "training s", "held-out loss", "exact", "adapter",
)  # fmt: skip


@dataclass(frozen=True)
class MethodResult:
    """What a method led to. `seconds` were spent on training; `exact` counts held-out lines
    completed as they stand, of `lines`."""

    method: str
    rank: int
    parameters: int
    memory: int | None
    seconds: float
    loss: float | None
    exact: int
    lines: int
    adapter: str


def compare_methods(options: TrainOptions) -> Iterator[MethodResult]:
    """Train by each method in turn; the base comes first, once something is known of it. A method
    that fails has said why, and is left out. Raises AdapterError where all have failed."""
    out = options.out or layout.new_adapter(options.repo)
    if out.exists():
        raise OptionError(f"--out {out} exists already", "Name a folder that does not exist")
    trained = False
    for method in options.compare.split(","):
        folder = out / method
        print(f"--- {method}", file=sys.stderr, flush=True)
        _train(replace(options.of_method(method, folder), evaluate=FULL))
        if not (folder / MANIFEST).exists():
            continue
        manifest, run_report = AdapterManifest.read(folder), report.read(folder)
        if not trained:
            yield _base(run_report)
        trained = True
        yield _outcome(manifest, run_report, folder)
    if not trained:
        raise AdapterError("no method could be trained")


def _train(options: TrainOptions) -> None:
    command = [sys.executable, "-P", "-m", "budgetai_training", *flags(options)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        process.wait()
    except KeyboardInterrupt:
        # It has had the signal too, and is saving what it has learned.
        process.wait()
        raise


def _base(run_report: Report) -> MethodResult:
    whole = next((group for group in run_report.held_out if group.by == "all"), None)
    exact = sum(is_exact(line.base, line.expected) for line in run_report.completions)
    lines = len(run_report.completions)
    loss = whole.before if whole else None
    return MethodResult("base", 0, 0, None, 0.0, loss, exact, lines, "")


def _outcome(manifest: AdapterManifest, run_report: Report, folder: Path) -> MethodResult:
    return MethodResult(
        method=manifest.method,
        rank=manifest.usual_rank,
        parameters=run_report.trained_parameters,
        memory=run_report.memory.peak if run_report.memory else None,
        seconds=sum(stage.seconds for stage in run_report.stages if stage.name == "training"),
        loss=manifest.scores["held_out_loss_after"],
        exact=sum(is_exact(line.tuned, line.expected) for line in run_report.completions),
        lines=len(run_report.completions),
        adapter=str(folder),
    )


def table(outcomes: Sequence[MethodResult]) -> str:
    """Return columns for a terminal."""
    rows = [_HEADS, *map(_row, outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _row(outcome: MethodResult) -> tuple[str, ...]:
    return (
        outcome.method,
        str(outcome.rank or "-"),
        f"{outcome.parameters:,}" if outcome.parameters else "-",
        f"{outcome.memory / 1e6:,.0f}" if outcome.memory else "-",
        f"{outcome.seconds:.0f}" if outcome.seconds else "-",
        "-" if outcome.loss is None else f"{outcome.loss:.3f}",
        f"{outcome.exact} of {outcome.lines}" if outcome.lines else "-",
        outcome.adapter,
    )
