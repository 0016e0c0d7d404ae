"""The importance matrix: how much flows through each column of each weight, on the user's code.

A quantiser that knows it spends its precision where it counts. It is kept as the GGUF file that
llama.cpp's own tools read and write (tools/imatrix/README.md there): for each weight the summed
squares of its inputs by column, and how many rows were summed.
"""

from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from budgetai_core.artifacts import gguf_reader
from budgetai_core.errors import BaseError

_SUMS, _COUNTS = ".in_sum2", ".counts"
CHUNK = 512
"""Tokens in a row; llama.cpp's tools take as many."""


@dataclass(frozen=True)
class Importance:
    """Summed squares of the inputs (columns,) of each weight, by its name; `rows` tokens each."""

    sums: dict[str, NDArray[np.float32]]
    rows: dict[str, int]

    def means(self) -> dict[str, NDArray[np.float32]]:
        """Return the mean squares (columns,) of each weight, as the quantiser takes them."""
        return {name: total / np.float32(self.rows[name]) for name, total in self.sums.items()}


def write(path: Path, importance: Importance, dataset: str) -> None:
    """Write the file that `llama-quantize --imatrix` reads; `dataset` names what was read."""
    writer = gguf.GGUFWriter(path, "imatrix")
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", [dataset])
    writer.add_uint32("imatrix.chunk_count", max(importance.rows.values()) // CHUNK)
    writer.add_uint32("imatrix.chunk_size", CHUNK)
    for name in sorted(importance.sums):
        writer.add_tensor(name + _SUMS, importance.sums[name][None])
        writer.add_tensor(name + _COUNTS, np.array([[importance.rows[name]]], np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read(path: Path) -> Importance:
    """Read such a file. Raises BaseError for one that is broken."""
    file = gguf_reader.read(path)
    names = [name.removesuffix(_SUMS) for name in file.tensors if name.endswith(_SUMS)]
    sums, rows = {}, {}
    for name in names:
        if name + _COUNTS not in file.tensors:
            raise BaseError(f"{path.name} is broken: nothing counts the rows of {name}")
        total, count = file.load(name + _SUMS), float(file.load(name + _COUNTS).max())
        if not (np.isfinite(total).all() and 1 <= count < 2**53):
            raise BaseError(f"{path.name} is broken: the sums of {name} are not numbers")
        sums[name], rows[name] = total.reshape(-1), int(count)
    return Importance(sums, rows)
