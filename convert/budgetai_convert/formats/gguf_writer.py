"""Writing a GGUF file one tensor at a time.

Matrices become F16, vectors F32. A matrix with values beyond the range of F16 becomes BF16, which
takes the same space: the header is written last, over its own place, when the types are known.
"""

import math
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType, LlamaFileType
from numpy.typing import NDArray

from budgetai_core.artifacts.gguf_header import ALIGNMENT, MAGIC, Metadata
from budgetai_core.artifacts.gguf_reader import Floats, TensorInfo, pack, pack_string, slabs
from budgetai_core.models.base_weights import Weight

F16, BF16, F32 = GGMLQuantizationType.F16, GGMLQuantizationType.BF16, GGMLQuantizationType.F32
_VERSION = 3
_MAX_F16 = 65504.0


@dataclass(frozen=True)
class _Slot:
    """A tensor's place: `offset` counts bytes from the start of the data."""

    weight: Weight
    offset: int


def size_of(weights: Sequence[Weight]) -> int:
    """Return bytes that the tensors take in a file, without its header."""
    return _slots(weights)[1]


def write(
    path: Path,
    metadata: Metadata,
    weights: Sequence[Weight],
    values: Iterable[tuple[Weight, Floats]],
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Write `values`, arrays (…,) in the shapes and the order of `weights`; `progress` is told the
    bytes just written."""
    file_type = pack(LlamaFileType.MOSTLY_F16, GGUFValueType.UINT32)
    metadata = metadata | {"general.file_type": file_type}
    slots, _ = _slots(weights)
    kinds = dict.fromkeys((weight.name for weight in weights), F16)
    with path.open("wb") as file:
        header = header_of(metadata, _entries(slots, kinds))
        file.write(header)
        for slot, (weight, array) in zip(slots, values, strict=True):
            kinds[weight.name] = _fitting(array)
            file.write(b"\0" * (len(header) + slot.offset - file.tell()))
            for slab in slabs(len(array), math.prod(array.shape[1:])):
                data = _encoded(array[slab], kinds[weight.name])
                file.write(data.data)
                progress(data.nbytes)
        file.write(b"\0" * (-file.tell() % ALIGNMENT))
        file.seek(0)
        file.write(header_of(metadata, _entries(slots, kinds)))


def _slots(weights: Sequence[Weight]) -> tuple[list[_Slot], int]:
    slots, offset = [], 0
    for weight in weights:
        slots.append(_Slot(weight, offset))
        size = math.prod(weight.shape) * (4 if len(weight.shape) == 1 else 2)
        offset += -(-size // ALIGNMENT) * ALIGNMENT
    return slots, offset


def _entries(slots: Sequence[_Slot], kinds: dict[str, GGMLQuantizationType]) -> list[TensorInfo]:
    return [
        TensorInfo(slot.weight.name, slot.weight.shape, kinds[slot.weight.name], slot.offset, 0)
        for slot in slots
    ]


def header_of(metadata: Metadata, entries: Sequence[TensorInfo]) -> bytes:
    """Return everything in front of the data. Offsets count from the start of the data."""
    parts = [MAGIC, struct.pack("<IQQ", _VERSION, len(entries), len(metadata))]
    parts += [pack_string(key) + value for key, value in metadata.items()]
    for entry in entries:
        parts.append(pack_string(entry.name) + struct.pack("<I", len(entry.shape)))
        parts.append(struct.pack(f"<{len(entry.shape)}Q", *reversed(entry.shape)))
        parts.append(struct.pack("<IQ", entry.kind, entry.offset))
    header = b"".join(parts)
    return header + b"\0" * (-len(header) % ALIGNMENT)


def _fitting(values: Floats) -> GGMLQuantizationType:
    if values.ndim == 1:
        return F32
    return F16 if values.min() >= -_MAX_F16 and values.max() <= _MAX_F16 else BF16


def _encoded(values: Floats, kind: GGMLQuantizationType) -> NDArray[np.uint8]:
    if kind == F32:
        return np.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint8)
    if kind == F16:
        return np.ascontiguousarray(values, np.float16).reshape(-1).view(np.uint8)
    return np.ascontiguousarray(gguf.quants.quantize(values, BF16)).reshape(-1).view(np.uint8)
