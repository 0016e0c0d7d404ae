"""What stands beside a model: its manifest, a model card, and the picture of what auto measured."""

import importlib.metadata
from collections.abc import Mapping
from contextlib import suppress

from budgetai_convert.formats.modelfile import modelfile
from budgetai_convert.options import PROGRAM
from budgetai_convert.plan import ConversionPlan, Variant
from budgetai_convert.quantize.auto import Choice
from budgetai_convert.quantize.quantize_report import picture, table
from budgetai_core.artifacts.atomic_write import replaced
from budgetai_core.artifacts.manifest import ModelManifest
from budgetai_core.context.prompt import PROMPT_FORMAT

_VERSIONED = ("budgetai", "gguf", "llama-cpp-python", "numpy", "torch", "transformers", "peft")


def manifest_of(
    plan: ConversionPlan,
    variant: Variant,
    size: int,
    checks: Mapping[str, float],
    notes: Mapping[str, str],
    choice: Choice | None,
) -> ModelManifest:
    """Return what is known of a model of `size` bytes that has passed its `checks`."""
    trained = variant.adapter.manifest if variant.adapter else None
    return ModelManifest(
        prompt_format=PROMPT_FORMAT,
        base=trained.base if trained else plan.base.record(),
        adapter=variant.adapter.folder.resolve().name if variant.adapter else "",
        rank=trained.rank if trained else 0,
        task=trained.task if trained else "completion",
        quant=choice.chosen.name if choice else plan.quant,
        size=size,
        held_out=trained.held_out if trained else (),
        also=trained.also if trained else (),
        holdout=trained.holdout if trained else "",
        scores=trained.scores if trained else {},
        checks=dict(checks),
        versions=_versions(),
        notes=dict(notes),
    )


def _versions() -> dict[str, str]:
    versions = {}
    for name in _VERSIONED:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def write_sidecars(
    plan: ConversionPlan, variant: Variant, manifest: ModelManifest, choice: Choice | None
) -> None:
    """Write model card, Modelfile and picture beside the model's file."""
    texts = sidecars(plan.title(variant), manifest, choice)
    texts[".Modelfile"] = modelfile(plan.source.metadata, plan.final.name)
    for suffix, text in texts.items():
        with replaced(plan.final.with_suffix(suffix)) as temporary:
            temporary.write_text(text, encoding="utf-8")


def sidecars(title: str, manifest: ModelManifest, choice: Choice | None) -> dict[str, str]:
    """Return a model card, and the picture of what auto measured, by the ending of their names."""
    texts = {".md": card(title, manifest, choice)}
    return texts | ({".svg": picture(choice)} if choice else {})


def card(title: str, manifest: ModelManifest, choice: Choice | None) -> str:
    """Return Markdown with the front matter that model hubs read. The base is named, not located: a
    path of this machine is nobody's business."""
    location = manifest.base.location.replace("\\", "/").rstrip("/")
    base = location if manifest.base.kind == "hub" else location.rpartition("/")[2]
    parts = [
        f"---\nbase_model: {base}\nlibrary_name: gguf\npipeline_tag: text-generation\n"
        "tags: [code, fill-in-the-middle, budgetai]\n---\n",
        f"# {title}\n",
        _about(manifest, base),
        _numbers("Held-out loss, nats per token", manifest.scores),
        _numbers("Checks", manifest.checks),
        f"## Candidates\n\n```\n{table(choice)}\n```\n" if choice else "",
        _numbers("Notes", manifest.notes),
        _numbers("Made with", manifest.versions),
    ]
    return "\n".join(part for part in parts if part)


def _about(manifest: ModelManifest, base: str) -> str:
    tuned = f", tuned on a repository (adapter {manifest.adapter})" if manifest.adapter else ""
    return (
        f"{base}{tuned}, as GGUF: {manifest.quant}, {manifest.size / 1e6:,.1f} MB. "
        "It fills in code: the text after the cursor comes first, then the text before it. "
        f"Written by {PROGRAM}.\n"
    )


def _numbers(title: str, values: Mapping[str, object]) -> str:
    if not values:
        return ""
    rows = "\n".join(f"| {key} | {_cell(value)} |" for key, value in sorted(values.items()))
    return f"## {title}\n\n| | |\n| --- | --- |\n{rows}\n"


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")
