"""What a LoRA file says of itself, read before llama.cpp does.

llama.cpp ends the whole process at some values it does not expect, and takes others that make
every answer nonsense. A file that passes here has a sound header, pairs of matrices that fit each
other, and finite values; whether they fit the model, llama.cpp itself looks at.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import math
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from budgetai_core.artifacts import gguf_header
from budgetai_core.artifacts.gguf_header import FLOAT32, STRING, UINT32, HeaderError, TensorEntry
from budgetai_core.errors import ModelError

# A model that is named by mistake has its vocabulary there.
_MAX_HEADER_BYTES = 1 << 24
_DIMENSIONS = 2

# No embeddings, which are laid out the other way round, and no experts: where embeddings are the
# head too, or several matrices one tensor, llama.cpp would multiply what does not fit.
_LINEAR = re.compile(r"(blk\.\d+\.(?!\w*_exps)\w+|output)\.weight")

# ggml's number of a type, what its elements are read as, and the bits of their exponents: where
# all are set, the value is infinite or none. bfloat16 is the upper half of a float32.
_TYPES = {0: ("<u4", 0x7F80_0000), 1: ("<u2", 0x7C00), 30: ("<u2", 0x7F80)}
_WANTED = {
    "general.architecture": STRING,
    "general.type": STRING,
    "general.alignment": UINT32,
    "adapter.type": STRING,
    "adapter.lora.alpha": FLOAT32,
}


def check(path: Path, architecture: str) -> None:
    """Raise ModelError if the file is not a LoRA of plain linear layers for a model of this
    architecture."""
    try:
        header = gguf_header.read(path, _MAX_HEADER_BYTES)
        _check_metadata(_values(header.metadata), architecture)
        _check_pairs(header.tensors)
        for tensor in header.tensors.values():
            _check_values(path, tensor, header.size)
    except OSError as error:
        raise ModelError(f"the adapter {path} cannot be read: {error.strerror}") from None
    except (HeaderError, _UnsoundError) as error:
        raise ModelError(f"the adapter {path} {error}") from None


class _UnsoundError(Exception):
    """What is wrong with a file, to be read behind its name."""


def _values(metadata: gguf_header.Metadata) -> dict[str, Any]:
    """Return the metadata that is needed here, if it is of the right types."""
    values = {}
    for key, kind in _WANTED.items():
        if key not in metadata:
            continue
        if struct.unpack_from("<I", metadata[key])[0] != kind:
            raise _UnsoundError(f"has a {key} of another kind")
        values[key] = gguf_header.unpack(metadata[key])
    if "adapter.alora.invocation_tokens" in metadata:
        raise _UnsoundError("is only to be used behind certain words, which is not supported")
    return values


def _check_metadata(metadata: dict[str, Any], architecture: str) -> None:
    if metadata.get("general.type", "adapter") != "adapter":
        raise _UnsoundError("is not an adapter but a whole model")
    if "general.type" not in metadata or metadata.get("adapter.type") != "lora":
        raise _UnsoundError("is not a LoRA")
    base = metadata.get("general.architecture")
    if base != architecture:
        raise _UnsoundError(f"is for models of the kind {base!r:.40}, not {architecture}")
    alpha = metadata.get("adapter.lora.alpha")
    if alpha is None or not math.isfinite(alpha):
        raise _UnsoundError(f"has the alpha {alpha}")


def _check_pairs(tensors: dict[str, TensorEntry]) -> None:
    if not tensors:
        raise _UnsoundError("holds nothing")
    for full, tensor in tensors.items():
        name, _, side = full.rpartition(".")
        linear = _LINEAR.fullmatch(name) and side in ("lora_a", "lora_b")
        if not linear or len(tensor.shape) != _DIMENSIONS:
            raise _UnsoundError(f"changes more than plain linear layers: {name[:80]!r}")
        a, b = tensors.get(f"{name}.lora_a"), tensors.get(f"{name}.lora_b")
        if not (a and b) or a.shape[0] != b.shape[-1]:
            raise _UnsoundError(f"has no pair of matrices for {name[:80]!r}")


def _check_values(path: Path, tensor: TensorEntry, size: int) -> None:
    if tensor.kind not in _TYPES:
        raise _UnsoundError(
            "is quantised or of integers: only float32, float16 and bfloat16 are taken"
        )
    form, exponent = _TYPES[tensor.kind]
    count = math.prod(tensor.shape)
    if tensor.offset + count * np.dtype(form).itemsize > size:
        raise _UnsoundError("is cut short")
    values = np.memmap(path, form, "r", offset=tensor.offset, shape=(count,))
    if ((values & exponent) == exponent).any():
        raise _UnsoundError("holds values that are not numbers")
