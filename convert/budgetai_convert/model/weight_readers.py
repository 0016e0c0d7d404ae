"""Tensors on disk as torch has them, 32 bits, each read when it is asked for.

Nothing of the merge's own reading is used here, so that comparing with it means something.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import gguf
import numpy as np

from budgetai_core.artifacts.gguf_reader import slabs

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, ...]


class Stored(Protocol):
    """Tensors by the names that transformers gives them."""

    def shape(self, name: str) -> Shape | None:
        """Return rows first; None for a tensor that is not there."""

    def load(self, name: str) -> "Tensor":
        """Return the values (…,) as float32, rows first. Raises KeyError."""


class Safetensors:
    """The tensors of .safetensors files."""

    def __init__(self, files: Sequence[Path]) -> None:
        from safetensors import safe_open

        self._found: dict[str, tuple[Path, Shape]] = {}
        for path in files:
            with safe_open(path, "pt") as file:
                for name in file.keys():  # noqa: SIM118, it is not a mapping
                    self._found[name] = path, tuple(file.get_slice(name).get_shape())

    def shape(self, name: str) -> Shape | None:
        return self._found[name][1] if name in self._found else None

    def load(self, name: str) -> "Tensor":
        """Return the values (…,) as float32, rows first. Raises KeyError."""
        import torch
        from safetensors import safe_open

        path, shape = self._found[name]
        values = torch.empty(shape, dtype=torch.float32)
        with safe_open(path, "pt") as file:
            stored = file.get_slice(name)
            for slab in slabs(len(values), values[0].numel()):
                values[slab] = stored[slab]
        return values


@dataclass(frozen=True)
class _Place:
    """A tensor in a GGUF file: `offset` and `size` in bytes from the file's start."""

    shape: Shape
    kind: gguf.GGMLQuantizationType
    offset: int
    size: int


class Gguf:
    """The tensors of a GGUF file. `heads` are those of queries and of keys where the file pairs
    their rows, as those of llama, granite and smollm3 are."""

    def __init__(self, path: Path, architecture: str, blocks: int, heads: tuple[int, int]) -> None:
        self._path, self._heads = path, heads
        self._paired = architecture in ("llama", "granite", "smollm3")
        number = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
        self._names = gguf.get_tensor_name_map(number, blocks)
        # The reader holds every token as an array of its own: only places outlive it.
        self._places = {
            entry.name: _Place(
                tuple(int(n) for n in reversed(entry.shape)),
                entry.tensor_type,
                int(entry.data_offset),
                int(entry.n_bytes),
            )
            for entry in gguf.GGUFReader(path).tensors
        }

    def shape(self, name: str) -> Shape | None:
        place = self._places.get(self._name(name))
        return place.shape if place else None

    def load(self, name: str) -> "Tensor":
        """Return the values (…,) as float32, rows first. Raises KeyError."""
        import torch

        own = self._name(name)
        place = self._places[own]
        values = torch.empty(place.shape, dtype=torch.float32)
        rows = values.reshape(-1, place.shape[-1])
        packed = np.memmap(
            self._path, np.uint8, "r", place.offset, (len(rows), place.size // len(rows))
        )
        for slab in slabs(*rows.shape):
            rows[slab] = torch.from_numpy(gguf.dequantize(packed[slab], place.kind))
        return self._halved(own, values) if self._paired else values

    def _name(self, name: str) -> str:
        return str(self._names.get_name(name, try_suffixes=(".weight", ".bias")))

    def _halved(self, name: str, values: "Tensor") -> "Tensor":
        """Return rows of queries and keys as transformers rotates them: the first of every pair,
        then the second, head by head."""
        heads = {"attn_q": self._heads[0], "attn_k": self._heads[1]}.get(name.split(".")[-2])
        if heads is None:
            return values
        pairs = values.reshape(heads, -1, 2, *values.shape[1:])
        return pairs.transpose(1, 2).reshape(values.shape)
