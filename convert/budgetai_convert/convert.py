"""The story of a conversion: adapter → merged F16 file → quantised file → checked → in its place.

Nothing stands at the final name before every check has passed, and the manifest is there first.
"""

import dataclasses
import importlib.metadata
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from budgetai_convert import inputs, write_bundle
from budgetai_convert.formats.modelfile import modelfile
from budgetai_convert.lock import locked
from budgetai_convert.model import rank_truncation
from budgetai_convert.model.adapter import Adapter
from budgetai_convert.model_card import card
from budgetai_convert.options import ConvertOptions
from budgetai_convert.pipeline import Pipeline
from budgetai_convert.plan import Plan, further, joining, make_plan
from budgetai_convert.progress_line import Begin, shown
from budgetai_convert.quantize.auto import Choice
from budgetai_convert.quantize.quantize_report import picture
from budgetai_core.artifacts.atomic_write import replaced, replaced_folder
from budgetai_core.artifacts.bundle import AdapterEntry
from budgetai_core.artifacts.manifest import AdapterManifest, ModelManifest
from budgetai_core.context.prompt import PROMPT_FORMAT
from budgetai_core.errors import OptionError

VERSIONED = ("budgetai", "gguf", "llama-cpp-python", "numpy", "torch", "transformers", "peft")


@dataclass(frozen=True)
class Result:
    """A finished model, or a bundle's folder with the `entries` that were made for it; `seconds`
    is the time the whole conversion took. `choice` is what auto measured."""

    model: Path
    manifest: ModelManifest
    seconds: float = 0.0
    choice: Choice | None = None
    entries: tuple[AdapterEntry, ...] = ()


def convert(options: ConvertOptions) -> Result:
    """Make a model file or a bundle, or add to one. Raises BudgetAIError for everything the user
    can mend."""
    start = time.monotonic()
    with inputs.adapters(options) as adapters:
        made = (_added if options.add_to else _made)(options, adapters)
    return dataclasses.replace(made, seconds=time.monotonic() - start)


def _made(options: ConvertOptions, adapters: Sequence[Adapter]) -> Result:
    if len(adapters) > 1 and not options.bundle:
        raise OptionError(f"{len(adapters)} adapters at once", "Use --bundle to keep them apart")
    job = make_plan(options, adapters[0] if adapters else None)
    jobs = [job]
    for adapter in adapters[1:]:
        names = [one.entry.name for one in jobs if one.entry]
        jobs.append(further(job, adapter, options, names))
    with locked(job.final), shown() as begin:
        return _bundle(jobs, begin) if options.bundle else _model(job, begin)


def _added(options: ConvertOptions, adapters: Sequence[Adapter]) -> Result:
    """Each adapter by itself: what is there already stays, if one of them fails."""
    assert options.add_to is not None
    if options.bundle or options.out:
        raise OptionError("--add-to names a bundle that is there", "Leave --bundle and --out out")
    found = write_bundle.find(options.add_to)
    laid = []
    for adapter in adapters:
        job = joining(options, adapter, found.quant, found.digest)
        with locked(job.final), shown() as begin:
            laid.append(write_bundle.add(found, job, begin))
    manifest = _manifest(laid[-1].making, (found.folder / write_bundle.BASE).stat().st_size)
    return Result(found.folder, manifest, entries=tuple(one.entry for one in laid))


def cut(options: ConvertOptions, into: Path) -> AdapterManifest:
    """Write the adapter at its rank as a PEFT folder. Raises BudgetAIError as `convert` does."""
    folder = inputs.only_adapter(options)
    with rank_truncation.at_rank(folder, options.rank, options.base) as adapter:
        rank_truncation.write(adapter, adapter.manifest.rank, into)
    return AdapterManifest.read(into)


def _model(job: Plan, begin: Begin) -> Result:
    making = Pipeline(job, begin)
    with replaced(job.final) as temporary:
        making.make(temporary)
        manifest = _manifest(making, temporary.stat().st_size)
        if job.card:
            _write_beside(job, making, manifest)
        # Written just before the model is renamed, so that no model is ever seen without it.
        manifest.write(job.final)
    return Result(job.final, manifest, choice=making.choice)


def _write_beside(job: Plan, making: Pipeline, manifest: ModelManifest) -> None:
    papers = _papers(making, manifest) | {
        ".Modelfile": modelfile(job.source.metadata, job.final.name)
    }
    for suffix, text in papers.items():
        with replaced(job.final.with_suffix(suffix)) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _bundle(jobs: Sequence[Plan], begin: Begin) -> Result:
    """A folder with the base as it was, quantised, and the adapters beside it."""
    with replaced_folder(jobs[0].final) as folder:
        laid = write_bundle.create(folder, jobs, begin)
        making = laid[0].making
        manifest = _manifest(making, (folder / write_bundle.BASE).stat().st_size)
        names = {".md": "README.md", ".svg": "auto.svg"}
        for suffix, text in _papers(making, manifest).items():
            (folder / names[suffix]).write_text(text, encoding="utf-8")
        write_bundle.describe(folder, manifest, laid)
    entries = tuple(one.entry for one in laid)
    return Result(jobs[0].final, manifest, choice=making.choice, entries=entries)


def _papers(making: Pipeline, manifest: ModelManifest) -> dict[str, str]:
    """A model card, and the picture of what auto measured, by the ending of their names."""
    card_text = card(making.job.title, manifest, making.choice)
    return {".md": card_text} | ({".svg": picture(making.choice)} if making.choice else {})


def _manifest(making: Pipeline, size: int) -> ModelManifest:
    job = making.job
    trained = job.adapter.manifest if job.adapter else None
    return ModelManifest(
        prompt_format=PROMPT_FORMAT,
        base=trained.base if trained else job.base.record(),
        adapter=job.adapter.folder.resolve().name if job.adapter else "",
        rank=trained.rank if trained else 0,
        quant=making.choice.chosen.name if making.choice else job.quant,
        size=size,
        held_out=trained.held_out if trained else (),
        also=trained.also if trained else (),
        holdout=trained.holdout if trained else "",
        scores=trained.scores if trained else {},
        checks=making.checks,
        versions=_versions(),
        notes=making.notes,
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in VERSIONED:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
