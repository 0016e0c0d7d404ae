"""The LoRA arithmetic: W + scale · B A, one tensor at a time, in the order of a GGUF file."""

from collections.abc import Iterator

import numpy as np

from budgetai_convert.adapter import Adapter, Update
from budgetai_convert.architecture import Sizes
from budgetai_convert.gguf_file import Floats
from budgetai_convert.source import Source, Weight
from budgetai_server.errors import AdapterError, BaseError

_Placed = dict[str, tuple[str, Update]]


def placed(source: Source, adapter: Adapter) -> _Placed:
    """The adapter's module and update by GGUF tensor name. Raises AdapterError for a module that
    the base has not, and for matrices of another shape."""
    shapes = {weight.name: weight.shape for weight in source.weights}
    found: _Placed = {}
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
        found[name] = (module, update)
    return found


def merged(source: Source, adapter: Adapter | None) -> Iterator[tuple[Weight, Floats]]:
    """Each weight of the base with the adapter added, as float32."""
    updates = placed(source, adapter) if adapter else {}
    for weight in source.weights:
        values = weight.load()
        if weight.name in updates:
            values = values + delta(source.sizes, weight.name, *updates[weight.name])
        if not np.isfinite(values).all():
            raise BaseError(f"the base {source.name} holds NaN or infinite values in {weight.name}")
        yield weight, values


def delta(sizes: Sizes, name: str, module: str, update: Update) -> Floats:
    """scale · B A with the rows of B in file order. [out, rank] @ [rank, in] -> [out, in]"""
    a, b = update.load(module)
    return np.asarray(sizes.in_file_order(name, b) @ a, np.float32)
