"""What flows through a model on the user's own code, summed by column."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from budgetai_core.artifacts.imatrix import CHUNK, Importance
from budgetai_core.errors import CheckError
from budgetai_core.llama.scoring import ScoringModel


def collect(
    model: Path,
    texts: Sequence[Sequence[int]],
    tick: Callable[[], None] = lambda: None,
    lora: Path | None = None,
) -> Importance:
    """Evaluate texts of at most CHUNK tokens, and sum up. Raises CheckError if llama.cpp shows
    nothing: another version may lay out its tensors in another way."""
    sums: dict[str, NDArray[np.float64]] = {}
    rows: dict[str, int] = {}

    def watch(name: str, values: NDArray[np.float32]) -> None:
        squares = np.einsum("ij,ij->j", values, values, dtype=np.float64)
        sums[name] = sums.get(name, 0) + squares
        rows[name] = rows.get(name, 0) + len(values)

    with ScoringModel(model, lora=lora) as native, native.reading(CHUNK, watch) as read:
        for tokens in texts:
            read(tokens[:CHUNK])
            tick()
    if not sums or not all(np.isfinite(total).all() for total in sums.values()):
        raise CheckError("llama.cpp shows no importance matrix", "Use --no-importance")
    return Importance({name: total.astype(np.float32) for name, total in sums.items()}, rows)
