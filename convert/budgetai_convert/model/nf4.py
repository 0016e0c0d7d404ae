"""What is left of weights that were held in 4 bits: the rounding of QLoRA (arXiv 2305.14314).

An adapter trained over 4-bit weights has learned to mend their errors too. NF4 keeps, for each 64
values, the largest magnitude and sixteen steps below it; double quantisation rounds those
magnitudes, less their mean, to 8 bits in blocks of 256. As bitsandbytes does it.
"""

import numpy as np
from numpy.typing import NDArray

from budgetai_core.artifacts.gguf_reader import Floats

_BLOCK, _OUTER = 64, 256
_STEPS = np.array(
    [
        *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
        *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
        *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
        *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
    ],
    np.float32,
)


def rounded(values: Floats) -> Floats:
    """Return values (…,) of any shape as they are after NF4 with double quantisation."""
    blocks = _blocks(values, _BLOCK)
    scales = np.abs(blocks).max(1)
    units = np.divide(blocks, np.where(scales > 0, scales, 1)[:, None], dtype=np.float32)
    nearest = _nearest(units, _STEPS) * _rounded_scales(scales)[:, None]
    return np.asarray(nearest.reshape(-1)[: values.size].reshape(values.shape), np.float32)


def _rounded_scales(scales: Floats) -> Floats:
    mean = scales.mean(dtype=np.float32)
    blocks = _blocks(scales - mean, _OUTER)
    largest = np.abs(blocks).max(1)
    units = np.divide(blocks, np.where(largest > 0, largest, 1)[:, None], dtype=np.float32)
    nearest = _nearest(units, _dynamic_steps()) * largest[:, None]
    return np.asarray(nearest.reshape(-1)[: scales.size] + mean, np.float32)


def _blocks(values: Floats, size: int) -> Floats:
    """Return rows of `size` values, the last one filled up with zeros."""
    flat = values.reshape(-1)
    return np.pad(flat, (0, -flat.size % size)).reshape(-1, size)


def _nearest(values: Floats, steps: Floats) -> Floats:
    return steps[np.searchsorted((steps[1:] + steps[:-1]) / 2, values)]


def _dynamic_steps() -> NDArray[np.float32]:
    """Return the 256 steps of the dynamic 8-bit type (arXiv 2110.02861): seven decades, the upper
    ones divided more finely."""
    decades = []
    for power in range(7):
        edges = np.linspace(0.1, 1, 2**power + 1, dtype=np.float32)
        decades.append((edges[1:] + edges[:-1]) / 2 * np.float32(10.0 ** (power - 6)))
    positive = np.concatenate(decades)
    return np.sort(np.concatenate([positive, -positive, [0, 1]]).astype(np.float32))
