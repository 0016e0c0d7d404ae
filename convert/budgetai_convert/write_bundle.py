"""A bundle: a quantised base as it was, the adapters to be laid over it, and a manifest.

Adapters come and go while servers read the folder. A new one stands there under a name that its
content gives it before the manifest, which is replaced in one step, tells of it.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from budgetai_convert.formats import lora_gguf
from budgetai_convert.formats.modelfile import modelfile
from budgetai_convert.plan import BUNDLE_BASE, Variant
from budgetai_convert.quantize.auto import Choice
from budgetai_convert.write_model import sidecars
from budgetai_core.artifacts.atomic_write import read_json, replaced, write_json
from budgetai_core.artifacts.bundle import AdapterEntry, Bundle
from budgetai_core.artifacts.manifest import MANIFEST, AdapterManifest, ModelManifest
from budgetai_core.models.base_weights import Source

_CHECKS = "adapter_checks"
_DIGITS = 8
# What a user edits in a manifest, besides the name.
_EDITED = ("task", "scale", "languages")


@dataclass(frozen=True)
class BundledAdapter:
    """An adapter's file at `path`, what a bundle says of it, and the `checks` it has passed."""

    path: Path
    entry: AdapterEntry
    manifest: AdapterManifest
    checks: Mapping[str, float] = dataclasses.field(default_factory=dict)


def write_adapter(folder: Path, source: Source, variant: Variant) -> BundledAdapter:
    """Write the adapter's file into `folder`, under a name that tells its content."""
    assert variant.adapter is not None and variant.entry is not None
    path = folder / f"{variant.entry.name}.gguf"
    lora_gguf.write(path, source, variant.adapter)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    final = path.rename(folder / f"{variant.entry.name}-{digest[:_DIGITS]}.gguf")
    entry = dataclasses.replace(
        variant.entry, file=final.name, size=final.stat().st_size, sha256=digest
    )
    return BundledAdapter(final, entry, variant.adapter.manifest)


def describe(
    folder: Path,
    title: str,
    source: Source,
    manifest: ModelManifest,
    choice: Choice | None,
    bundled: Sequence[BundledAdapter],
) -> None:
    """Write what a new bundle says of itself, its manifest last."""
    names = {".md": "README.md", ".svg": "auto.svg"}
    for suffix, text in sidecars(title, manifest, choice).items():
        (folder / names[suffix]).write_text(text, encoding="utf-8")
    for adapter in bundled:
        _write_modelfile(folder, source, adapter.entry)
    values = dataclasses.asdict(manifest)
    for adapter in bundled[1:]:
        values |= _unseen(values, adapter.manifest)
    values |= {
        "base_file": BUNDLE_BASE,
        "adapters": [dataclasses.asdict(adapter.entry) for adapter in bundled],
        _CHECKS: {adapter.entry.name: dict(adapter.checks) for adapter in bundled},
    }
    write_json(folder / MANIFEST, values)


def add(folder: Path, source: Source, bundled: BundledAdapter) -> AdapterEntry:
    """List an adapter whose file is there, in the place of the one of its name. What the user has
    said of that one in the manifest stays."""
    # Read again: the same command may have added others meanwhile.
    before = Bundle.read(folder).adapters
    kept = [other for other in before if other.name != bundled.entry.name]
    entry = bundled.entry
    for other in before:
        if other.name == entry.name:
            edited = {name: getattr(other, name) for name in _EDITED}
            entry = dataclasses.replace(entry, **edited)
    _write_modelfile(folder, source, entry)
    values = read_json(folder / MANIFEST)
    # At the end of the list: of two that fit alike, the last one is served.
    values["adapters"] = [dataclasses.asdict(other) for other in (*kept, entry)]
    values[_CHECKS] = values.get(_CHECKS, {}) | {entry.name: dict(bundled.checks)}
    write_json(folder / MANIFEST, values | _unseen(values, bundled.manifest))
    used = {BUNDLE_BASE, entry.file, *(other.file for other in kept)}
    _remove(folder, {other.file for other in before} - used)
    return entry


def _unseen(values: Mapping[str, Any], added: AdapterManifest) -> dict[str, Any]:
    """Return what neither the adapters of a bundle's manifest nor one more has been trained on, as
    manifests say it: the bundle is evaluated on that. Nothing, where they were held out in
    different ways."""
    alike = values.get("holdout", "") == added.holdout
    both = set(values.get("held_out", ())) & set(added.held_out) if alike else set()
    also = {*values.get("also", ()), *added.also}
    return {"held_out": sorted(both), "also": sorted(also)}


def _write_modelfile(folder: Path, source: Source, entry: AdapterEntry) -> None:
    text = modelfile(source.metadata, BUNDLE_BASE, entry.file)
    with replaced(folder / f"{entry.name}.Modelfile") as temporary:
        temporary.write_text(text, encoding="utf-8")


def _remove(folder: Path, names: Iterable[str]) -> None:
    """Remove files of adapters that were replaced. Where a server holds one open, it may stay."""
    for name in names:
        with suppress(OSError):
            (folder / name).unlink()
