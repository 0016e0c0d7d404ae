"""`budgetai-train`: the command line around `train`."""

import dataclasses
import logging
import os
import shlex
import time
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from budgetai_core import malloc_trim
from budgetai_core.artifacts.manifest import COMPARED, AdapterManifest
from budgetai_core.command import NOT_SERVED, parse, print_json, run
from budgetai_training.options import DOCSTRING, TrainOptions

if TYPE_CHECKING:
    from budgetai_training.progress_bar import Reporter
    from budgetai_training.save import TrainingResult

PROGRAM = "budgetai-train"
ABOUT = "Tune a small code model on your repository, inside a time budget, on this machine."


def main(argv: list[str] | None = None) -> int:
    started = time.monotonic()
    return run(PROGRAM, lambda: _main(argv, started))


def _main(argv: list[str] | None, started: float) -> int:
    options = parse(PROGRAM, ABOUT, TrainOptions, argv)
    options = _kept_apart(options)
    if options.dry_run:
        from budgetai_training.dry_run import show

        return show(options)
    if options.compare:
        return _compared(options)
    if options.convert:
        from budgetai_training.conversion import check_installed

        check_installed()
    _quiet_libraries()
    _save_memory()
    # Heavy imports stand here, so that --help and a wrong flag are answered at once.
    from budgetai_core.artifacts.base_models import resolve
    from budgetai_core.hardware import torch_without_its_gpu
    from budgetai_core.models import base_weights
    from budgetai_training import incremental
    from budgetai_training.corpus.load import read
    from budgetai_training.progress_bar import Reporter
    from budgetai_training.run_dir import RunFolder
    from budgetai_training.samples import docstring_samples

    # Of several processes the first one speaks.
    first = os.environ.get("RANK", "0") == "0"
    report = Reporter(quiet=options.json or not first)
    if unused := torch_without_its_gpu():
        report.say(f"torch is built for {unused}, and there is no such GPU: see budgetai doctor")
    folder, options = RunFolder.opened(options)
    _say_what_judges(options, report)
    # All three are cheap, and a mistake in them should not wait for torch.
    with report.busy("looking at the base"):
        base_weights.check(resolve(options.base))
    with report.reading() as tick:
        corpus = read(options, tick, incremental.fixed_split(options, folder.held_out()))
    if options.task == DOCSTRING:
        docstring_samples.check_enough(corpus)
    with report.busy("starting"):
        from budgetai_training.train import train
    result = train(options, folder, corpus, report, started)
    if not first:
        return 0
    if options.convert and not result.interrupted:
        return _convert(options, result, report)
    _tell(options, result)
    return 0


def _kept_apart(options: TrainOptions) -> TrainOptions:
    """Return the options of a run that goes on to a model with the newest commits held out: the
    model has to show there that it is not worse than what is served."""
    decided = options.holdout or options.resume or options.corpus
    if not options.convert or decided or options.task == DOCSTRING:
        return options
    before = AdapterManifest.read(options.continue_from) if options.continue_from else None
    if before and not before.holdout:
        # It may have learned the newest commits, and holds out files.
        return options
    # Not above: --help reads no history.
    from budgetai_core.evaluation.not_worse import LINES, MIN_LINES
    from budgetai_core.evaluation.typed_commits import newest_with

    newest = newest_with(options.repo, LINES, at_least=MIN_LINES)
    return replace(options, holdout=f"since:{newest}") if newest else options


def _say_what_judges(options: TrainOptions, report: "Reporter") -> None:
    if options.convert and options.holdout:
        since = options.holdout.partition(":")[2][:12]
        report.say(f"what was written since {since} is kept to judge the model by")


def _tell(options: TrainOptions, result: "TrainingResult", **more: Any) -> None:
    if options.json:
        told = dataclasses.asdict(result.manifest)
        print_json({"adapter": result.folder, **told, **more})
    else:
        print("\n".join([*_summary(result), f"next           {_next(result)}"]))


def _convert(options: TrainOptions, result: "TrainingResult", report: "Reporter") -> int:
    """Go on to a model. Returns the exit code of the conversion."""
    from budgetai_training import conversion

    if not options.json:
        print("\n".join(_summary(result)))
    report.say(f"converting {result.folder.name} …")
    made = conversion.convert(result.folder, options.repo, as_json=options.json)
    if options.json:
        _tell(options, result, conversion=made.told)
    if made.code not in (0, NOT_SERVED):
        report.say(f"the adapter stays; to convert it again: {_next(result)}")
    return made.code


def _compared(options: TrainOptions) -> int:
    from budgetai_training.compare import compare_methods, table

    outcomes = []
    try:
        for outcome in compare_methods(options):
            outcomes.append(outcome)
    finally:
        # After Ctrl-C too: what there is has taken long.
        if options.json:
            print_json([dataclasses.asdict(outcome) for outcome in outcomes])
        elif outcomes:
            print(table(outcomes))
    return 0


def _quiet_libraries() -> None:
    """Silence libraries: what they say concerns their developers."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    warnings.simplefilter("ignore", FutureWarning)


def _save_memory() -> None:
    """Tell torch, which must not be loaded yet, to keep little that it has no use for any more."""
    # For each length of a batch that a CPU with matrix instructions has met, kernels are kept, up
    # to 1,024 twice over, of 0.6 MiB each. A micro-batch needs some 30.
    for cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(cache, "64")
    if malloc_trim.huge_pages():
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
        malloc_trim.map_large_blocks()


def _next(result: "TrainingResult") -> str:
    if result.manifest.kind in COMPARED:
        return f"none: what was trained by {result.manifest.kind} cannot be converted"
    return shlex.join(["budgetai-convert", str(result.folder)])


def _rank(manifest: "AdapterManifest") -> list[str]:
    if not manifest.chosen_rank:
        return []
    losses = ", ".join(f"{rank}: {loss:.3f}" for rank, loss in manifest.rank_losses.items())
    return [f"rank           {manifest.chosen_rank} of {manifest.rank} is enough ({losses})"]


def _summary(result: "TrainingResult") -> list[str]:
    manifest = result.manifest
    before, after = (manifest.scores[f"held_out_loss_{when}"] for when in ("before", "after"))
    losses = "not measured"
    if before is not None:
        losses = f"{before:.3f} before, " + (
            f"{after:.3f} after" if after else "not measured after"
        )
    return [
        f"held-out loss  {losses} (nats per token)",
        *_rank(manifest),
        f"trained        {manifest.counts['steps']} steps, {manifest.counts['tokens']} tokens, "
        f"{manifest.seconds['spent']:.0f} s of {manifest.seconds['budget']:.0f} s",
        f"adapter        {result.folder}",
        f"report         {result.page or 'could not be written'}",
    ]
