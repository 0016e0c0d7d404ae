"""Adapters with random values for any GGUF base, and folders that hold both, made without torch."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import gguf
import numpy as np

from budgetai_core.artifacts.bundle import AdapterEntry

# What a linear layer's tensor is called, in the architectures that tests and benches use.
LINEAR = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")

Change = Callable[[str, np.ndarray], np.ndarray]


def make_lora(
    base: Path,
    out: Path,
    *,
    rank: int = 4,
    seed: int = 1,
    spread: float = 0.2,
    alpha: float | None = None,
    architecture: str = "",
    change: Change = lambda name, values: values,
) -> Path:
    """A LoRA for all linear layers of a base. `spread` is that of the values of A and B: 0.2 makes
    every answer of a tiny model another one. `change` gets each matrix by name before it is
    written, to break it."""
    reader = gguf.GGUFReader(base)
    random = np.random.default_rng(seed)
    kind = architecture or str(reader.fields["general.architecture"].contents())
    writer = gguf.GGUFWriter(out, kind)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(alpha if alpha is not None else rank))
    for tensor in reader.tensors:
        layer, _, part = tensor.name.removesuffix(".weight").rpartition(".")
        if not layer or part not in LINEAR:
            continue
        wide, high = (int(n) for n in tensor.shape)
        for side, shape in (("a", (rank, wide)), ("b", (high, rank))):
            values = (random.standard_normal(shape) * spread).astype(np.float32)
            name = f"{tensor.name}.lora_{side}"
            writer.add_tensor(name, np.ascontiguousarray(change(name, values)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def make_bundle(folder: Path, base: Path, entries: Sequence[AdapterEntry]) -> Path:
    """A bundle of a base and random adapters; the entries' places in the list are the seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(base, folder / "base.gguf")
    for place, entry in enumerate(entries, start=1):
        make_lora(base, folder / entry.file, seed=place)
    write_manifest(folder, entries)
    return folder


def write_manifest(folder: Path, entries: Sequence[AdapterEntry], **more: object) -> None:
    values = {"base_file": "base.gguf", "adapters": [dataclasses.asdict(e) for e in entries]}
    fresh = folder / ".manifest.json.tmp"
    fresh.write_text(json.dumps(values | more))
    fresh.replace(folder / "manifest.json")


def entry(name: str, **values: object) -> AdapterEntry:
    return AdapterEntry(name=name, file=f"{name}.gguf", **values)  # type: ignore[arg-type]
