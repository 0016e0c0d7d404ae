"""An adapter at a lower rank: one of several ranks is cut to it, the first rows of A and columns of
B; one of a single rank becomes the nearest matrix of that rank.

peft and llama.cpp scale by alpha over the rank they find, so a cut is a plain adapter to both.
"""

import dataclasses
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from budgetai_convert.leftovers import temporary_folder
from budgetai_convert.model import adapter as adapters
from budgetai_convert.model import adapter_layout
from budgetai_convert.model.adapter import Adapter
from budgetai_core.artifacts.atomic_write import read_json, write_json
from budgetai_core.artifacts.gguf_reader import Floats
from budgetai_core.artifacts.manifest import NESTED, AdapterManifest
from budgetai_core.errors import AdapterError, OptionError


@contextmanager
def at_rank(folder: Path, rank: int, base: str = "") -> Iterator[Adapter]:
    """Give the adapter in a folder at a rank, or at its usual one where that is 0. A cut stands in
    a temporary folder of the same name. Raises as `adapter.read_manifest` does, for the same
    `base`, and OptionError for a rank that is not there."""
    manifest = adapters.read_manifest(folder, base)
    wanted = _known(manifest, rank, folder)
    with adapter_layout.plain(folder) as plain:
        adapter = adapters.read(plain, manifest, folder)
        if wanted == manifest.rank:
            yield adapter
            return
        with temporary_folder() as place:
            made = place / folder.resolve().name
            write(adapter, wanted, made)
            yield adapters.read(made, origin=folder)


def _known(manifest: AdapterManifest, rank: int, folder: Path) -> int:
    wanted = rank or manifest.usual_rank
    if not 1 <= wanted <= manifest.rank:
        raise OptionError(
            f"--rank {wanted}: {folder.name} holds the ranks up to {manifest.rank}",
            "Leave it out for the one that training chose",
        )
    return wanted


def write(adapter: Adapter, rank: int, into: Path) -> None:
    """Write a plain PEFT folder of this rank, with a manifest of its own; at its own rank an
    adapter stays as it is. Raises AdapterError where DoRA would be cut, and OptionError where the
    folder is there."""
    if into.exists():
        raise OptionError(f"{into} exists already", "Name a folder that does not exist")
    manifest = adapter.manifest
    cut = rank < manifest.rank
    if cut and any(update.lengths for update in adapter.updates.values()):
        raise AdapterError(f"{adapter.folder.name} is DoRA, which has no lower ranks")
    nested = manifest.kind in NESTED
    values = _values(adapter, rank, nested=nested) if cut else {}
    into.mkdir(parents=True)
    try:
        if cut:
            save_file(values, into / adapters.WEIGHTS, {"format": "pt"})
        else:
            shutil.copyfile(adapter.folder / adapters.WEIGHTS, into / adapters.WEIGHTS)
        config = read_json(adapter.folder / adapters.CONFIG)
        if cut:
            config |= {"r": rank} if nested else _settings(adapter, rank)
        write_json(into / adapters.CONFIG, config)
        dataclasses.replace(
            manifest, rank=rank, chosen_rank=0, rank_losses={}, scores=scores(manifest, rank)
        ).write(into)
    except OSError:
        shutil.rmtree(into, ignore_errors=True)
        raise


def _values(adapter: Adapter, rank: int, *, nested: bool) -> dict[str, Floats]:
    """Return tensors in 32 bits, under the names peft gives them. Of a single rank the whole update
    stays what it was: its scale is multiplied into B, but for what `_settings` leaves to peft."""
    values = {}
    for module, update in adapter.updates.items():
        a, b = update.a.load(), update.b.load()
        adapters.check_finite(module, a, b)
        if nested:
            a, b = a[:rank], b[:, :rank]
        else:
            kept = min(rank, len(a))
            a, b = nearest(a, b, kept) if kept < len(a) else (a, b)
            b = b * np.float32(update.scale * kept / rank)
        prefix = f"base_model.model.{module}"
        values[f"{prefix}.lora_A.weight"] = np.ascontiguousarray(a)
        values[f"{prefix}.lora_B.weight"] = np.ascontiguousarray(b)
    return values


def _settings(adapter: Adapter, rank: int) -> dict[str, Any]:
    """Return what a configuration says of a cut to one rank: matrices that had less keep theirs,
    which peft has to be told, and then multiplies by the rank over it."""
    lower = {
        re.escape(module): update.a.shape[0]
        for module, update in adapter.updates.items()
        if update.a.shape[0] < rank
    }
    return {
        "r": rank,
        "lora_alpha": rank,
        "use_rslora": False,
        "rank_pattern": lower,
        "alpha_pattern": {},
    }


def nearest(a: Floats, b: Floats, rank: int) -> tuple[Floats, Floats]:
    """Return factors of the matrix of this rank that is nearest to B A (Eckart and Young 1936): A
    (rank, in) and B (out, rank) from A (r, in) and B (out, r)."""
    # By the factors alone: the product of a wide layer has millions of entries.
    left, upper = np.linalg.qr(b)
    right, lower = np.linalg.qr(a.T)
    u, s, v = np.linalg.svd(upper @ lower.T)
    root = np.sqrt(s[:rank])
    return (root[:, None] * v[:rank]) @ right.T, left @ (u[:, :rank] * root)


def scores(manifest: AdapterManifest, rank: int) -> dict[str, float | None]:
    """Return the scores of training, which were taken at the usual rank: of another nothing is
    known."""
    if rank == manifest.usual_rank:
        return manifest.scores
    return {n: s if n.endswith("_before") else None for n, s in manifest.scores.items()}
