"""How many threads llama.cpp gets."""

import os


def available_cores() -> int:
    """Return the cores this process may use, which can be fewer than the machine has, or what
    OMP_NUM_THREADS says, as for other programs."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
