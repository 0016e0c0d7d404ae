"""Which parts of a model deserve more bits: a short greedy search. Pure arithmetic, no files.

Parts (all value projections, all down projections, the head …) are raised from the base type
one step at a time, always where a byte saves most divergence. How much a part saves is measured
once, at the highest type; between types the error falls fourfold with each bit, as rounding errors
do, and the parts' savings add up. What the search proposes is measured again before it is chosen.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PARTS: dict[str, tuple[str, ...]] = {
    "embedding": ("token_embd",),
    "head": ("output",),
    "values": ("attn_v",),
    "queries and keys": ("attn_q", "attn_k"),
    "attention output": ("attn_output",),
    "down": ("ffn_down",),
    "gate and up": ("ffn_gate", "ffn_up"),
}
BITS = {
    **{"Q4_0": 4.5, "IQ4_NL": 4.5, "Q4_K": 4.5, "Q5_0": 5.5, "Q5_K": 5.5},
    **{"Q6_K": 6.5625, "Q8_0": 8.5},
}

Types = dict[str, str]
Ladders = Mapping[str, Sequence[str]]
"""The types that each part can take, by bits. They begin and end alike for all."""


def part_of(tensor: str) -> str:
    """Return the part that a weight belongs to, or an empty text: norms and biases are not
    quantised."""
    role = tensor.removesuffix(".weight").rpartition(".")[2]
    return next((part for part, roles in PARTS.items() if role in roles), "")


@dataclass(frozen=True)
class Step:
    """Types by part, about how many bytes they take, and the divergence they should have."""

    types: Types
    size: float
    kld: float


def path(
    ladders: Ladders,
    values: Mapping[str, int],
    base: float,
    saved: Mapping[str, float],
    room: float = math.inf,
) -> list[Step]:
    """Go from every part at the foot of its ladder towards its end, one part up at a time, with no
    step larger than `room` bytes but the first.

    `values` are the numbers of weights by part, `base` the divergence at the foot, `saved` what
    raising a part to the top was measured to save.
    """
    types = {part: ladders[part][0] for part in values}
    size = sum(values[part] * BITS[types[part]] / 8 for part in values)
    steps, kld = [Step(dict(types), size, base)], base
    while moves := [m for m in _moves(ladders, types, values, saved) if size + m[2] <= room]:
        part, rung, cost, gain = max(moves, key=lambda move: move[3] / move[2])
        types[part] = rung
        size, kld = size + cost, kld - gain
        steps.append(Step(dict(types), size, max(kld, 0.0)))
    return steps


def _moves(
    ladders: Ladders,
    types: Mapping[str, str],
    values: Mapping[str, int],
    saved: Mapping[str, float],
) -> list[tuple[str, str, float, float]]:
    """Return every part's next rungs, with their bytes and their gains."""
    return [
        (
            part,
            rung,
            _bytes(values[part], types[part], rung),
            _gain(ladders[part], types[part], rung, saved[part]),
        )
        for part in values
        for rung in ladders[part][ladders[part].index(types[part]) + 1 :]
    ]


def _bytes(count: int, low: str, high: str) -> float:
    return count * (BITS[high] - BITS[low]) / 8


def _gain(ladder: Sequence[str], low: str, high: str, saved: float) -> float:
    """Return the share of the measured saving that lies between two rungs."""
    whole = _error(ladder[0], ladder[0]) - _error(ladder[-1], ladder[0])
    gained = _error(low, ladder[0]) - _error(high, ladder[0])
    return max(saved, 0.0) * gained / whole


def _error(kind: str, foot: str) -> float:
    return math.pow(4.0, BITS[foot] - BITS[kind])


def proposals(steps: Sequence[Step], max_kld: float) -> list[Step]:
    """Return the steps worth measuring: the last, the smallest that should fit the divergence, and
    one with some reserve, for estimates err."""
    worth_measuring = list(steps[-1:])
    if max_kld:
        worth_measuring += [step for step in steps if step.kld <= max_kld][:1]
        worth_measuring += [step for step in steps if step.kld <= 0.8 * max_kld][:1]
    unique = {tuple(step.types.items()): step for step in worth_measuring}
    return list(unique.values())
