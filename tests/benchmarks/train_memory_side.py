"""One side of train_memory.py: budgetai-train in this process, its peaks noted by stage.

It knows of both checkouts that they have `Stages.stage`. The file that TAKEN names gets the result.
"""

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from budgetai_training import cli

# Rows and columns of a part of a product: its numbers in 32 bits are no part of the peak.
ROWS, COLUMNS = 256, 8192

peaks: dict[str, float] = {}
processor: defaultdict[str, float] = defaultdict(float)


def note(stage: str) -> None:
    """Note the high-water mark, and set it back."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(text.split("VmHWM:")[1].split()[0]) / 1024
    peaks[stage] = round(max(peaks.get(stage, 0.0), peak), 1)
    Path("/proc/self/clear_refs").write_text("5")


@contextmanager
def stage(self: Any, name: str) -> Iterator[None]:
    """In the place of `Stages.stage`."""
    note("between stages")
    began, spent = time.monotonic(), time.process_time()
    try:
        yield
    finally:
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began
        processor[name] += time.process_time() - spent
        note(name)


def multiply_in_32_bits() -> object:
    """Replace torch's products of bfloat16 matrices by ones in 32 bits. They hold until what is
    returned is gone."""
    import torch

    def product(a: Any, b: Any) -> Any:
        if a.dtype != torch.bfloat16:
            return torch.mm(a, b, out=a.new_empty(len(a), b.shape[1]))
        out = a.new_empty(len(a), b.shape[1])
        for column in range(0, b.shape[1], COLUMNS):
            columns = slice(column, column + COLUMNS)
            wide = b[:, columns].float()
            for row in range(0, len(a), ROWS):
                rows = a[row : row + ROWS].float()
                part = rows.new_empty(len(rows), wide.shape[1])
                out[row : row + ROWS, columns] = torch.mm(rows, wide, out=part)
        return out

    def sum_of_product(bias: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        if a.dtype != torch.bfloat16 or (beta, alpha) != (1, 1):
            out = a.new_empty(len(a), b.shape[1])
            return torch.addmm(bias, a, b, beta=beta, alpha=alpha, out=out)
        return product(a, b).add_(bias)

    library = torch.library.Library("aten", "IMPL")
    library.impl("mm", product, "CPU")
    library.impl("addmm", sum_of_product, "CPU")
    return library


def main() -> int:
    # Before torch is loaded, as the command does it; an older one does not.
    getattr(cli, "_save_memory", lambda: None)()
    kept = multiply_in_32_bits() if os.environ["WIDE_PRODUCTS"] == "1" else None
    from budgetai_training.time_budget import Stages

    Stages.stage = stage  # type: ignore[method-assign,assignment]
    code = cli.main(sys.argv[1:])
    note("end")
    peaks["the whole command"] = max(peaks.values())
    taken = {"peaks": peaks, "processor": processor}
    Path(os.environ["TAKEN"]).write_text(json.dumps(taken), encoding="utf-8")
    del kept
    return code


if __name__ == "__main__":
    sys.exit(main())
