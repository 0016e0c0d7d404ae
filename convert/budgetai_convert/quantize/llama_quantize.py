"""Quantising with llama.cpp, in a process of its own.

The native call takes minutes on large models, can neither be interrupted nor asked how far it is,
and ends its process on a file it finds impossible. As a child it can be stopped at once, its
progress is the size of its output, and its end is an error message.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from budgetai_convert import malloc_trim
from budgetai_convert.options import AUTO, QUANTS
from budgetai_core.errors import OptionError, StorageError
from budgetai_core.llama.quantizer import QuantizeRecipe

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


def quantize(
    source: Path, target: Path, recipe: QuantizeRecipe, progress: Callable[[int], None]
) -> None:
    """Write `source` to `target` with quantised weights; `progress` is told the size of the
    target so far, in bytes. Raises StorageError with llama.cpp's own words when it fails."""
    # -P keeps the current folder off the import path: it may be somebody else's repository.
    program = [sys.executable, "-P", "-m", "budgetai_core.llama.quantizer"]
    command = [*program, str(source), str(target), json.dumps(asdict(recipe))]
    malloc_trim.trim()
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
