"""An adapter of several ranks, cut to one: the first rows of A and columns of B, the same alpha.

peft and llama.cpp scale by alpha over the rank they find, so a cut is a plain adapter to both.
"""

import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors.numpy import save_file

from budgetai_convert import adapter as adapters
from budgetai_convert.adapter import Adapter
from budgetai_convert.gguf_file import Floats
from budgetai_server.artefacts.manifest import NESTED, AdapterManifest
from budgetai_server.artefacts.storage import read_json, write_json
from budgetai_server.errors import AdapterError, OptionError


@contextmanager
def at_rank(folder: Path, rank: int, base: str = "") -> Iterator[Adapter]:
    """The adapter in a folder at a rank, or at its usual one where that is 0. A cut stands in a
    temporary folder of the same name. Raises as `adapter.read_manifest` does, for the same `base`,
    and OptionError for a rank that is not there."""
    manifest = adapters.read_manifest(folder, base)
    wanted = _known(manifest, rank, folder)
    if wanted == manifest.rank:
        yield adapters.read(folder, manifest)
        return
    with tempfile.TemporaryDirectory(prefix="budgetai-cut-") as place:
        made = Path(place) / folder.resolve().name
        write(adapters.read(folder, manifest), wanted, made)
        yield adapters.read(made)


def _known(manifest: AdapterManifest, rank: int, folder: Path) -> int:
    if manifest.kind not in NESTED and rank not in (0, manifest.rank):
        raise OptionError(
            f"{folder.name} was trained at rank {manifest.rank} alone, not at {rank}",
            f"Train it with --method {' or '.join(NESTED)}",
        )
    wanted = rank or manifest.usual_rank
    if not 1 <= wanted <= manifest.rank:
        raise OptionError(
            f"--rank {wanted}: {folder.name} holds the ranks up to {manifest.rank}",
            "Leave it out for the one that training chose",
        )
    return wanted


def write(adapter: Adapter, rank: int, into: Path) -> None:
    """Write a plain PEFT folder of this rank, with a manifest of its own. Raises AdapterError where
    matrices of the adapter are of several ranks, and OptionError where the folder is there."""
    if into.exists():
        raise OptionError(f"{into} exists already", "Name a folder that does not exist")
    manifest = adapter.manifest
    if {update.a.shape[0] for update in adapter.updates.values()} != {manifest.rank}:
        raise AdapterError(f"{adapter.folder.name} has matrices of several ranks")
    into.mkdir(parents=True)
    try:
        save_file(_values(adapter, rank), into / adapters.WEIGHTS, {"format": "pt"})
        config = read_json(adapter.folder / adapters.CONFIG)
        write_json(into / adapters.CONFIG, config | {"r": rank})
        dataclasses.replace(
            manifest, rank=rank, chosen_rank=0, rank_losses={}, scores=scores(manifest, rank)
        ).write(into)
    except OSError:
        shutil.rmtree(into, ignore_errors=True)
        raise


def _values(adapter: Adapter, rank: int) -> dict[str, Floats]:
    """Tensors in 32 bits, under the names peft gives them."""
    found = {}
    for module, update in adapter.updates.items():
        prefix = f"base_model.model.{module}"
        found[f"{prefix}.lora_A.weight"] = update.a.load()[:rank].copy()
        found[f"{prefix}.lora_B.weight"] = update.b.load()[:, :rank].copy()
    return found


def scores(manifest: AdapterManifest, rank: int) -> dict[str, float | None]:
    """Those of training, which were taken at the usual rank: of another nothing is known."""
    if rank == manifest.usual_rank:
        return manifest.scores
    return {n: s if n.endswith("_before") else None for n, s in manifest.scores.items()}
