"""A model card: what the model is, and the numbers it was let pass with."""

from collections.abc import Mapping

from budgetai_convert.quantize.auto import Choice
from budgetai_convert.quantize.quantize_report import table
from budgetai_core.artifacts.manifest import ModelManifest


def card(name: str, manifest: ModelManifest, choice: Choice | None) -> str:
    """Markdown with the front matter that model hubs read. The base is named, not located: a path
    of this machine is nobody's business."""
    base = manifest.base.location.replace("\\", "/").rstrip("/").rpartition("/")[2]
    told = manifest.base.location if manifest.base.kind == "hub" else base
    parts = [
        f"---\nbase_model: {told}\nlibrary_name: gguf\npipeline_tag: text-generation\n"
        "tags: [code, fill-in-the-middle, budgetai]\n---\n",
        f"# {name}\n",
        _about(manifest, told),
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
        "It fills in code: the text after the cursor comes first, then the text before it.\n"
    )


def _numbers(title: str, values: Mapping[str, object]) -> str:
    if not values:
        return ""
    rows = "\n".join(f"| {key} | {_told(value)} |" for key, value in sorted(values.items()))
    return f"## {title}\n\n| | |\n| --- | --- |\n{rows}\n"


def _told(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")
