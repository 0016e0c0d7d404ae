"""Quantising with llama.cpp, in a process of its own.

The native call takes minutes on large models, can neither be interrupted nor asked how far it is,
and ends its process on a file it finds impossible. As a child it can be stopped at once, its
progress is the size of its output, and its end is an error message.
"""

import ctypes
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from budgetai_convert import heap, imatrix
from budgetai_convert.options import AUTO, QUANTS
from budgetai_server.errors import OptionError, StorageError

_POLL_SECONDS = 0.1


def known(name: str) -> str:
    """The quantisation called `name`, in any case of letters. Raises OptionError."""
    if name.lower() == AUTO:
        return AUTO
    if name.upper() not in QUANTS:
        names = ", ".join((AUTO, *QUANTS))
        raise OptionError(f"unknown quantisation '{name}'", f"Use one of {names}")
    return name.upper()


def expected_size(f16_size: int, quant: str) -> int:
    """About how many bytes the file will have; half a bit per weight goes to the scales."""
    bits = int("".join(char for char in quant.split("_")[0] if char.isdigit()))
    return int(f16_size * min(1.0, (bits + 0.6) / 16))


def available_cores() -> int:
    """The cores this process may use, which can be fewer than the machine has, or what
    OMP_NUM_THREADS says, as for other programs."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How weights are quantised. `quant` is llama.cpp's name; `pure` gives every matrix that very
    type where its width allows. `imatrix` is the file of an importance matrix; `overrides` are the
    types of some tensors, by tensor name."""

    quant: str
    pure: bool = False
    imatrix: str = ""
    overrides: dict[str, str] = field(default_factory=dict)


def quantize(source: Path, target: Path, recipe: Recipe, progress: Callable[[int], None]) -> None:
    """Write `source` to `target` with quantised weights; `progress` is told the size of the
    target so far, in bytes. Raises StorageError with llama.cpp's own words when it fails."""
    # -P keeps the current folder off the import path: it may be somebody else's repository.
    program = [sys.executable, "-P", "-m", "budgetai_convert.quantize"]
    command = [*program, str(source), str(target), json.dumps(asdict(recipe))]
    heap.trim()
    with tempfile.TemporaryFile() as log:
        with subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.PIPE) as child:
            try:
                while _running(child):
                    progress(target.stat().st_size if target.exists() else 0)
            finally:
                child.kill()
        if child.returncode:
            log.seek(0)
            raise StorageError(
                f"llama.cpp could not write the {recipe.quant} file: {_reason(log.read())}",
                f"Look for free space in {target.parent}",
            )


def _running(child: "subprocess.Popen[bytes]") -> bool:
    try:
        child.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _reason(log: bytes) -> str:
    lines = [line.strip() for line in log.decode("utf-8", "replace").splitlines() if line.strip()]
    telling = [line for line in lines if "fail" in line.lower() or "error" in line.lower()]
    return (telling or lines or ["it was stopped"])[-1]


def main(source: str, target: str, described: str) -> int:
    """The child: one call of llama_model_quantize. Returns its exit code."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import llama_cpp

    recipe = Recipe(**json.loads(described))
    llama_cpp.llama_backend_init()
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.nthread = available_cores()
    settings.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{recipe.quant}")
    settings.pure = recipe.pure
    # Arrays that must live until the call returns, each with an empty entry at its end.
    means = imatrix.read(Path(recipe.imatrix)).means() if recipe.imatrix else {}
    importance, overrides = _importance(means), _overrides(recipe.overrides)
    settings.imatrix = importance if means else None
    settings.tt_overrides = overrides if recipe.overrides else None
    return int(
        llama_cpp.llama_model_quantize(
            os.fsencode(source), os.fsencode(target), ctypes.byref(settings)
        )
    )


def _end_with_parent() -> None:
    """The parent writes nothing: its end of the pipe closes when it is gone, however it went."""
    # Buffered reading would keep a lock that the interpreter wants at its end.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


def _importance(means: dict[str, NDArray[np.float32]]) -> Any:
    import llama_cpp

    entries = (llama_cpp.llama_model_imatrix_data * (len(means) + 1))()
    for entry, (name, values) in zip(entries, means.items(), strict=False):
        entry.name, entry.size = name.encode(), len(values)
        entry.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    return entries


def _overrides(types: dict[str, str]) -> Any:
    import llama_cpp

    entries = (llama_cpp.llama_model_tensor_override * (len(types) + 1))()
    for entry, (name, kind) in zip(entries, types.items(), strict=False):
        entry.pattern = f"^{re.escape(name)}$".encode()
        entry.type = getattr(llama_cpp, f"GGML_TYPE_{kind}")
    return entries


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
