"""What this machine has for models: memory, GPUs, and a torch that can use them.

torch itself is not imported: how it was built stands in a file of its own.
"""

import importlib.util
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")
_PATIENCE = 20
_CUDA = re.compile(r"(?m)^cuda\b[^=\n]*=\s*['\"]([\d.]+)['\"]")
_HIP = re.compile(r"(?m)^hip\b[^=\n]*=\s*['\"]([\w.+-]+)['\"]")


def free_memory() -> int:
    """Return the bytes that the system can give, or the container's limit where that is lower."""
    free = int(psutil.virtual_memory().available)
    limit = memory_limit()
    if limit is None:
        return free
    try:
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        stat = (_CGROUP / "memory.stat").read_text(encoding="ascii")
        # Cached files count as used, and are given back when memory is asked for.
        cached = dict(line.split() for line in stat.splitlines())["inactive_file"]
        return min(free, limit - used + int(cached))
    except (OSError, ValueError, KeyError):
        return free


def memory_limit() -> int | None:
    """Return the bytes that the container may have, None without a limit."""
    try:
        text = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return int(text) if text.isdigit() else None


def total_memory() -> int:
    """Return the bytes of memory of the machine, or of its container."""
    total = int(psutil.virtual_memory().total)
    limit = memory_limit()
    return total if limit is None else min(total, limit)


def gpus() -> tuple[str, ...]:
    """Return the names of the GPUs that a build for CUDA, ROCm or Metal could use."""
    if sys.platform == "darwin":
        return ("Metal",) if platform.machine() == "arm64" else ()
    names = _printed("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    if not names and Path("/dev/kfd").exists():
        return ("AMD (ROCm)",)
    return names


def _printed(program: str, *arguments: str) -> tuple[str, ...]:
    path = shutil.which(program)
    if path is None:
        return ()
    try:
        done = subprocess.run(
            [path, *arguments], capture_output=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    lines = done.stdout.decode("utf-8", "replace").splitlines() if not done.returncode else []
    return tuple(line.strip() for line in lines if line.strip())


def torch_build() -> str | None:
    """Return what the installed torch was built for: "CUDA 13.0", "ROCm 6.4", "CPU"; None without
    torch."""
    spec = importlib.util.find_spec("torch")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        try:
            text = (Path(folder) / "version.py").read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        for name, pattern in (("CUDA", _CUDA), ("ROCm", _HIP)):
            if match := pattern.search(text):
                return f"{name} {match[1]}"
        return "CPU"
    return None


def torch_without_its_gpu() -> str | None:
    """Return what torch was built for if this machine has no GPU that it could use: gigabytes of
    libraries that nothing needs. None where all is well."""
    built = torch_build()
    if sys.platform != "darwin" and built not in (None, "CPU") and not gpus():
        return built
    return None
