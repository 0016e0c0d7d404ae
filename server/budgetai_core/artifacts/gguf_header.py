"""The header of a GGUF file that nobody vouches for: metadata, and where the tensors lie.

It is walked with every length checked against the file's size before anything is allocated.
Metadata is kept as the bytes that stand in the file (type and payload), so that it can be copied
without loss. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Metadata = dict[str, bytes]
"""Key to value, as the bytes of a GGUF file: the type as uint32, then the payload."""

MAGIC = b"GGUF"
ALIGNMENT = 32
_VERSIONS = (2, 3)
_MAX_DIMS = 4

UINT32, FLOAT32, STRING, ARRAY = 4, 6, 8, 9
SCALARS = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}
"""What struct calls the types of one number."""


class HeaderError(Exception):
    """What is wrong with a file, to be read behind its name, and the way out if there is one."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


@dataclass(frozen=True)
class TensorEntry:
    """`shape` has rows first, as numpy has it; `kind` is ggml's number of a type; `offset` counts
    bytes from the file's start."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True)
class Header:
    """The header of a file of `size` bytes."""

    metadata: Metadata
    tensors: dict[str, TensorEntry]
    size: int


def read(path: Path, max_bytes: int | None = None) -> Header:
    """Read the header of a file, of at most `max_bytes`. Raises HeaderError, and OSError."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise HeaderError("is not a GGUF file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Cursor(data, max_bytes).header()


class _Cursor:
    """A place in a file from which nothing is read that is not there."""

    def __init__(self, data: mmap.mmap, max_bytes: int | None) -> None:
        self.data, self.at = data, len(MAGIC)
        self.end = min(len(data), max_bytes or len(data))

    def header(self) -> Header:
        version = self.number("I")
        if int.from_bytes(version.to_bytes(4, "little"), "big") in _VERSIONS:
            raise HeaderError(
                "is a GGUF file of the other byte order (big-endian)",
                "Fetch it in little-endian, or run gguf-convert-endian",
            )
        if version not in _VERSIONS:
            raise HeaderError(f"is of GGUF version {version}", "Versions 2 and 3 are read")
        tensor_count, key_count = self.number("Q"), self.number("Q")
        metadata: Metadata = {}
        for _ in range(key_count):
            key = self.string()
            if key in metadata:
                raise HeaderError(f"is broken: {key} stands there twice")
            metadata[key] = self.value()
        entries = [self.tensor() for _ in range(tensor_count)]
        return Header(metadata, self.placed(entries, metadata), len(self.data))

    def skip(self, size: int) -> None:
        if size > self.end - self.at:
            raise HeaderError("is cut short or broken", "Fetch the file again")
        self.at += size

    def number(self, code: str) -> Any:
        start = self.at
        self.skip(struct.calcsize("<" + code))
        return struct.unpack_from("<" + code, self.data, start)[0]

    def string(self) -> str:
        size = self.number("Q")
        start = self.at
        self.skip(size)
        return self.data[start : self.at].decode("utf-8", "replace")

    def value(self) -> bytes:
        """Return the bytes of a metadata value, type included."""
        start = self.at
        kind = self.number("I")
        if kind == ARRAY:
            self.array()
        else:
            self.single(kind)
        return self.data[start : self.at]

    def array(self) -> None:
        kind, count = self.number("I"), self.number("Q")
        if kind in SCALARS:
            self.skip(count * struct.calcsize("<" + SCALARS[kind]))
            return
        for _ in range(count):
            self.single(kind)

    def single(self, kind: int) -> None:
        if kind == STRING:
            self.skip(self.number("Q"))
        elif kind in SCALARS:
            self.skip(struct.calcsize("<" + SCALARS[kind]))
        else:
            raise HeaderError(f"is broken: metadata of unknown type {kind}")

    def tensor(self) -> TensorEntry:
        name, dims = self.string(), self.number("I")
        if not 1 <= dims <= _MAX_DIMS:
            raise HeaderError(f"is broken: tensor {name} has {dims} dimensions")
        shape = tuple(self.number("Q") for _ in range(dims))[::-1]
        if 0 in shape:
            raise HeaderError(f"is broken: tensor {name} has shape {shape}")
        return TensorEntry(name, shape, self.number("I"), self.number("Q"))

    def placed(self, entries: list[TensorEntry], metadata: Metadata) -> dict[str, TensorEntry]:
        """Return tensors by name, with offsets from the start of the file."""
        packed = metadata.get("general.alignment")
        alignment = unpack(packed) if packed else ALIGNMENT
        if not isinstance(alignment, int) or alignment < 8 or alignment & (alignment - 1):
            raise HeaderError(f"is broken: alignment {alignment!r}")
        start = -(-self.at // alignment) * alignment
        placed: dict[str, TensorEntry] = {}
        for entry in entries:
            if entry.name in placed:
                raise HeaderError(f"is broken: tensor {entry.name} stands there twice")
            placed[entry.name] = TensorEntry(
                entry.name, entry.shape, entry.kind, start + entry.offset
            )
        return placed


def unpack(packed: bytes) -> Any:
    """Return the Python value of metadata bytes; arrays become lists."""
    kind = struct.unpack_from("<I", packed)[0]
    if kind != ARRAY:
        return next(_elements(packed, 4, kind, 1))
    element, count = struct.unpack_from("<IQ", packed, 4)
    return list(_elements(packed, 16, element, count))


def _elements(packed: bytes, at: int, kind: int, count: int) -> Iterator[Any]:
    if kind != STRING:
        yield from struct.unpack_from(f"<{count}{SCALARS[kind]}", packed, at)
        return
    for _ in range(count):
        size = struct.unpack_from("<Q", packed, at)[0]
        at += 8 + size
        yield packed[at - size : at].decode("utf-8", "replace")
