"""Quantising with llama.cpp, in a process of its own.

The native call takes minutes on large models, can neither be interrupted nor asked how far it is,
and ends its process on a file it finds impossible. As a child it can be stopped at once, its
progress is the size of its output, and its end is an error message.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from budgetai_convert.options import AUTO, QUANTS
from budgetai_core import malloc_trim
from budgetai_core.errors import BudgetAIError, ModelError, OptionError, StorageError
from budgetai_core.llama.quantizer import QuantizeParams

_POLL_SECONDS = 0.1
# More than what is left of a last block on any file system.
_PROBE_BYTES = 1 << 20


def known(name: str) -> str:
    """Return the quantisation called `name`, in any case of letters. Raises OptionError."""
    if name.lower() == AUTO:
        return AUTO
    if name.upper() not in QUANTS:
        names = ", ".join((AUTO, *QUANTS))
        raise OptionError(f"unknown quantisation '{name}'", f"Use one of {names}")
    return name.upper()


def quantize(
    source: Path, target: Path, params: QuantizeParams, progress: Callable[[int], None]
) -> None:
    """Write `source` to `target` with quantised weights; `progress` is told the size of the
    target so far, in bytes. Raises StorageError where the disk ended it, and ModelError with what
    else did."""
    # -P keeps the current folder off the import path: it may be somebody else's repository.
    program = [sys.executable, "-P", "-m", "budgetai_core.llama.quantizer"]
    command = [*program, str(source), str(target), json.dumps(asdict(params))]
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
            raise _failure(child.returncode, log.read(), target, params.quant)


def _running(child: "subprocess.Popen[bytes]") -> bool:
    try:
        child.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _failure(code: int, log: bytes, target: Path, quant: str) -> BudgetAIError:
    """Return what ended the quantiser: a signal, a disk that takes no more, or what llama.cpp
    says."""
    failed = f"llama.cpp could not write the {quant} file"
    if sys.platform != "win32" and code == -signal.SIGKILL:
        return ModelError(f"{failed}: it was killed", "Is there enough free memory?")
    try:
        # llama.cpp says "iostream error", whatever the system has said to it.
        with target.open("ab") as file:
            file.write(b"\0" * _PROBE_BYTES)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return StorageError(f"{failed}: {error.strerror}", f"Look at {target.parent}")
    if code < 0:
        return ModelError(f"{failed}: it ended with {signal.Signals(-code).name}")
    lines = [line.strip() for line in log.decode("utf-8", "replace").splitlines() if line.strip()]
    reasons = [line for line in lines if "fail" in line.lower() or "error" in line.lower()]
    return ModelError(f"{failed}: {(reasons or lines or [f'exit code {code}'])[-1]}")
