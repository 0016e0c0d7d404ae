"""Checks of the machine and of what is installed: Python, extras, compiler, memory, disk, GPU."""

import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator

import psutil

from budgetai import extras
from budgetai.doctor.diagnosis import FAULT, HINT, OK, Diagnosis, gigabytes
from budgetai.extras import Installation
from budgetai_core import hardware
from budgetai_core.artifacts.layout import home

_MIN_FREE_MEMORY = 1.5e9
_MIN_FREE_DISK = 2e9
_COMPILERS = ("c++", "g++", "clang++", "cl")


def checks() -> Iterator[Diagnosis]:
    yield _python()
    yield from _extras()
    yield _compiler()
    yield _memory()
    yield _disk()
    yield from _gpu()


def _python() -> Diagnosis:
    bits = 64 if sys.maxsize > 2**32 else 32
    text = f"{sys.version_info.major}.{sys.version_info.minor}, {sys.implementation.name}"
    if bits == 32:
        remedy = "Install a Python of 64 bit, and BudgetAI with it"
        return Diagnosis("Python", FAULT, f"{text}, 32 bit: models do not fit", remedy)
    return Diagnosis("Python", OK, f"{text}, {bits} bit")


def _extras() -> Iterator[Diagnosis]:
    known, missing, lost = extras.requirements(), extras.missing(), extras.lost()
    whole = [name for name in known if name not in missing]
    installation = Installation.current()
    if known and not whole:
        remedy = f"Run: {installation.command(lost or ['server'], anonymous=True)}"
        text = "none is installed, so nothing can be trained or served"
        yield Diagnosis("extras", FAULT, text, remedy)
    absent = f"; not installed: {', '.join(sorted(missing))}" if missing else ""
    if whole or not known:
        yield Diagnosis("extras", OK, f"{', '.join(whole) or 'not known: never installed'}{absent}")
    if lost:
        remedy = f"Run: {installation.command(sorted(lost), anonymous=True)}"
        names = ", ".join(sorted(lost))
        packages = ", ".join(sorted({package for name in lost for package in missing[name]}))
        text = f"{names} was here and is no longer whole; missing: {packages}"
        yield Diagnosis(
            "extras", HINT, f"{text}. An upgrade drops extras it is not told of", remedy
        )


def _compiler() -> Diagnosis:
    compiler = next((name for name in _COMPILERS if shutil.which(name)), None)
    if compiler:
        return Diagnosis("compiler", OK, compiler)
    if importlib.util.find_spec("llama_cpp"):
        return Diagnosis("compiler", OK, "none; llama-cpp-python is there, so none is needed")
    remedy = "Install one (Debian: apt-get install g++; macOS: xcode-select --install)"
    return Diagnosis("compiler", HINT, "none, and llama-cpp-python is compiled", remedy)


def _memory() -> Diagnosis:
    total, free = hardware.total_memory(), hardware.free_memory()
    limited = " (the container's limit)" if hardware.memory_limit() else ""
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    text = f"{gigabytes(free)} free of {gigabytes(total)}{limited}; {cores} cores"
    if free < _MIN_FREE_MEMORY:
        return Diagnosis("memory", HINT, text, "Close other programs, or take a small base")
    return Diagnosis("memory", OK, text)


def _disk() -> Diagnosis:
    name = "data folder"
    try:
        home().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home()) as file:
            file.write(b"\0")
        free = shutil.disk_usage(home()).free
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        remedy = "Make it writable, or set BUDGETAI_HOME to a folder that is"
        return Diagnosis(name, FAULT, f"cannot be written: {reason}", remedy)
    if free < _MIN_FREE_DISK:
        remedy = "Remove models (budgetai models list), or set BUDGETAI_HOME to another disk"
        return Diagnosis(name, HINT, f"{gigabytes(free)} free on its disk", remedy)
    return Diagnosis(name, OK, f"writable, {gigabytes(free)} free on its disk")


def _gpu() -> Iterator[Diagnosis]:
    names, built = hardware.gpus(), hardware.torch_build()
    yield Diagnosis("GPU", OK, ", ".join(names) or "none that a build for CUDA, ROCm or Metal uses")
    if unused := hardware.torch_without_its_gpu():
        text = f"built for {unused}, and there is no such GPU: gigabytes for nothing"
        yield Diagnosis("torch", HINT, text, _cpu_torch())
    elif built == "CPU" and names and sys.platform != "darwin":
        remedy = "Install the torch for your GPU, as its own page says"
        yield Diagnosis("torch", HINT, "built for the CPU, and there is a GPU", remedy)
    elif built:
        yield Diagnosis("torch", OK, f"built for {built}")


def _cpu_torch() -> str:
    installer = Installation.current().installer
    if installer == "uv-tool":
        return 'Run: uv tool install --reinstall --torch-backend cpu "budgetai[all]"'
    if installer == "uv":
        return "Run: uv pip install --reinstall --torch-backend cpu torch"
    program = "pipx runpip budgetai" if installer == "pipx" else "python -m pip"
    return f"Run: {program} install --force-reinstall torch, with the index of torch's CPU builds"
