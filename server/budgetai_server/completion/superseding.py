"""Requests that a newer one for the same document makes pointless: answered at once, with nothing.

Some clients ask at each key, cancel nothing, and show whatever answer comes last: a late and empty
one would wipe what they show.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(eq=False)
class _Request:
    place: object
    task: "asyncio.Task[object] | None"
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Superseding:
    """Requests by document. Those for one place do not supersede each other."""

    def __init__(self, *, in_order: bool, most: int = 64) -> None:
        """Start with none. `in_order` has a request begin when those that it supersedes have been
        answered; of more than `most` that wait, the oldest are superseded too."""
        self._waiting: dict[str, list[_Request]] = {}
        self._in_order = in_order
        self._most = most

    async def newest(
        self, document: str, place: object, work: Callable[[], Awaitable[T]]
    ) -> T | None:
        """Return what the work for a place comes to; None once a newer request has come for another
        place of the document, and the work is stopped then."""
        request = _Request(place, asyncio.current_task())
        older = self._supersede(document, request)
        try:
            if older and self._in_order:
                # Whoever has made those tasks was told first that they are done, and answers first.
                await asyncio.wait([other.task for other in older if other.task])
            return None if request.over.is_set() else await self._until_over(request, work)
        finally:
            self._waiting[document].remove(request)
            if not self._waiting[document]:
                del self._waiting[document]

    def _supersede(self, document: str, request: _Request) -> list[_Request]:
        waiting = self._waiting.setdefault(document, [])
        older = [other for other in waiting if other.place != request.place]
        every = [other for requests in self._waiting.values() for other in requests]
        for other in [*older, *every[: max(0, len(every) + 1 - self._most)]]:
            other.over.set()
        waiting.append(request)
        return older

    async def _until_over(self, request: _Request, work: Callable[[], Awaitable[T]]) -> T | None:
        doing = asyncio.ensure_future(work())
        over = asyncio.ensure_future(request.over.wait())
        try:
            await asyncio.wait({doing, over}, return_when=asyncio.FIRST_COMPLETED)
            return doing.result() if doing.done() else None
        finally:
            over.cancel()
            doing.cancel()
