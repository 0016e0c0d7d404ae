"""Reading the weights of GGUF files, one tensor at a time, as float32."""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType
from numpy.typing import NDArray

from budgetai_core.artifacts import gguf_header
from budgetai_core.artifacts.gguf_header import SCALARS, HeaderError, Metadata, TensorEntry, unpack
from budgetai_core.errors import BaseError

Floats = NDArray[np.float32]

_SLAB_VALUES = 4_000_000


@dataclass(frozen=True)
class TensorInfo:
    """`shape` has rows first, as numpy has it; `offset` counts bytes from the file's start."""

    name: str
    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    offset: int
    size: int


@dataclass(frozen=True)
class GGUFFile:
    """A GGUF file whose header fits its size."""

    path: Path
    metadata: Metadata
    tensors: dict[str, TensorInfo]

    def value(self, key: str, default: Any = None) -> Any:
        """Return a metadata value as Python has it; arrays become lists."""
        packed = self.metadata.get(key)
        return default if packed is None else unpack(packed)

    def load(self, name: str) -> Floats:
        """Return one tensor (…,) as float32, in the shape of its TensorInfo. Raises BaseError."""
        info = self.tensors[name]
        rows = math.prod(info.shape[:-1])
        width = info.size // rows
        values = np.empty((rows, info.shape[-1]), np.float32)
        try:
            with self.path.open("rb") as file, np.errstate(all="ignore"):
                file.seek(info.offset)
                for slab in slabs(rows, info.shape[-1]):
                    count = slab.stop - slab.start
                    raw = np.fromfile(file, np.uint8, count * width).reshape(count, width)
                    values[slab] = gguf.quants.dequantize(raw, info.kind)
        except NotImplementedError:
            raise BaseError(
                f"{self.path.name} holds {info.kind.name} weights, which cannot be read here",
                "Use a file of F16, Q8_0, Q6_K, Q5_0, Q4_K_M or Q4_0",
            ) from None
        return values.reshape(info.shape)


def slabs(rows: int, width: int) -> Iterator[slice]:
    """Yield ranges of rows of a few million values each: what is done slab by slab takes the memory
    of a slab, not of a tensor."""
    step = max(1, _SLAB_VALUES // max(width, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def read(path: Path) -> GGUFFile:
    """Read the header of a GGUF file. Raises BaseError for a file that is not whole."""
    try:
        header = gguf_header.read(path)
    except HeaderError as error:
        raise BaseError(f"{path.name} {error}", error.hint) from None
    tensors = {name: _tensor_info(path, entry) for name, entry in header.tensors.items()}
    if any(info.offset + info.size > header.size for info in tensors.values()):
        raise BaseError(f"{path.name} is cut short or broken", "Fetch the file again")
    return GGUFFile(path, header.metadata, tensors)


def _tensor_info(path: Path, entry: TensorEntry) -> TensorInfo:
    try:
        kind = GGMLQuantizationType(entry.kind)
    except ValueError:
        raise BaseError(f"{path.name}: tensor {entry.name} has unknown type {entry.kind}") from None
    block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    if entry.shape[-1] % block:
        raise BaseError(f"{path.name} is broken: tensor {entry.name} has shape {entry.shape}")
    size = math.prod(entry.shape) // block * block_bytes
    return TensorInfo(entry.name, entry.shape, kind, entry.offset, size)


def pack(value: Any, kind: GGUFValueType) -> bytes:
    """Return a metadata value as bytes; a list becomes an array whose elements are of `kind`."""
    if isinstance(value, list):
        head = struct.pack("<IIQ", gguf_header.ARRAY, kind, len(value))
        return head + b"".join(_payload(item, kind) for item in value)
    return struct.pack("<I", kind) + _payload(value, kind)


def pack_string(text: str) -> bytes:
    """Return a string of the kind that stands before names: its length in bytes, then the bytes."""
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _payload(value: Any, kind: GGUFValueType) -> bytes:
    if kind == GGUFValueType.STRING:
        return pack_string(value)
    return struct.pack("<" + SCALARS[kind], value)
