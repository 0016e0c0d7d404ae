"""Reading .safetensors files with numpy alone: bfloat16 too, which numpy has no type for."""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from budgetai_core.artifacts.gguf_reader import Floats, slabs
from budgetai_core.errors import BudgetAIError

# The format's own limit on the size of its header, in bytes.
_MAX_HEADER = 100_000_000
_BLOCK = 1 << 22
_WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor stands; `offset` counts bytes from the file's start."""

    path: Path
    shape: tuple[int, ...]
    kind: str
    offset: int

    def load(self) -> Floats:
        """Return the values (…,) as float32, in the stored shape."""
        values = np.empty(math.prod(self.shape), np.float32)
        code = {"F64": np.float64, "F32": np.float32, "F16": np.float16}.get(self.kind, np.uint16)
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for slab in slabs(len(values), 1):
                stored = np.fromfile(file, code, slab.stop - slab.start)
                if self.kind == "BF16":
                    # The upper half of a float32.
                    stored = (stored.astype(np.uint32) << 16).view(np.float32)
                values[slab] = stored
        return values.reshape(self.shape)

    def equals(self, other: "StoredTensor") -> bool:
        """Return whether the other holds the same values; a few megabytes are in memory at a
        time."""
        if (self.shape, self.kind) != (other.shape, other.kind):
            return self.shape == other.shape and bool((self.load() == other.load()).all())
        left = math.prod(self.shape) * _WIDTHS[self.kind]
        with self.path.open("rb") as mine, other.path.open("rb") as theirs:
            mine.seek(self.offset)
            theirs.seek(other.offset)
            while left:
                size = min(left, _BLOCK)
                if mine.read(size) != theirs.read(size):
                    return False
                left -= size
        return True


def read(path: Path, error: type[BudgetAIError]) -> dict[str, StoredTensor]:
    """Return the tensors of a file by name. Raises `error` when the file is not whole."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        header_size = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if header_size > min(size - 8, _MAX_HEADER):
            raise error(f"{path.name} is cut short or broken")
        try:
            header = json.loads(file.read(header_size))
            header.pop("__metadata__", None)
            tensors = {
                name: _stored(path, entry, 8 + header_size) for name, entry in header.items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            raise error(f"{path.name} is broken: its header cannot be read") from cause
    for name, tensor in tensors.items():
        _check(name, tensor, size, error)
    ends = (t.offset + math.prod(t.shape) * _WIDTHS[t.kind] for t in tensors.values())
    if size > max(ends, default=size):
        raise error(f"{path.name} is broken: it goes on behind its last tensor", "Fetch it again")
    return tensors


def _stored(path: Path, entry: dict[str, Any], start: int) -> StoredTensor:
    begin, end = entry["data_offsets"]
    shape, kind = tuple(int(n) for n in entry["shape"]), str(entry["dtype"])
    if min(begin, *shape, 0) < 0 or end - begin != math.prod(shape) * _WIDTHS.get(kind, -1):
        # Integer tensors and 8-bit floats are reported by name, as what they are.
        kind = kind if kind not in _WIDTHS else "broken"
    return StoredTensor(path, shape, kind, start + begin)


def _check(name: str, tensor: StoredTensor, size: int, error: type[BudgetAIError]) -> None:
    if tensor.kind == "broken" or 0 in tensor.shape:
        raise error(f"{tensor.path.name} is broken: tensor {name} has no whole values")
    if tensor.kind not in _WIDTHS:
        raise error(
            f"{tensor.path.name} holds {tensor.kind} in {name}",
            "Use plain F32, F16 or BF16 weights",
        )
    if tensor.offset + math.prod(tensor.shape) * _WIDTHS[tensor.kind] > size:
        raise error(f"{tensor.path.name} is cut short or broken")
