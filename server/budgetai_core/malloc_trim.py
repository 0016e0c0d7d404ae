"""The memory of this process that nobody uses any more, given back to the system.

glibc keeps what was allocated in pieces for later use. Here what comes later is the next block of
another layout, or another process: the quantiser, which needs the room while this one waits for it.
"""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def trim() -> None:
    """Give room back where the C library is glibc."""
    if sys.platform == "linux":
        trimmed = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trimmed is not None:
            trimmed(0)


def collect() -> None:
    """Clear away what is left in cycles, and give its room back."""
    gc.collect()
    trim()


@contextmanager
def collecting_new_objects_only() -> Iterator[None]:
    """Leave what is there now out of collections: torch and its like have so many objects that to
    look at each takes half a second, for every block of a model."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
