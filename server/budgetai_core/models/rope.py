"""How a model's rotary positions are stretched over a longer context than it was first trained on.

llama.cpp knows three of the ways that transformers has: none, a linear one, and that of Llama 3,
which divides the slow rotations alone. A GGUF file holds the divisors of the last as a tensor.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from budgetai_core.artifacts.gguf_reader import Floats

FREQUENCIES = "rope_freqs.weight"
"""The GGUF tensor of the divisors, (head width / 2,)."""

_KINDS = ("default", "linear", "llama3")


@dataclass(frozen=True, kw_only=True)
class RopeScaling:
    """`factor` divides the angles: all of them if `kind` is linear; if it is llama3, those of
    rotations that a context of `original` tokens holds less than `low` times, in part those that
    it holds less than `high` times, and no others."""

    kind: str = "default"
    factor: float = 1.0
    low: float = 1.0
    high: float = 4.0
    original: int = 8192

    def divisors(self, head_width: int, base: float) -> Floats | None:
        """Return what the angle of each pair of a head is divided by, (head_width / 2,); None
        unless kind is llama3."""
        if self.kind != "llama3":
            return None
        exponents = np.arange(0, head_width, 2, dtype=np.float64) / head_width
        rotations = self.original / (2 * math.pi * base**exponents)
        share = np.clip((rotations - self.low) / (self.high - self.low), 0, 1)
        return np.asarray(1 / ((1 - share) / self.factor + share), np.float32)

    def parameters(self, base: float) -> dict[str, Any]:
        """Return the `rope_parameters` of a configuration of transformers."""
        values: dict[str, Any] = {"rope_type": self.kind, "rope_theta": base}
        if self.kind != "default":
            values["factor"] = self.factor
        if self.kind == "llama3":
            values |= {
                "low_freq_factor": self.low,
                "high_freq_factor": self.high,
                "original_max_position_embeddings": self.original,
            }
        return values


def of_parameters(values: dict[str, Any], context: int) -> RopeScaling | None:
    """Read the `rope_parameters` of a configuration, or None where llama.cpp has no such kind.
    Raises KeyError, TypeError or ValueError for values that are missing or no numbers."""
    kind = values.get("rope_type") or values.get("type") or "default"
    if kind == "default":
        return RopeScaling()
    if kind not in _KINDS:
        return None
    factor = float(values["factor"])
    if kind == "linear":
        return RopeScaling(kind=kind, factor=factor)
    low, high = float(values["low_freq_factor"]), float(values["high_freq_factor"])
    original = int(values.get("original_max_position_embeddings") or context)
    if not (factor > 0 and high > low > 0 and original > 0):
        raise ValueError("rope_parameters")
    return RopeScaling(kind=kind, factor=factor, low=low, high=high, original=original)


def of_divisors(divisors: Floats, base: float) -> RopeScaling | None:
    """Find the scaling of Llama 3 whose divisors (head_width / 2,) a GGUF file holds, or None if it
    is another. The file has no word on its bounds; all models of that family share them."""
    scaling = RopeScaling(kind="llama3", factor=float(divisors.max()))
    wanted = scaling.divisors(2 * len(divisors), base)
    return scaling if wanted is not None and np.allclose(divisors, wanted, rtol=1e-3) else None
