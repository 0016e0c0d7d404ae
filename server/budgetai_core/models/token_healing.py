"""Token healing over bytes: which tokens may stand where a prompt ends inside a token.

A prompt that ends inside what the tokenizer would have merged is outside the model's experience.
So its last tokens are taken back, and the first generated ones are held to the bytes they had.
(The idea is known as token healing, from the `guidance` project.) Pure: bytes in, token ids out.
"""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_MAX_TAKEN_BACK = 4
_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") | frozenset(
    range(0x80, 0x100)
)


class Vocabulary:
    """The bytes of every token, by id. Control tokens have none."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.pieces = pieces
        order = sorted(i for i, piece in enumerate(pieces) if piece)
        order.sort(key=pieces.__getitem__)
        self._ids: npt.NDArray[np.int64] = np.asarray(order, np.int64)
        self._sorted = [pieces[i] for i in order]

    def __len__(self) -> int:
        return len(self.pieces)

    def take_back(self, ids: Sequence[int]) -> tuple[list[int], bytes]:
        """Split a prompt into tokens to keep, and the bytes that generation has to begin with.

        At least the last token is taken back; further ones while all that is taken back is one
        word, since a longer word may be cut into tokens elsewhere.
        """
        kept = list(ids)
        taken = b""
        for _ in range(_MAX_TAKEN_BACK):
            if not kept or not self.pieces[kept[-1]]:
                break
            piece = self.pieces[kept[-1]]
            if taken and not _WORD.issuperset(piece.lstrip(b" ") + taken):
                break
            taken = piece + taken
            kept.pop()
            if piece.startswith(b" "):
                break
        return kept, taken

    def continuing(self, rest: bytes) -> npt.NDArray[np.int64]:
        """Return the ids (n,) of the tokens that begin with `rest`, or that `rest` begins with."""
        ranges = [self._range(rest, _after(rest))]
        for length in range(1, len(rest)):
            ranges.append(self._range(rest[:length], rest[:length] + b"\0"))
        return np.concatenate(ranges)

    def _range(self, low: bytes, high: bytes) -> npt.NDArray[np.int64]:
        """Return ids of the tokens from `low` to before `high`, in the order of bytes."""
        start = bisect_left(self._sorted, low)
        return self._ids[start : bisect_left(self._sorted, high, start)]


def _after(prefix: bytes) -> bytes:
    """Return the least byte string that is greater than all that begin with `prefix`."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1]) if trimmed else b"\xff" * (len(prefix) + 64)
