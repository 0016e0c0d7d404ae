"""llama.vim's ring buffer of extra context: chunks of visited text, shown to every request.

After autoload/llama.vim of ggml-org/llama.vim at commit 381730b, with its defaults; function
names of the plugin stand in brackets. Its rand() is a random.Random here.
"""

import random
import re
from dataclasses import dataclass
from typing import Any

from buffer import Buffer

RING_N_CHUNKS = 16
RING_CHUNK_SIZE = 64
RING_SCOPE = 1024
N_PREFIX = 256
N_SUFFIX = 64
_MOST_QUEUED = 16
_HALF = RING_CHUNK_SIZE // 2


@dataclass(frozen=True)
class _Chunk:
    lines: tuple[str, ...]
    filename: str


class Ring:
    """`queued` chunks wait for a quiet moment; those in `chunks` are sent with each request."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._chunks: list[_Chunk] = []
        self._queued: list[_Chunk] = []
        self._picked_at = -9999

    def extra(self) -> list[dict[str, Any]]:
        """The chunks as a request carries them [s:ring_get_extra]."""
        return [{"text": "\n".join(c.lines) + "\n", "filename": c.filename} for c in self._chunks]

    def visit(self, buffer: Buffer) -> None:
        """A file was entered, left or written: a chunk around the cursor [autocmds]."""
        if not buffer.modified:
            self._pick(_around(buffer), buffer.path, evict=True)

    def asked(self, buffer: Buffer) -> None:
        """After a request: chunks beyond what it showed, if the cursor has moved far [fim]."""
        row, lines = buffer.row, buffer.lines
        if abs(row + 1 - self._picked_at) <= 32:
            return
        above = lines[max(0, row - RING_SCOPE) : max(1, row - N_PREFIX + 1)]
        below = lines[min(len(lines) - 1, row + N_SUFFIX) : row + N_SUFFIX + RING_CHUNK_SIZE + 1]
        self._pick(above, buffer.path, evict=False)
        self._pick(below, buffer.path, evict=False)
        self._picked_at = row + 1

    def evict_like(self, buffer: Buffer) -> None:
        """Before a request: chunks like the text at hand would only make it repeat that [fim]."""
        here = self._part(_around(buffer))
        self._chunks = [chunk for chunk in self._chunks if _similarity(chunk.lines, here) <= 0.5]

    def update(self) -> bool:
        """Take one queued chunk in; if there was one, it is to be evaluated [s:ring_update]."""
        if not self._queued:
            return False
        self._chunks = [*self._chunks[-(RING_N_CHUNKS - 1) :], self._queued.pop(0)]
        return True

    def _pick(self, lines: list[str], filename: str, *, evict: bool) -> None:
        """Queue a chunk of the lines [s:pick_chunk]."""
        if len(lines) < 3:
            return
        chunk = tuple(lines if len(lines) + 1 < RING_CHUNK_SIZE else self._part(lines))
        if any(known.lines == chunk for known in self._chunks + self._queued):
            return
        alike = {c for c in self._chunks + self._queued if _similarity(c.lines, chunk) > 0.9}
        if alike and not evict:
            return
        self._chunks = [known for known in self._chunks if known not in alike]
        self._queued = [known for known in self._queued if known not in alike]
        self._queued = [*self._queued[-(_MOST_QUEUED - 1) :], _Chunk(chunk, filename)]

    def _part(self, lines: list[str]) -> list[str]:
        """Half a chunk's size of lines, from a random place."""
        start = self._rng.randint(0, max(0, len(lines) - _HALF))
        return lines[start : min(start + _HALF, len(lines)) + 1]


def _around(buffer: Buffer) -> list[str]:
    return buffer.lines[max(0, buffer.row - _HALF) : buffer.row + _HALF + 1]


def _similarity(a: tuple[str, ...], b: tuple[str, ...] | list[str]) -> float:
    """Shared words [s:chunk_sim]."""
    words_a, words_b = re.findall(r"\w+", "\n".join(a)), re.findall(r"\w+", "\n".join(b))
    if not words_a and not words_b:
        return 1.0
    known = set(words_a)
    return 2 * sum(word in known for word in words_b) / (len(words_a) + len(words_b))
