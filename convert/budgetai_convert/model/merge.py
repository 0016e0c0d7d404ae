"""The LoRA arithmetic: W + scale · B A, and DoRA's length on top of it, one tensor at a time, in
the order of a GGUF file. Needs numpy alone."""

from collections.abc import Iterator

import numpy as np

from budgetai_convert.model import nf4
from budgetai_convert.model.adapter import Adapter, LowRankUpdate
from budgetai_core.artifacts.gguf_reader import Floats, slabs
from budgetai_core.errors import AdapterError, BaseError
from budgetai_core.models.architectures import Sizes
from budgetai_core.models.base_weights import Source, Weight

_Placed = dict[str, tuple[str, LowRankUpdate]]


def placed(source: Source, adapter: Adapter) -> _Placed:
    """Return the adapter's module and update by GGUF tensor name. Raises AdapterError for a module
    that the base has not, and for matrices of another shape."""
    shapes = {weight.name: weight.shape for weight in source.weights}
    updates: _Placed = {}
    for module, update in adapter.updates.items():
        name = source.name_of(module)
        if name is None:
            raise AdapterError(
                f"the adapter changes {module}, which the base {source.name} has not as a weight "
                "of its own"
            )
        if shapes[name] != update.shape:
            raise AdapterError(
                f"the adapter's {module} is {update.shape}, that of the base {source.name} "
                f"is {shapes[name]}",
                "The adapter belongs to another base",
            )
        updates[name] = (module, update)
    return updates


def merged(
    source: Source, adapter: Adapter | None, *, four_bits: bool = False
) -> Iterator[tuple[Weight, Floats]]:
    """Yield each weight (out, …) of the base with the adapter added, as float32. With `four_bits`
    the matrices of the blocks are first rounded as QLoRA holds them. Raises BaseError for values
    that are not finite."""
    updates = placed(source, adapter) if adapter else {}
    for weight in source.weights:
        values = weight.load()
        if four_bits and len(weight.shape) == 2 and weight.name.startswith("blk."):
            values = nf4.rounded(values)
        if weight.name in updates:
            _add(source.sizes, weight.name, values, *updates[weight.name])
        for slab in slabs(len(values), values.size // len(values)):
            if not np.isfinite(values[slab]).all():
                raise BaseError(
                    f"the base {source.name} holds NaN or infinite values in {weight.name}"
                )
        yield weight, values


def _add(sizes: Sizes, name: str, values: Floats, module: str, update: LowRankUpdate) -> None:
    """Compute values (out, in) += scale · B A, with the rows of B in file order: (out, r) @ (r,
    in); a few rows at a time, so that nothing of the weight's size is held twice."""
    a, b = update.load(module)
    b, lengths = sizes.in_file_order(name, b), update.load_lengths(module)
    if lengths is not None:
        lengths = sizes.in_file_order(name, lengths)
    for slab in slabs(*values.shape):
        values[slab] += b[slab] @ a
        if lengths is not None:
            _stretch(values[slab], lengths[slab])


def _stretch(rows: Floats, lengths: Floats) -> None:
    """Apply DoRA (arXiv 2402.09353): each row keeps its direction and gets the length learned for
    it."""
    present = np.linalg.norm(rows, axis=1)
    rows *= (lengths / np.maximum(present, np.finfo(np.float32).tiny))[:, None]
