"""The memory of this process that nobody uses any more, given back to the system.

glibc keeps what was allocated in pieces for later use. Here what comes later is the next block of
another layout, or another process: the quantiser, which needs the room while this one waits for it.
"""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_M_MMAP_THRESHOLD = -3
# From this size on a block is mapped by itself.
_LARGE_BYTES = 4 * 2**20


def huge_pages() -> bool:
    """Return whether the system maps large blocks in pages of 2 MB where it is asked to."""
    try:
        return "[never]" not in _HUGE_PAGES.read_text(encoding="ascii")
    except OSError:
        return False


def map_large_blocks() -> None:
    """Give large blocks back as soon as they are free, where the C library is glibc; as a rule it
    keeps those of up to 32 MB, and pieces of them that fit nothing. New ones cost page faults,
    so this is for who asks for huge pages."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


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
