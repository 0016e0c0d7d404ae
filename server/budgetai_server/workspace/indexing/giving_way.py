"""Work that makes way for an answer that somebody waits for.

Python runs one thread at a time, and the model's is one: what is worked on beside it, in the event
loop or in another thread, goes on between two answers.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

# Seconds between two looks whether an answer is out by now, and until work goes on in any case.
_LOOK_SECONDS, _MAX_PAUSE_SECONDS = 0.02, 2.0
# Seconds for which the event loop may be held.
_SLICE_SECONDS = 0.002


class GivingWay:
    """`answering` tells whether an answer is waited for; it may be asked in any thread."""

    def __init__(self, answering: Callable[[], bool] = lambda: False) -> None:
        self._answering = answering

    def in_thread(self, items: Iterable[T]) -> Iterator[T]:
        """Yield items to a thread that works on them."""
        for item in items:
            for seconds in self._pauses():
                time.sleep(seconds)
            yield item

    async def in_loop(self, items: Iterable[T], work: Callable[[T], None]) -> None:
        """Work on items in the event loop, which goes on with everything else in between."""
        until = time.perf_counter() + _SLICE_SECONDS
        for item in items:
            work(item)
            if time.perf_counter() > until:
                await asyncio.sleep(0)
                for seconds in self._pauses():
                    await asyncio.sleep(seconds)
                until = time.perf_counter() + _SLICE_SECONDS

    def _pauses(self) -> Iterator[float]:
        """Yield the seconds of one pause after the other, as long as there is reason for one."""
        until = time.perf_counter() + _MAX_PAUSE_SECONDS
        while self._answering() and time.perf_counter() < until:
            yield _LOOK_SECONDS
