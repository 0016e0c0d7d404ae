"""The typing itself: keys and pauses in real time, a request at each pause, one row for each.

An editor's debounce of 200 ms is part of it: a request goes out when that long no key has come,
and it is given up when the next key comes. `patience` lets the user wait for answers instead.
"""

import asyncio
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from buffer import Buffer
from commit_plan import Scene
from keystrokes import Line, Place, Plan, Press
from side import Cost, Offer, Side

from budgetai_core.evaluation.keystrokes import right_words

DEBOUNCE = 0.2
MIN_ACCEPTED = 4
_ACCEPT_GAP = 0.25
_READ_COUNTERS = 0.03


@dataclass(frozen=True)
class Request:
    """One request. Superseded ones have the time until the next key as `latency_ms`.

    `cold` is the first one at a place. `typed_through`: what was typed since follows the last
    offer that was shown. `exact`: the line would become the one of the repository. `cost` is what
    was counted from just before the request to just before the next one, background work included.
    """

    side: str
    place: int
    path: str
    line: int
    arrival: str
    cold: bool
    line_start: bool
    typed_through: bool
    superseded: bool
    latency_ms: float
    shown: bool
    exact: bool
    accepted: bool
    missing_characters: int
    cost: Cost = Cost()

    def as_json(self) -> dict[str, Any]:
        cells = asdict(self)
        cells.pop("cost")
        cells["latency_ms"] = round(self.latency_ms, 2)
        return cells | vars(self.cost)


@dataclass(frozen=True)
class TypedLine:
    """What a line took whose right offers were taken: characters without indentation, and keys
    without Enter. Lines of one `cluster`, a commit or a file, are not independent."""

    cluster: str
    characters: int
    keys: int

    @property
    def saved(self) -> int:
        """The characters that took no key."""
        return self.characters - self.keys


class Typist:
    """A user at one side. Goes from place to place, and keeps what each request gave."""

    def __init__(
        self, side: Side, plan: Plan, *, patience: float, scenes: tuple[Scene, ...] = ()
    ) -> None:
        self.side = side
        self.requests: list[Request] = []
        self.lines: list[TypedLine] = []
        self.keys = 0
        self._scenes = scenes
        self._plan = plan
        self._patience = patience
        self._buffers = {
            path: Buffer(path, text, plan.missing(path)) for path, text in plan.files.items()
        }
        self._opened: set[str] = set()
        self._buffer: Buffer | None = None
        self._due = 0.0
        self._pressed = 0.0
        self._shown_before = ""
        self._shown = ""

    def texts(self) -> dict[str, str]:
        """The documents as they stand."""
        return {path: buffer.text for path, buffer in self._buffers.items()}

    async def visit(self, number: int, changed: set[str] = frozenset()) -> None:
        """Go to a place of the plan, and type what is missing there. `changed` are the paths that
        are other ones on disk since the last place."""
        place = self._plan.places[number]
        if self._scenes:
            buffer = await self._arrive_at(self._scenes[number], changed)
        else:
            buffer = await self._arrive(place)
        self._due = time.monotonic() + place.travel
        self._shown_before = self._shown = ""
        for line in place.lines:
            await self._type(buffer, number, line, first=line is place.lines[0])
        await _until(self._due)
        self.side.insert_mode(False)
        await self.side.idle()
        await self._settle()

    async def _settle(self) -> None:
        """Give the last request what it has cost by now: a server counts work when it ends."""
        if self.requests and not self.requests[-1].superseded:
            self.requests[-1] = replace(self.requests[-1], cost=await self.side.cost())

    async def _arrive(self, place: Place) -> Buffer:
        buffer = self._buffers[place.path]
        if self._buffer is not buffer and self._buffer is not None:
            await self.side.leave(self._buffer)
        buffer.go_above(place.lines[0].number)
        self.side.insert_mode(False)
        if self._buffer is not buffer:
            await self.side.enter(buffer, first=place.path not in self._opened)
        self.side.jumped(buffer)
        self._opened.add(place.path)
        self._buffer = buffer
        return buffer

    async def _arrive_at(self, scene: Scene, changed: set[str]) -> Buffer:
        """Come to a place of a history: on disk and in the editor the files are other ones."""
        buffer = Buffer(scene.path, scene.text, set())
        buffer.row, buffer.column = scene.row, len(buffer.lines[scene.row])
        self.side.insert_mode(False)
        await self.side.reopen(buffer, changed)
        self.side.jumped(buffer)
        return buffer

    async def _type(self, buffer: Buffer, number: int, line: Line, *, first: bool) -> None:
        typed = keys = 0
        enter, *presses = line.presses
        await self._press(buffer, enter)
        cold, gap = first, enter.gap
        while left := line.body[typed:]:
            offer = Offer()
            if gap > DEBOUNCE:
                offer = await self._pause(buffer, number, line, left, cold=cold)
                cold = False
            taken = _taken(line, offer, left)
            press = presses[typed]
            if taken:
                self.requests[-1] = replace(self.requests[-1], accepted=True)
                text = "".join(taken)
                press = Press(text, presses[typed + len(text) - 1].gap + len(taken) * _ACCEPT_GAP)
            await self._press(buffer, press)
            typed, gap = typed + len(press.text), press.gap
            keys += len(taken) or 1
        self.keys += 1 + keys
        if line.accepts:
            scene = self._scenes[number] if self._scenes else None
            cluster = scene.commit.commit if scene else buffer.path
            self.lines.append(TypedLine(cluster, len(line.body), keys))

    async def _press(self, buffer: Buffer, press: Press) -> None:
        await _until(self._due)
        self.side.insert_mode(True)
        self.side.edited(buffer, buffer.insert(press.text))
        self._pressed = self._due
        self._due += press.gap

    async def _pause(
        self, buffer: Buffer, number: int, line: Line, left: str, *, cold: bool
    ) -> Offer:
        """Ask, note what comes of it, and return what the user sees when the next key is due."""
        typed_through = self._follows(buffer.before)
        offer, latency = await self._ask(buffer, number)
        found = offer or Offer()
        place = self._plan.places[number]
        self.requests.append(
            Request(
                side=self.side.name,
                place=number,
                path=place.path,
                line=line.number + 1,
                arrival=place.arrival,
                cold=cold,
                line_start=left == line.body,
                typed_through=typed_through,
                superseded=offer is None,
                latency_ms=latency * 1000,
                shown=bool(found.text.strip()),
                exact=found.line.rstrip() == line.text,
                accepted=False,
                missing_characters=len(left),
            )
        )
        if found.text.strip():
            self._shown_before, self._shown = buffer.before, found.text
        return found

    async def _ask(self, buffer: Buffer, number: int) -> tuple[Offer | None, float]:
        """The offer, or None if the next key came first; and the seconds until either."""
        asks_at = self._pressed + DEBOUNCE
        await _until(asks_at - _READ_COUNTERS)
        if self.requests and self.requests[-1].place == number:
            await self._settle()
        await self.side.prepare()
        await _until(asks_at)
        began = time.monotonic()
        task = asyncio.create_task(self.side.ask(buffer))
        await asyncio.wait({task}, timeout=max(self._due - began, self._patience))
        elapsed = time.monotonic() - began
        self._due = max(self._due, time.monotonic())
        if task.done():
            return task.result(), elapsed
        task.cancel()
        await asyncio.wait({task})
        return None, elapsed

    def _follows(self, before: str) -> bool:
        """Whether what was typed since the last offer is the beginning of it, and not all."""
        if not self._shown or not before.startswith(self._shown_before):
            return False
        typed = before[len(self._shown_before) :]
        return 0 < len(typed) < len(self._shown) and self._shown.startswith(typed)


def _taken(line: Line, offer: Offer, left: str) -> list[str]:
    """Return what this user takes of an offer, a key each: all that is left, or its right words."""
    if not line.accepts:
        return []
    if len(left) >= MIN_ACCEPTED and offer.line.rstrip() == line.text:
        return [left]
    return right_words(offer.text, left)


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))
