"""Which files are held out."""

import hashlib
from collections.abc import Sequence

from budgetai_training.corpus.records import CorpusFile

HELD_OUT_SHARE = 0.1


def split(files: Sequence[CorpusFile], families: Sequence[int], seed: int, main: str) -> set[int]:
    """Places of files with about a tenth of the text of the repository `main`.

    `families` gives each file the number of its family: a family stays together, and is drawn
    whole, in an order that the seed and the names decide. A single family cannot be split: nothing
    is held out.
    """
    sizes: dict[int, int] = {}
    names: dict[int, str] = {}
    for file, family in zip(files, families, strict=True):
        if file.repository == main:
            sizes[family] = sizes.get(family, 0) + len(file.text)
            names.setdefault(family, file.path)
    chosen = set(_tenth(sizes, names, seed))
    return {place for place, family in enumerate(families) if family in chosen}


def _tenth(sizes: dict[int, int], names: dict[int, str], seed: int) -> list[int]:
    """Families of about a tenth of the size of all, of at most a seventh."""
    if len(sizes) < 2:
        return []
    wanted = HELD_OUT_SHARE * sum(sizes.values())
    chosen: list[int] = []
    size = 0
    for family in sorted(sizes, key=lambda family: _drawn(names[family], seed)):
        if size < wanted and size + sizes[family] <= 1.5 * wanted:
            chosen.append(family)
            size += sizes[family]
    # Among a few large files none is a tenth; then the smallest has to do.
    return chosen or [min(sizes, key=lambda family: sizes[family])]


def _drawn(name: str, seed: int) -> bytes:
    """By name and not by text: a later commit should hold out the same files."""
    return hashlib.sha256(f"{seed}{name}".encode("utf-8", "surrogatepass")).digest()
