"""Which files are held out."""

import hashlib
from collections.abc import Sequence

from budgetai_training.corpus.files import CorpusFile

HELD_OUT_SHARE = 0.1


def split(files: Sequence[CorpusFile], seed: int) -> set[str]:
    """Paths of about a tenth of the text, whole files in an order drawn from the seed.

    Files with the same text stay together. A single text cannot be split: nothing is held out.
    """
    groups: dict[str, list[CorpusFile]] = {}
    for file in files:
        groups.setdefault(hashlib.sha256(file.text.encode()).hexdigest(), []).append(file)
    sizes = {digest: sum(len(file.text) for file in group) for digest, group in groups.items()}
    chosen = _tenth(sizes, seed)
    return {file.path for digest in chosen for file in groups[digest]}


def _tenth(sizes: dict[str, int], seed: int) -> list[str]:
    """Groups of about a tenth of the size of all, of at most a seventh."""
    if len(sizes) < 2:
        return []
    wanted = HELD_OUT_SHARE * sum(sizes.values())
    chosen: list[str] = []
    size = 0
    for digest in sorted(sizes, key=lambda d: hashlib.sha256(f"{seed}{d}".encode()).digest()):
        if size < wanted and size + sizes[digest] <= 1.5 * wanted:
            chosen.append(digest)
            size += sizes[digest]
    # Among a few large files none is a tenth; then the smallest has to do.
    return chosen or [min(sizes, key=lambda digest: sizes[digest])]
