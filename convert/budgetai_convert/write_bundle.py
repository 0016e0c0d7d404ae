"""A bundle: a quantised base as it was, the adapters to be laid over it, and a manifest.

Adapters come and go while servers read the folder. A new one stands there under a name that its
content gives it before the manifest, which is replaced in one step, tells of it.
"""

import dataclasses
import hashlib
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from budgetai_convert.formats import lora_gguf
from budgetai_convert.formats.modelfile import modelfile
from budgetai_convert.pipeline import Pipeline
from budgetai_convert.plan import Plan
from budgetai_convert.progress_line import Begin
from budgetai_core.artifacts.atomic_write import read_json, replaced, write_json
from budgetai_core.artifacts.bundle import AdapterEntry, Bundle
from budgetai_core.artifacts.manifest import MANIFEST, ModelManifest
from budgetai_core.errors import ModelError

BASE = "base.gguf"
_CHECKS = "adapter_checks"
_DIGITS = 8


@dataclass(frozen=True)
class Laid:
    """An adapter in a bundle, and how it was checked there."""

    entry: AdapterEntry
    making: Pipeline


@dataclass(frozen=True)
class Found:
    """A bundle that is there: the type of its base, and the digest of what that was made from."""

    folder: Path
    quant: str
    digest: str


def find(folder: Path) -> Found:
    """Read a bundle. Raises ModelError if it is none, or broken."""
    Bundle.read(folder)
    values = read_json(folder / MANIFEST)
    base = values.get("base")
    digest = base.get("digest") if isinstance(base, dict) else None
    if values.get("base_file") != BASE or not isinstance(digest, str):
        raise ModelError(f"{folder} was not made by budgetai-convert", "Make it with --bundle")
    return Found(folder, str(values.get("quant")), digest)


def create(folder: Path, jobs: Sequence[Plan], begin: Begin) -> list[Laid]:
    """Make the base, of the type that the first of the adapters needs, and check each of them
    over it. The manifest is left to `describe`."""
    laid = [_written(folder, job, begin) for job in jobs]
    first, *others = laid
    first.making.make(folder / BASE)
    for one in others:
        one.making.fit(folder / BASE)
    return laid


def describe(folder: Path, manifest: ModelManifest, laid: Sequence[Laid]) -> None:
    """Write what lies in a bundle, the manifest last."""
    for one in laid:
        _write_modelfile(folder, one)
    values = {
        "base_file": BASE,
        "adapters": [dataclasses.asdict(one.entry) for one in laid],
        _CHECKS: {one.entry.name: one.making.checks for one in laid},
    }
    told = dataclasses.asdict(manifest)
    for one in laid[1:]:
        told |= _unseen(told, one)
    write_json(folder / MANIFEST, told | values)


def add(found: Found, job: Plan, begin: Begin) -> Laid:
    """Check an adapter over the base of a bundle, and put it there, in the place of the one of
    its name."""
    folder = found.folder
    with tempfile.TemporaryDirectory(prefix=f".{MANIFEST}.", dir=folder) as name:
        one = _written(Path(name), job, begin)
        one.making.fit(folder / BASE)
        (Path(name) / one.entry.file).replace(folder / one.entry.file)
    _write_modelfile(folder, one)
    # Read again: the same command may have added others meanwhile.
    before = Bundle.read(folder).adapters
    kept = [entry for entry in before if entry.name != one.entry.name]
    # At the end of the list: of two that fit alike, the last one is served.
    _tell(folder, [*kept, one.entry], one)
    used = {BASE, one.entry.file, *(entry.file for entry in kept)}
    _remove(folder, {entry.file for entry in before} - used)
    return one


def _tell(folder: Path, entries: Sequence[AdapterEntry], added: Laid) -> None:
    """Replace the list of adapters in a manifest, and leave what it says of the base."""
    values = read_json(folder / MANIFEST)
    values["adapters"] = [dataclasses.asdict(entry) for entry in entries]
    values[_CHECKS] = values.get(_CHECKS, {}) | {added.entry.name: added.making.checks}
    write_json(folder / MANIFEST, values | _unseen(values, added))


def _unseen(told: Mapping[str, Any], more: Laid) -> dict[str, Any]:
    """What neither the adapters told of nor one more has been trained on, as manifests say it: the
    bundle is judged by that. Nothing, where they were held out in different ways."""
    assert more.making.job.adapter is not None
    manifest = more.making.job.adapter.manifest
    alike = told.get("holdout", "") == manifest.holdout
    both = set(told.get("held_out", ())) & set(manifest.held_out) if alike else set()
    also = {*told.get("also", ()), *manifest.also}
    return {"held_out": sorted(both), "also": sorted(also)}


def _written(folder: Path, job: Plan, begin: Begin) -> Laid:
    """The adapter's file, under a name that tells its content."""
    assert job.adapter is not None and job.entry is not None
    path = folder / f"{job.entry.name}.gguf"
    lora_gguf.write(path, job.source, job.adapter)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    final = path.rename(folder / f"{job.entry.name}-{digest[:_DIGITS]}.gguf")
    entry = dataclasses.replace(
        job.entry, file=final.name, size=final.stat().st_size, sha256=digest
    )
    return Laid(entry, Pipeline(job, begin, final))


def _write_modelfile(folder: Path, one: Laid) -> None:
    text = modelfile(one.making.job.source.metadata, BASE, one.entry.file)
    with replaced(folder / f"{one.entry.name}.Modelfile") as temporary:
        temporary.write_text(text, encoding="utf-8")


def _remove(folder: Path, names: Iterable[str]) -> None:
    """Files of adapters that were replaced. Where a server holds one open, it may stay."""
    for name in names:
        with suppress(OSError):
            (folder / name).unlink()
