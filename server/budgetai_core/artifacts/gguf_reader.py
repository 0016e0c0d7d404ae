"""Reading GGUF files that nobody vouches for.

The header is walked with every length checked against the file's size before anything is
allocated; weights are turned to float32 one tensor at a time. Metadata is kept as the
bytes that stand in the file (type and payload), so that it can be copied without loss.
"""

import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType
from numpy.typing import NDArray

from budgetai_core.errors import BaseError

Floats = NDArray[np.float32]
Metadata = dict[str, bytes]
"""Key to value, as the bytes of a GGUF file: the type as uint32, then the payload."""

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = 32
_MAX_DIMS = 4
_SLAB_VALUES = 4_000_000

_SCALARS: dict[int, str] = {
    GGUFValueType.UINT8: "B",
    GGUFValueType.INT8: "b",
    GGUFValueType.UINT16: "H",
    GGUFValueType.INT16: "h",
    GGUFValueType.UINT32: "I",
    GGUFValueType.INT32: "i",
    GGUFValueType.FLOAT32: "f",
    GGUFValueType.BOOL: "?",
    GGUFValueType.UINT64: "Q",
    GGUFValueType.INT64: "q",
    GGUFValueType.FLOAT64: "d",
}


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


class _Cursor:
    """A place in a file from which nothing is read that is not there."""

    def __init__(self, data: mmap.mmap, name: str) -> None:
        self.data = data
        self.name = name
        self.at = 0

    def skip(self, size: int) -> None:
        """Go on behind `size` bytes. Raises BaseError where there are fewer."""
        if size > len(self.data) - self.at:
            raise BaseError(f"{self.name} is cut short or broken", "Fetch the file again")
        self.at += size

    def number(self, code: str) -> Any:
        start = self.at
        self.skip(struct.calcsize("<" + code))
        return struct.unpack_from("<" + code, self.data, start)[0]

    def string(self) -> str:
        size = self.number("Q")
        start = self.at
        self.skip(size)
        return self.data[start : self.at].decode("utf-8", "replace")

    def value(self) -> bytes:
        """Return the bytes of a metadata value, type included."""
        start = self.at
        kind = self.number("I")
        if kind == GGUFValueType.ARRAY:
            self._array()
        else:
            self._one(kind)
        return self.data[start : self.at]

    def _array(self) -> None:
        kind, count = self.number("I"), self.number("Q")
        if kind in _SCALARS:
            self.skip(count * struct.calcsize("<" + _SCALARS[kind]))
            return
        for _ in range(count):
            self._one(kind)

    def _one(self, kind: int) -> None:
        if kind == GGUFValueType.STRING:
            self.skip(self.number("Q"))
        elif kind in _SCALARS:
            self.skip(struct.calcsize("<" + _SCALARS[kind]))
        else:
            raise BaseError(f"{self.name} is broken: metadata of unknown type {kind}")


def read(path: Path) -> GGUFFile:
    """Read the header of a GGUF file. Raises BaseError for a file that is not whole."""
    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            raise BaseError(f"{path.name} is not a GGUF file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            cursor = _Cursor(data, path.name)
            cursor.skip(4)
            return _header(path, cursor)


def _header(path: Path, cursor: _Cursor) -> GGUFFile:
    version = cursor.number("I")
    if int.from_bytes(version.to_bytes(4, "little"), "big") in VERSIONS:
        raise BaseError(
            f"{path.name} is a GGUF file of the other byte order (big-endian)",
            "Fetch it in little-endian, or run gguf-convert-endian",
        )
    if version not in VERSIONS:
        raise BaseError(f"{path.name} is of GGUF version {version}", "Versions 2 and 3 are read")
    tensor_count, key_count = cursor.number("Q"), cursor.number("Q")
    metadata: Metadata = {}
    for _ in range(key_count):
        key = cursor.string()
        if key in metadata:
            raise BaseError(f"{path.name} is broken: {key} stands there twice")
        metadata[key] = cursor.value()
    infos = [_tensor_info(cursor) for _ in range(tensor_count)]
    return GGUFFile(path, metadata, _placed(infos, metadata, cursor))


def _tensor_info(cursor: _Cursor) -> TensorInfo:
    name, dims = cursor.string(), cursor.number("I")
    if not 1 <= dims <= _MAX_DIMS:
        raise BaseError(f"{cursor.name} is broken: tensor {name} has {dims} dimensions")
    shape = tuple(cursor.number("Q") for _ in range(dims))[::-1]
    number, offset = cursor.number("I"), cursor.number("Q")
    try:
        kind = GGMLQuantizationType(number)
    except ValueError:
        raise BaseError(f"{cursor.name}: tensor {name} has unknown type {number}") from None
    block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    if 0 in shape or shape[-1] % block:
        raise BaseError(f"{cursor.name} is broken: tensor {name} has shape {shape}")
    return TensorInfo(name, shape, kind, offset, math.prod(shape) // block * block_bytes)


def _placed(infos: list[TensorInfo], metadata: Metadata, cursor: _Cursor) -> dict[str, TensorInfo]:
    """Return tensors by name, with offsets from the start of the file that lie inside it."""
    packed = metadata.get("general.alignment")
    alignment = unpack(packed) if packed else ALIGNMENT
    if not isinstance(alignment, int) or alignment < 8 or alignment & (alignment - 1):
        raise BaseError(f"{cursor.name} is broken: alignment {alignment!r}")
    start = -(-cursor.at // alignment) * alignment
    placed = {}
    for info in infos:
        cursor.at = 0
        cursor.skip(start + info.offset + info.size)
        if info.name in placed:
            raise BaseError(f"{cursor.name} is broken: tensor {info.name} stands there twice")
        placed[info.name] = TensorInfo(
            info.name, info.shape, info.kind, start + info.offset, info.size
        )
    return placed


def pack(value: Any, kind: GGUFValueType) -> bytes:
    """Return a metadata value as bytes; a list becomes an array whose elements are of `kind`."""
    if isinstance(value, list):
        head = struct.pack("<IIQ", GGUFValueType.ARRAY, kind, len(value))
        return head + b"".join(_payload(item, kind) for item in value)
    return struct.pack("<I", kind) + _payload(value, kind)


def pack_string(text: str) -> bytes:
    """Return a string of the kind that stands before names: its length in bytes, then the bytes."""
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _payload(value: Any, kind: GGUFValueType) -> bytes:
    if kind == GGUFValueType.STRING:
        return pack_string(value)
    return struct.pack("<" + _SCALARS[kind], value)


def unpack(packed: bytes) -> Any:
    """Return the Python value of metadata bytes that `read` or `pack` made."""
    kind = struct.unpack_from("<I", packed)[0]
    if kind != GGUFValueType.ARRAY:
        return next(_elements(packed, 4, kind, 1))
    element, count = struct.unpack_from("<IQ", packed, 4)
    return list(_elements(packed, 16, element, count))


def _elements(packed: bytes, at: int, kind: int, count: int) -> Iterator[Any]:
    if kind != GGUFValueType.STRING:
        yield from struct.unpack_from(f"<{count}{_SCALARS[kind]}", packed, at)
        return
    for _ in range(count):
        size = struct.unpack_from("<Q", packed, at)[0]
        at += 8 + size
        yield packed[at - size : at].decode("utf-8", "replace")
