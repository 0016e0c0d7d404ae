"""The story of a conversion: adapter → merged F16 file → quantised file → checked → in its place.

Nothing stands at the final name before every check has passed, and the manifest is there first.
"""

import dataclasses
import importlib.metadata
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from budgetai_convert import slices
from budgetai_convert.auto import Choice
from budgetai_convert.job import Job, adapter_at_rank, adapter_folder, claimed, prepared
from budgetai_convert.making import Making
from budgetai_convert.options import ConvertOptions
from budgetai_convert.outputs import lora
from budgetai_convert.outputs.card import card
from budgetai_convert.outputs.modelfile import modelfile
from budgetai_convert.progress import Begin, shown
from budgetai_convert.table import picture
from budgetai_server.artefacts.manifest import MANIFEST, AdapterManifest, ModelManifest
from budgetai_server.artefacts.storage import replaced, replaced_folder, write_json
from budgetai_server.context.prompt import PROMPT_FORMAT

VERSIONED = ("budgetai", "gguf", "llama-cpp-python", "numpy", "torch", "transformers", "peft")
BASE, ADAPTER = "base.gguf", "adapter.gguf"


@dataclass(frozen=True)
class Result:
    """A finished model, or a bundle's folder; `seconds` is the time the whole conversion took.
    `choice` is what auto measured."""

    model: Path
    manifest: ModelManifest
    seconds: float
    choice: Choice | None = None


def convert(options: ConvertOptions) -> Result:
    """Make a model file, or a bundle. Raises BudgetAIError for everything the user can mend."""
    start = time.monotonic()
    with adapter_at_rank(options) as adapter:
        job = prepared(options, adapter)
        with claimed(job.final), shown() as begin:
            making, manifest = (_bundle if job.bundle else _model)(job, begin)
    return Result(job.final, manifest, time.monotonic() - start, making.choice)


def cut(options: ConvertOptions, into: Path) -> AdapterManifest:
    """Write the adapter at its rank as a PEFT folder. Raises BudgetAIError as `convert` does."""
    with slices.at_rank(adapter_folder(options), options.rank) as adapter:
        slices.write(adapter, adapter.manifest.rank, into)
    return AdapterManifest.read(into)


def _model(job: Job, begin: Begin) -> tuple[Making, ModelManifest]:
    making = Making(job, begin)
    with replaced(job.final) as temporary:
        making.make(temporary)
        manifest = _manifest(making, temporary.stat().st_size)
        if job.card:
            _write_beside(job, making, manifest)
        # Written just before the model is renamed, so that no model is ever seen without it.
        manifest.write(job.final)
    return making, manifest


def _write_beside(job: Job, making: Making, manifest: ModelManifest) -> None:
    for suffix, text in _papers(job, making, manifest, job.final.name).items():
        with replaced(job.final.with_suffix(suffix)) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _bundle(job: Job, begin: Begin) -> tuple[Making, ModelManifest]:
    """A folder with the base as it was, quantised, and the adapter beside it."""
    assert job.adapter is not None
    with replaced_folder(job.final) as folder:
        lora.write(folder / ADAPTER, job.source, job.adapter)
        making = Making(job, begin, folder / ADAPTER)
        making.make(folder / BASE)
        manifest = _manifest(making, (folder / BASE).stat().st_size)
        names = {".Modelfile": "Modelfile", ".md": "README.md", ".svg": "auto.svg"}
        for suffix, text in _papers(job, making, manifest, BASE, ADAPTER).items():
            (folder / names[suffix]).write_text(text, encoding="utf-8")
        write_json(folder / MANIFEST, _bundle_manifest(job, manifest))
    return making, manifest


def _papers(
    job: Job, making: Making, manifest: ModelManifest, model: str, adapter: str = ""
) -> dict[str, str]:
    """The texts beside a model, by the ending of their names."""
    name = job.adapter.manifest.repository if job.adapter else job.base.name
    found = {
        ".Modelfile": modelfile(job.source.metadata, model, adapter),
        ".md": card(Path(name).name, manifest, making.choice),
    }
    return found | ({".svg": picture(making.choice)} if making.choice else {})


def _bundle_manifest(job: Job, manifest: ModelManifest) -> dict[str, object]:
    assert job.adapter is not None
    adapter = {
        "file": ADAPTER,
        "repository": job.adapter.manifest.repository,
        "rank": job.adapter.manifest.rank,
        "trained": job.adapter.folder.resolve().name,
    }
    return {"base_file": BASE, "adapters": [adapter], **dataclasses.asdict(manifest)}


def _manifest(making: Making, size: int) -> ModelManifest:
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
