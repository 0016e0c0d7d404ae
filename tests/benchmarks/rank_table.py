"""The table of ranks.py: losses by rank, the area under them, time, and what was to be reached."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log2
from typing import Any


def area(losses: Mapping[str, float], judged: Sequence[int]) -> float:
    """Under loss against the logarithm of the rank, by trapezoids, as a mean loss."""
    width = log2(judged[-1]) - log2(judged[0])
    if not width:
        return losses[str(judged[0])]
    parts = (
        (log2(b) - log2(a)) * (losses[str(a)] + losses[str(b)]) / 2 for a, b in pairwise(judged)
    )
    return sum(parts) / width


def table(curves: Mapping[str, Mapping[str, Any]], judged: Sequence[int]) -> list[str]:
    """Rows of markdown; the first curve is that of separate trainings, which the time and the
    largest excess over it, in percent, refer to."""
    first = next(iter(curves.values()))
    heads = ["", *(f"rank {rank}" for rank in judged), "area", "chosen", "seconds", "× time"]
    heads.append("worst excess")
    rows = [heads, ["---"] * len(heads)]
    rows += [_row(name, curve, first, judged) for name, curve in curves.items()]
    return ["| " + " | ".join(row) + " |" for row in rows]


def _row(
    name: str, curve: Mapping[str, Any], first: Mapping[str, Any], judged: Sequence[int]
) -> list[str]:
    losses = [curve["losses"][str(rank)] for rank in judged]
    excess = [
        100 * (loss / first["losses"][str(rank)] - 1)
        for rank, loss in zip(judged, losses, strict=True)
    ]
    return [
        name,
        *(f"{loss:.4f}" for loss in losses),
        f"{area(curve['losses'], judged):.4f}",
        str(curve.get("chosen") or ""),
        f"{curve['seconds']:.0f}",
        f"{curve['seconds'] / first['seconds']:.2f}" if first["seconds"] else "-",
        f"{max(excess):+.1f} %",
    ]
