"""Memory of a process as Linux counts it: in all, and without pages of files (the model's)."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Memory:
    """MiB. `anonymous` is what the process itself has allocated; a mapped model is `file`."""

    rss: float
    anonymous: float
    file: float
    peak: float

    def at_least(self, other: "Memory") -> "Memory":
        """The higher of both in each part."""
        return Memory(
            *(max(a, b) for a, b in zip(vars(self).values(), vars(other).values(), strict=True))
        )


def memory(pid: int) -> Memory | None:
    """None where /proc does not say."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        sizes = dict(line.split(":", 1) for line in text.splitlines())
        names = ("VmRSS", "RssAnon", "RssFile", "VmHWM")
        return Memory(*(round(int(sizes[name].split()[0]) / 1024, 1) for name in names))
    except (OSError, KeyError, ValueError):
        return None
