"""Checks of llama.cpp: does it load, was it built for this processor, how fast is it, and which
base fits that speed."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import psutil

from budgetai.doctor.diagnosis import FAULT, HINT, OK, Diagnosis, gigabytes
from budgetai_core import hardware
from budgetai_core.artifacts import gguf_header
from budgetai_core.artifacts.base_models import EMBEDDED
from budgetai_core.artifacts.gguf_header import HeaderError

_PATIENCE = 300
_REBUILD = "python -m pip install --force-reinstall --no-deps --no-cache-dir llama-cpp-python"
# What makes a difference to llama.cpp, as it names them itself and as Linux does.
_INSTRUCTIONS = {"AVX2": "avx2", "AVX512": "avx512f"}
_EMBEDDING = "token_embd.weight"
# Q8_0, and caches of the server's places.
_BYTES_PER_PARAMETER, _CACHES = 1.07, 4e8
_MAX_MEMORY_SHARE = 0.6


@dataclass(frozen=True)
class KnownBase:
    """Numbers of parameters: all, and those of its blocks alone, which prefill goes through.
    `training` is what tuning it takes at its peak, in bytes, as it was measured."""

    name: str
    parameters: float
    blocks: float
    training: float


# The largest first. tests/benchmarks/RESULTS.md has the measured peaks; the first is estimated.
KNOWN_BASES = (
    KnownBase("qwen2.5-coder-1.5b", 1544e6, 1310e6, 15e9),
    KnownBase("qwen2.5-coder-0.5b", 494e6, 358e6, 7e9),
    KnownBase(EMBEDDED, 135e6, 106e6, 3.5e9),
)


@dataclass(frozen=True)
class ModelSpeed:
    """Speeds in tokens a second of a model with so many parameters, of its `blocks` too."""

    prefill: float
    decode: float
    parameters: float
    blocks: float

    def predicted(self, base: KnownBase) -> "ModelSpeed":
        """Return what to expect of another base: a token costs what its weights do."""
        return ModelSpeed(
            self.prefill * self.blocks / base.blocks,
            self.decode * self.parameters / base.parameters,
            base.parameters,
            base.blocks,
        )

    def is_fast_enough(self) -> bool:
        """Return whether answers come while one types, with the context that they need."""
        from budgetai_server.inference.profile import SpeedProfile, token_budget

        default = SpeedProfile()
        batches = tuple(seconds * default.decode / self.decode for seconds in default.batches)
        budget = token_budget(SpeedProfile(self.prefill, batches), _LATENCY)
        return budget.prompt >= _MIN_PROMPT and budget.line >= _MIN_LINE


# The server's default target in seconds. With prompts of 403 tokens 34 % of 80 lines were right,
# with 577 tokens 38 %.
_LATENCY, _MIN_PROMPT, _MIN_LINE = 0.3, 400, 20


def checks(model: Path | None, *, measure: bool, again: bool = False) -> list[Diagnosis]:
    """Look at llama.cpp, and measure it with a model if there is one, `again` where its speed is
    known. It runs in a process of its
    own: a build for another processor ends by a signal."""
    seen, failed = _look()
    if failed:
        return [failed]
    diagnoses = [_build(seen)]
    if seen["gpu"] is False and (names := hardware.gpus()):
        flag = {"Metal": "GGML_METAL"}.get(
            names[0], "GGML_HIP" if "AMD" in names[0] else "GGML_CUDA"
        )
        remedy = f'Run: CMAKE_ARGS="-D{flag}=on" {_REBUILD}'
        diagnoses.append(Diagnosis("llama.cpp", HINT, "built without the GPU that is here", remedy))
    if not measure:
        return diagnoses
    if model is None:
        remedy = f"Run: budgetai models add {EMBEDDED}"
        return [*diagnoses, Diagnosis("speed", HINT, "not measured: there is no model", remedy)]
    seen, failed = _look(model, again=again)
    return [*diagnoses, failed] if failed else [*diagnoses, *_speed(seen, model)]


def _look(
    model: Path | None = None, *, again: bool = False
) -> tuple[dict[str, Any], Diagnosis | None]:
    """Return what the other process has seen, or what has ended it."""
    # -P, and a folder that is ours: a file called json.py where the user stands is not a library.
    command = [sys.executable, "-P", "-m", "budgetai.doctor", *([str(model)] if model else [])]
    command += ["again"] if again else []
    while_what = "at the first tokens" if model else "when it is loaded"
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_PATIENCE, check=False, cwd=sys.prefix
        )
    except subprocess.TimeoutExpired:
        remedy = "See what else the machine is doing, and try again"
        return {}, Diagnosis("llama.cpp", FAULT, f"no answer in {_PATIENCE} s {while_what}", remedy)
    if done.returncode == 0:
        return json.loads(done.stdout), None
    if b"No module named 'llama_cpp'" in done.stderr:
        return {}, Diagnosis(
            "llama.cpp", OK, "not installed; the extras server and convert bring it"
        )
    return {}, _crash(done.returncode, while_what)


def _crash(code: int, while_what: str) -> Diagnosis:
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    if name in ("SIGILL", "SIGSEGV", "SIGBUS"):
        text = (
            f"crashes {while_what} ({name}): built for another processor, or by a faulty compiler"
        )
        without_amx = 'CFLAGS="-U__AMX_INT8__" CXXFLAGS="-U__AMX_INT8__"'
        return Diagnosis("llama.cpp", FAULT, text, f"Compile it anew: {without_amx} {_REBUILD}")
    remedy = "Unset LLAMA_CPP_LIB_PATH" if os.environ.get("LLAMA_CPP_LIB_PATH") else _REBUILD
    return Diagnosis("llama.cpp", FAULT, f"does not work {while_what} ({name})", f"Run: {remedy}")


def _build(seen: dict[str, Any]) -> Diagnosis:
    used = {
        part.strip().removesuffix(" = 1").rpartition(" : ")[2] for part in seen["system"].split("|")
    }
    there = _processor()
    unused = [name for name, flag in _INSTRUCTIONS.items() if flag in there and name not in used]
    library = ", the library of LLAMA_CPP_LIB_PATH" if seen["own_library"] else ""
    text = f"llama-cpp-python {seen['version']}{library}"
    loaded, expected = seen["ggml"]
    if seen["own_library"] and loaded != expected:
        text += f": ggml {loaded or 'unknown'}, where {expected or 'another one'} is expected"
        remedy = "Unset LLAMA_CPP_LIB_PATH, or build that library at the commit it is expected at"
        return Diagnosis("llama.cpp", HINT, text, remedy)
    if unused:
        text += f", built without {' and '.join(unused)}, which this processor has: slow"
        return Diagnosis("llama.cpp", HINT, text, f"Compile it here: {_REBUILD} --no-binary :all:")
    wide = [name for name in ("AMX_INT8", "AVX512", "AVX2", "NEON") if name in used]
    return Diagnosis("llama.cpp", OK, f"{text}, uses {wide[0] if wide else 'no wide instructions'}")


def _processor() -> set[str]:
    """Return the instructions of the processor, as Linux names them; none elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return set()
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(flags.partition(":")[2].split())


def _speed(seen: dict[str, Any], model: Path) -> list[Diagnosis]:
    sizes = _sizes(model)
    if not seen.get("speed") or sizes is None:
        remedy = "Train and convert again: budgetai train, budgetai convert"
        return [Diagnosis("speed", HINT, "not measured: the newest model cannot be loaded", remedy)]
    measured = ModelSpeed(
        float(seen["speed"]["prefill"]), 1.0 / float(seen["speed"]["batches"][0]), *sizes
    )
    text = (
        f"reads {measured.prefill:.0f} and writes {measured.decode:.0f} tokens a second "
        f"({measured.parameters / 1e6:.0f} million parameters, {seen['threads']} threads)"
    )
    base = _base(measured)
    if measured.is_fast_enough():
        return [Diagnosis("speed", OK, text), base]
    load = psutil.getloadavg()[0]
    if load > (os.cpu_count() or 1):
        text += f"; the machine was busy just now (load {load:.1f})"
        remedy = "When it is idle, run: budgetai doctor --measure again"
        return [Diagnosis("speed", HINT, text, remedy), base]
    remedy = "Take a smaller base, or allow more time: --latency-ms 600"
    return [Diagnosis("speed", HINT, f"{text}: slower than one types", remedy), base]


def _sizes(model: Path) -> tuple[float, float] | None:
    """Return the parameters of a model, and those of its blocks; None where it cannot be read."""
    file = model / "base.gguf" if model.is_dir() else model
    try:
        shapes = {name: prod(entry.shape) for name, entry in gguf_header.read(file).tensors.items()}
    except (HeaderError, OSError, ValueError):
        return None
    blocks = sum(size for name, size in shapes.items() if name.startswith("blk."))
    return (float(sum(shapes.values())), float(blocks)) if blocks else None


def _base(measured: ModelSpeed) -> Diagnosis:
    """Return the largest base that this machine serves in time: a larger one untuned is better
    than a smaller one tuned."""
    memory = hardware.total_memory()
    for base in KNOWN_BASES:
        needed = base.parameters * _BYTES_PER_PARAMETER + _CACHES
        if needed <= _MAX_MEMORY_SHARE * memory and measured.predicted(base).is_fast_enough():
            break
    expected = measured.predicted(base)
    text = (
        f"{base.name} is the largest that fits this machine: about {expected.prefill:.0f} and "
        f"{expected.decode:.0f} tokens a second; tuning it takes up to {gigabytes(base.training)}"
    )
    remedy = f"budgetai models add {base.name}; budgetai train --base {base.name}"
    if base.training > psutil.virtual_memory().total:
        text += ", which is more than there is: 4 bits and shorter samples are taken then"
    return Diagnosis("base", OK, text, remedy)
