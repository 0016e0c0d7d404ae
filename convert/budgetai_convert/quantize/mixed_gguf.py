"""A file whose tensors come from several files of the same model, each quantised in one type.

A tensor quantised alone is the same bytes as in any mixture, so a mixture is a copy: it takes the
time of the disk, not of the quantiser.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from budgetai_convert.formats.gguf_writer import header_of
from budgetai_core.artifacts import gguf_reader
from budgetai_core.artifacts.gguf_header import ALIGNMENT
from budgetai_core.artifacts.gguf_reader import GGUFFile, TensorInfo

_BLOCK = 1 << 22


def write(target: Path, sources: Mapping[str, Path], origin: Mapping[str, str], rest: str) -> None:
    """Write `target` with each tensor from the source that `origin` names for it, and everything
    else, metadata too, from the source called `rest`."""
    files = {name: gguf_reader.read(path) for name, path in sources.items()}
    names = files[rest].tensors
    taken = {name: files[origin.get(name, rest)] for name in names}
    entries = _entries([taken[name].tensors[name] for name in names])
    with target.open("wb") as out:
        header = header_of(files[rest].metadata, entries)
        out.write(header)
        for entry in entries:
            out.write(b"\0" * (len(header) + entry.offset - out.tell()))
            _copy(taken[entry.name], entry.name, out)
        out.write(b"\0" * (-out.tell() % ALIGNMENT))


def _entries(infos: list[TensorInfo]) -> list[TensorInfo]:
    entries, offset = [], 0
    for info in infos:
        entries.append(replace(info, offset=offset))
        offset += -(-info.size // ALIGNMENT) * ALIGNMENT
    return entries


def _copy(file: GGUFFile, name: str, out: BinaryIO) -> None:
    info = file.tensors[name]
    with file.path.open("rb") as source:
        source.seek(info.offset)
        left = info.size
        while left:
            block = source.read(min(left, _BLOCK))
            if not block:
                raise OSError(f"{file.path.name} has become shorter")
            out.write(block)
            left -= len(block)
