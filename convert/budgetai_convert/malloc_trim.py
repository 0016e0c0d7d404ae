"""The memory of this process that nobody uses any more, given back to the system.

glibc keeps what was allocated in pieces for later use. Here what comes later is the next block of
another layout, or another process: the quantiser, which needs the room while this one waits for it.
"""

import ctypes
import gc
import sys


def trim() -> None:
    """Clear away what is left in cycles, and where the C library is glibc give its room back."""
    gc.collect()
    if sys.platform == "linux":
        trimmed = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trimmed is not None:
            trimmed(0)
