"""Which texts are nearly the same: MinHash over shingles of tokens, and LSH to find candidates.

Broder, "On the resemblance and containment of documents", 1997; datasketch's implementation.
"""

import re
import zlib
from collections.abc import Sequence
from functools import cache

import numpy
from datasketch import MinHash, MinHashLSH

# A copy with a few changes. Lee et al. (arXiv 2107.06499) drop at 0.8 of their edit similarity.
NEAR_DUPLICATE = 0.85
# Alike enough that one of them answers questions about the other.
RELATED = 0.5

_TOKEN = re.compile(r"\w+|[^\w\s]")
_SHINGLE = 5
_HASHES = 128
# Bands and rows: of pairs at 0.5, 99.6 % become candidates, 100 % of those at 0.85.
_BANDS = (42, 3)
_MIX = numpy.uint64(0x9E3779B97F4A7C15)


class Sketches:
    """A small sketch of each text; texts are named by their place in the sequence."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._index = MinHashLSH(num_perm=_HASHES, params=_BANDS)
        shingles = (_shingles(text) for text in texts)
        self._sketches = MinHash.bulk(shingles, num_perm=_HASHES, seed=1, hashfunc=int)
        for place, sketch in enumerate(self._sketches):
            self._index.insert(place, sketch)

    def like(self, place: int, threshold: float) -> list[int]:
        """Return the other texts whose estimated Jaccard similarity is at least the threshold."""
        sketch = self._sketches[place]
        return sorted(
            other
            for other in self._index.query(sketch)
            if other != place and sketch.jaccard(self._sketches[other]) >= threshold
        )

    def first_copies(self, free: Sequence[bool]) -> dict[int, int]:
        """Return for each near-duplicate the first text it is one of. Those `free` are never
        one."""
        copies: dict[int, int] = {}
        for place in range(len(self._sketches)):
            earlier = (o for o in self.like(place, NEAR_DUPLICATE) if o < place)
            first = next((other for other in earlier if other not in copies), None)
            if first is not None and not free[place]:
                copies[place] = first
        return copies

    def families(self) -> list[int]:
        """Return for each text the first of its family: what is related, also over others
        between."""
        first = list(range(len(self._sketches)))

        def root(place: int) -> int:
            while first[place] != place:
                first[place] = first[first[place]]
                place = first[place]
            return place

        for place in range(len(first)):
            for other in self.like(place, RELATED):
                low, high = sorted((root(place), root(other)))
                first[high] = low
        return [root(place) for place in range(len(first))]


def _shingles(text: str) -> list[int]:
    """Return 32-bit hashes of every few tokens in a row; of all tokens where there are fewer."""
    tokens = numpy.array([_hash(token) for token in _TOKEN.findall(text)], dtype=numpy.uint64)
    width = min(_SHINGLE, len(tokens))
    mixed = numpy.zeros(max(0, len(tokens) - width + 1), dtype=numpy.uint64)
    for shift in range(width):
        mixed = (mixed + tokens[shift : shift + len(mixed)]) * _MIX
        mixed ^= mixed >> numpy.uint64(29)
    hashes: list[int] = numpy.unique(mixed >> numpy.uint64(32)).tolist()
    return hashes


@cache
def _hash(token: str) -> int:
    return zlib.crc32(token.encode("utf-8", "surrogatepass"))
