"""The program that quantises one file: a single call of llama.cpp, in a process of its own.

    python -m budgetai_core.llama.quantizer SOURCE TARGET PARAMS

Importing it loads no llama.cpp; running it does. What only a matrix needs is loaded with one: most
of such a process's time on a small file is imports.
"""

import ctypes
import json
import os
import re
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from budgetai_core.llama.cores import available_cores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class QuantizeParams:
    """How weights are quantised. `quant` is llama.cpp's name; `pure` gives every matrix that very
    type where its width allows. `imatrix` is the file of an importance matrix; `overrides` are the
    types of some tensors, by tensor name."""

    quant: str
    pure: bool = False
    imatrix: str = ""
    overrides: dict[str, str] = field(default_factory=dict)


def main(source: str, target: str, described: str) -> int:
    """Run the child: one call of llama_model_quantize. Returns its exit code."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from budgetai_core.llama.native import llama_cpp

    params = QuantizeParams(**json.loads(described))
    llama_cpp.llama_backend_init()
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.nthread = available_cores()
    settings.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{params.quant}")
    settings.pure = params.pure
    # Arrays that must live until the call returns, each with an empty entry at its end.
    means = _means(Path(params.imatrix)) if params.imatrix else {}
    importance, overrides = _importance(means), _overrides(params.overrides)
    settings.imatrix = importance if means else None
    settings.tt_overrides = overrides if params.overrides else None
    return int(
        llama_cpp.llama_model_quantize(
            os.fsencode(source), os.fsencode(target), ctypes.byref(settings)
        )
    )


def _end_with_parent() -> None:
    """End with the parent. It writes nothing: its end of the pipe closes when it is gone."""
    # Buffered reading would keep a lock that the interpreter wants at its end.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


def _means(matrix: Path) -> "dict[str, NDArray[np.float32]]":
    from budgetai_core.artifacts import imatrix

    return imatrix.read(matrix).means()


def _importance(means: "dict[str, NDArray[np.float32]]") -> Any:
    from budgetai_core.llama.native import llama_cpp

    entries = (llama_cpp.llama_model_imatrix_data * (len(means) + 1))()
    for entry, (name, values) in zip(entries, means.items(), strict=False):
        entry.name, entry.size = name.encode(), len(values)
        entry.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    return entries


def _overrides(types: dict[str, str]) -> Any:
    from budgetai_core.llama.native import llama_cpp

    entries = (llama_cpp.llama_model_tensor_override * (len(types) + 1))()
    for entry, (name, kind) in zip(entries, types.items(), strict=False):
        entry.pattern = f"^{re.escape(name)}$".encode()
        entry.type = getattr(llama_cpp, f"GGML_TYPE_{kind}")
    return entries


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
