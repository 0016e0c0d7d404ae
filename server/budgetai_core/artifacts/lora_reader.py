"""What a LoRA file says of itself, read before llama.cpp does.

llama.cpp ends the whole process at some values it does not expect, and takes others that make
every answer nonsense. A file that passes here has a sound header, pairs of matrices that fit each
other, and finite values; whether they fit the model, llama.cpp itself looks at.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from budgetai_core.artifacts.base_models import GGUF_MAGIC
from budgetai_core.errors import ModelError

Value = str | float | bool | None
"""A value of the metadata; None stands for an array, which nothing here needs."""

_VERSIONS = (2, 3)
_MAX_HEADER_BYTES = 1 << 22
_MAX_ENTRIES, _MAX_TENSORS = 1_000, 20_000
_SCALARS = dict(enumerate("BbHhIif?", start=0)) | {10: "Q", 11: "q", 12: "d"}
_FLOAT, _UINT, _STRING, _ARRAY = 6, 4, 8, 9
_DIMENSIONS = 2

# No embeddings, which are laid out the other way round, and no experts: where embeddings are the
# head too, or several matrices one tensor, llama.cpp would multiply what does not fit.
_LINEAR = re.compile(r"(blk\.\d+\.(?!\w*_exps)\w+|output)\.weight")

# ggml's number of a type, what its elements are read as, and the bits of their exponents: where
# all are set, the value is infinite or none. bfloat16 is the upper half of a float32.
_TYPES = {0: ("<u4", 0x7F80_0000), 1: ("<u2", 0x7C00), 30: ("<u2", 0x7F80)}
_WANTED = {
    "general.architecture": _STRING,
    "general.type": _STRING,
    "adapter.type": _STRING,
    "adapter.lora.alpha": _FLOAT,
}


@dataclass(frozen=True)
class _Tensor:
    shape: tuple[int, ...]
    kind: int
    offset: int


def check(path: Path, architecture: str) -> None:
    """Raise ModelError if the file is no LoRA of plain linear layers for a model of this
    architecture."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = _Header(file.read(_MAX_HEADER_BYTES))
        _check_metadata(header.metadata, architecture)
        _check_pairs(header.tensors)
        for tensor in header.tensors.values():
            _check_values(path, tensor, header.data, size)
    except OSError as error:
        raise ModelError(f"the adapter {path} cannot be read: {error.strerror}") from None
    except (struct.error, UnicodeDecodeError, OverflowError, MemoryError):
        raise ModelError(f"the adapter {path} is cut short or broken") from None
    except _UnsoundError as error:
        raise ModelError(f"the adapter {path} {error}") from None


class _UnsoundError(Exception):
    """What is wrong with a file, to be read behind its name."""


class _Header:
    """Metadata by key, tensors by name, and where the `data` of the tensors begins."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._place = raw, 4
        if not raw.startswith(GGUF_MAGIC):
            raise _UnsoundError("is not a GGUF file")
        version, tensors, entries = self._numbers("IQQ")
        if version not in _VERSIONS or entries > _MAX_ENTRIES or tensors > _MAX_TENSORS:
            raise _UnsoundError("is no LoRA file of a known version")
        self.metadata: dict[str, Value] = dict(self._entry() for _ in range(entries))
        self.tensors = dict(self._tensor() for _ in range(tensors))
        alignment = self.metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment not in (8, 16, 32, 64, 128, 256):
            raise _UnsoundError(f"is aligned to {alignment} bytes")
        self.data = -(-self._place // alignment) * alignment
        if len(self.tensors) < tensors or len(self.metadata) < entries:
            raise _UnsoundError("has two things of one name")

    def _numbers(self, form: str) -> tuple[int, ...]:
        numbers = struct.unpack_from("<" + form, self._raw, self._place)
        self._place += struct.calcsize("<" + form)
        return numbers

    def _text(self) -> str:
        (length,) = self._numbers("Q")
        start, self._place = self._place, self._place + length
        if self._place > len(self._raw):
            raise _UnsoundError("is cut short")
        return self._raw[start : self._place].decode()

    def _entry(self) -> tuple[str, Value]:
        key = self._text()
        (kind,) = self._numbers("I")
        value = self._value(kind)
        if _WANTED.get(key, kind) != kind or (key == "general.alignment" and kind != _UINT):
            raise _UnsoundError(f"has a {key} of another kind")
        if key == "general.type" and value != "adapter":
            raise _UnsoundError("is not an adapter but a whole model")
        return key, value

    def _value(self, kind: int) -> Value:
        if kind == _STRING:
            return self._text()
        if kind == _ARRAY:
            of, count = self._numbers("IQ")
            if of == _ARRAY or count > _MAX_HEADER_BYTES:
                raise _UnsoundError("has metadata no one writes")
            for _ in range(count):
                self._value(of)
            return None
        if kind not in _SCALARS:
            raise _UnsoundError("has metadata of an unknown kind")
        return self._numbers(_SCALARS[kind])[0]

    def _tensor(self) -> tuple[str, _Tensor]:
        name = self._text()
        (dimensions,) = self._numbers("I")
        if dimensions != _DIMENSIONS:
            raise _UnsoundError(f"changes more than plain linear layers: {name[:80]!r}")
        *shape, kind, offset = self._numbers(f"{dimensions}QIQ")
        return name, _Tensor(tuple(shape), kind, offset)


def _check_metadata(metadata: dict[str, Value], architecture: str) -> None:
    if metadata.get("general.type") != "adapter" or metadata.get("adapter.type") != "lora":
        raise _UnsoundError("is no LoRA")
    base = metadata.get("general.architecture")
    if base != architecture:
        raise _UnsoundError(f"is for models of the kind {base!r:.40}, not {architecture}")
    alpha = metadata.get("adapter.lora.alpha")
    if not isinstance(alpha, float) or not math.isfinite(alpha):
        raise _UnsoundError(f"has the alpha {alpha}")
    if "adapter.alora.invocation_tokens" in metadata:
        raise _UnsoundError("is only to be used behind certain words, which is not supported")


def _check_pairs(tensors: dict[str, _Tensor]) -> None:
    if not tensors:
        raise _UnsoundError("holds nothing")
    for full in tensors:
        name, _, side = full.rpartition(".")
        if not _LINEAR.fullmatch(name) or side not in ("lora_a", "lora_b"):
            raise _UnsoundError(f"changes more than plain linear layers: {name[:80]!r}")
        a, b = tensors.get(f"{name}.lora_a"), tensors.get(f"{name}.lora_b")
        if not (a and b) or a.shape[1] != b.shape[0] or 0 in a.shape + b.shape:
            raise _UnsoundError(f"has no pair of matrices for {name[:80]!r}")


def _check_values(path: Path, tensor: _Tensor, data: int, size: int) -> None:
    if tensor.kind not in _TYPES:
        raise _UnsoundError(
            "is quantised or of integers: only float32, float16 and bfloat16 are taken"
        )
    form, exponent = _TYPES[tensor.kind]
    count, start = math.prod(tensor.shape), data + tensor.offset
    if start + count * np.dtype(form).itemsize > size:
        raise _UnsoundError("is cut short")
    values = np.memmap(path, form, "r", offset=start, shape=(count,))
    if ((values & exponent) == exponent).any():
        raise _UnsoundError("holds values that are no numbers")
