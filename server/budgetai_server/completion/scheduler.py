"""Requests meet generations: which request waits for which, which goes on, which is stopped.

Everything here runs in the event loop but the work that is given to the model's thread. One
generation is in flight per document. A request at its place, or further along its text, waits for
it; one that contradicts it stops it.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from enum import Enum, auto

from budgetai_core.context import prompt as prompts
from budgetai_core.context import window
from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_server.completion.chunks_ahead import ChunksAhead
from budgetai_server.completion.generation import Generation, GenerationCache, generate
from budgetai_server.completion.render import CompletionPolicy, render, render_within
from budgetai_server.completion.text_edit import Suggestion
from budgetai_server.inference.engine import Cancelled, Engine, Usage
from budgetai_server.inference.worker import Job, Worker

EngineFor = Callable[[Snapshot], Engine]

# Editors cancel at each key and ask again at once: what agrees with the new text is kept.
_GRACE_SECONDS = 0.02


@dataclass
class Totals(Usage):
    """What all work since the start has cost. `own_seconds` is what requests waited for, outside
    the model: for us, and for the thread."""

    requests: int = 0
    cached: int = 0
    own_seconds: float = 0.0

    def add(self, usage: Usage) -> None:
        for counter in fields(Usage):
            if counter.name != "spliced":
                total = getattr(self, counter.name) + getattr(usage, counter.name)
                setattr(self, counter.name, total)

    def count_cached(self) -> None:
        """Count a request that was answered without the model."""
        self.requests += 1
        self.cached += 1


class Phase(Enum):
    """What a generation in flight is for. Whatever no request waits for makes way for one."""

    WARMING = auto()
    """Nobody has asked: the prompt is evaluated ahead, and no text is wanted."""
    REQUESTED = auto()
    """Requests wait for it."""
    LOOKAHEAD = auto()
    """All requests have left: the next few lines are decoded for when they are asked for."""
    REFINING = auto()
    """The prompt is evaluated as it should be at the place, where an approximation was good enough
    for a quick suggestion. No request can wait for it."""


@dataclass(eq=False)
class InFlight:
    """A generation that a job writes. `latest` is the text as it has become since, which may turn
    out to contradict it; `grace` ends the work that a cancelled request has left behind."""

    generation: Generation
    phase: Phase
    policy: CompletionPolicy
    waiters: int = 0
    asked: float | None = None
    latest: Snapshot | None = None
    grace: asyncio.TimerHandle | None = None
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    job: Job[None] = field(init=False)

    def serves(self, snapshot: Snapshot) -> bool:
        """Return whether a request at a place may wait for it."""
        over = self.job.done or self.job.halted or self.phase is Phase.REFINING
        return not over and self.generation.may_agree(snapshot)

    @property
    def contradicted(self) -> bool:
        return self.latest is not None and not self.generation.may_agree(self.latest)

    def overtaken(self, snapshot: Snapshot) -> bool:
        """Return whether the text has left a place for one that contradicts the generation."""
        return self.contradicted and snapshot != self.latest

    def enough(self) -> bool:
        """Return whether generating may stop. Asked after each token, on the model's thread."""
        self.job.tell(self.grown.set)
        if self.phase is Phase.WARMING:
            return True
        if self.phase is Phase.LOOKAHEAD and self._far_enough():
            return True
        return self.contradicted

    def _far_enough(self) -> bool:
        """Return whether nothing more is worth it ahead of a request: a few lines are there, and
        the block of which a line was shown."""
        generation = self.generation
        return self.policy.stop.lookahead_reached(generation) and (
            render(generation, generation.snapshot, self.policy) is not None
        )

    def join(self) -> None:
        """Count a request that begins to wait."""
        self.waiters += 1
        self.asked = self.asked or time.perf_counter()
        if self.grace:
            self.grace.cancel()
        self._enter(Phase.REQUESTED)

    @property
    def waited(self) -> float:
        """The seconds since the first request. Who types along it waits no longer."""
        return time.perf_counter() - self.asked if self.asked else 0.0

    @property
    def ended(self) -> bool:
        """Whether no more is written. Raises what went wrong."""
        if not self.job.done:
            return False
        error = self.job.future.exception()
        if error and not isinstance(error, Cancelled):
            raise error
        return True

    async def more(self, seconds: float | None) -> None:
        """Wait until more is written, or for so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.grown.wait()

    def leave(self) -> None:
        """Count out a request that waits no longer."""
        self.waiters -= 1
        if not self.waiters:
            self._enter(Phase.LOOKAHEAD)

    def abandon_soon(self) -> None:
        """Stop soon, for a request that was cancelled. If no other comes for it in a moment, there
        is no more to say."""
        if self.grace:
            self.grace.cancel()
        self.grace = asyncio.get_running_loop().call_later(_GRACE_SECONDS, self._abandon)

    def _abandon(self) -> None:
        if self.waiters:
            return
        if self.latest:
            self._enter(Phase.WARMING)
        else:
            self.job.stop()

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self.job.urgent = phase is Phase.REQUESTED


@dataclass
class _Growth:
    """A request that is shown a block line by line: `tell` shows, `lines` were looked at."""

    tell: Callable[[Suggestion], None]
    lines: int = 0

    def look(self, generation: Generation, snapshot: Snapshot, policy: CompletionPolicy) -> None:
        """Show what there is, if there is another line."""
        known, self.lines = self.lines, generation.text.count("\n")
        if self.lines > known:
            growing = render(generation, snapshot, policy, growing=True)
            if growing and growing.text:
                self.tell(growing)


class Scheduler:
    """One engine, what is in flight for it, and what it has generated. With adapters it is one for
    each of them, and what one has generated is not a suggestion of another."""

    def __init__(
        self,
        engine: Engine,
        worker: Worker,
        policy: CompletionPolicy,
        engine_for: EngineFor | None = None,
        *,
        sequences: int = 1,
    ) -> None:
        """Start with nothing in flight. `engine_for` names the engine for a place, where not all
        are served by the same; with several `sequences` it keeps several prompts evaluated."""
        self.engine = engine
        self.policy = policy
        self.index: Index | None = None
        self.totals = Totals()
        self._engine_for = engine_for or (lambda _: engine)
        self._worker = worker
        self._generations = GenerationCache()
        self._in_flight: dict[str, InFlight] = {}
        # What the job on the model's thread costs. It comes into the totals when that ends.
        self._running: Usage | None = None
        # The last prompt of each document: a cursor that moves by a few lines keeps most of it.
        self._prompts: dict[str, Prompt] = {}
        self._chunks_ahead = (
            ChunksAhead(worker, self._engine_for, self._evaluated_ahead, self._counted)
            if engine.ahead and sequences > 1
            else None
        )

    @property
    def busy(self) -> bool:
        return self._worker.busy

    @property
    def answering(self) -> bool:
        """Return whether a request waits for its answer. Thread-safe."""
        return any(in_flight.waiters for in_flight in tuple(self._in_flight.values()))

    async def complete(
        self,
        document: str,
        snapshot: Snapshot,
        on_growth: Callable[[Suggestion], None] | None = None,
    ) -> Suggestion | None:
        """Complete at a place of a document; None where a newer request has taken its place.

        `on_growth` is shown the whole lines of a block while it is written. The block is then
        waited for, and not left out for its first line. Raises ModelError if the model cannot be
        reached or cannot go on.
        """
        self.totals.requests += 1
        began, model = time.perf_counter(), self._model_seconds()
        try:
            if remembered := self._remembered(snapshot, self.policy):
                self.totals.cached += 1
                return remembered
            while True:
                in_flight = self._in_flight.get(document)
                if in_flight is None or not in_flight.serves(snapshot):
                    if line := self._remembered(snapshot, self.policy.lines_alone):
                        self.totals.cached += 1
                        return line
                    in_flight = self._start(document, snapshot, Phase.REQUESTED)
                suggestion = await self._rendered(in_flight, snapshot, on_growth)
                if suggestion or in_flight.job.halted or in_flight.overtaken(snapshot):
                    return suggestion
        finally:
            waited = time.perf_counter() - began
            self.totals.own_seconds += max(0.0, waited - (self._model_seconds() - model))

    def _model_seconds(self) -> float:
        """Return the time spent in the model until now, but for the evaluation that runs."""
        running = self._running
        return self.totals.model_seconds + (running.model_seconds if running else 0.0)

    def _remembered(self, snapshot: Snapshot, policy: CompletionPolicy) -> Suggestion | None:
        """Return what earlier generations say at a place; the model need not be asked twice."""
        engine = self._engine_for(snapshot)
        return self._generations.first(
            lambda generation: (
                render(generation, snapshot, policy) if generation.engine is engine else None
            )
        )

    async def _rendered(
        self,
        in_flight: InFlight,
        snapshot: Snapshot,
        on_growth: Callable[[Suggestion], None] | None,
    ) -> Suggestion | None:
        """Wait until it is decided what is shown at a place; None if the work is stopped, or says
        something else. Raises ModelError if the work failed."""
        in_flight.join()
        self._generations.add(in_flight.generation)
        growth = _Growth(on_growth) if on_growth else None
        try:
            while True:
                in_flight.grown.clear()
                if in_flight.overtaken(snapshot):
                    return None
                # Whoever is shown its lines as they come can wait for the rest.
                waited = 0.0 if growth else in_flight.waited
                if suggestion := render_within(in_flight.generation, snapshot, self.policy, waited):
                    return suggestion
                if in_flight.ended:
                    return None
                if growth:
                    growth.look(in_flight.generation, snapshot, self.policy)
                if not in_flight.generation.may_agree(snapshot):
                    return None
                late = self.policy.block_seconds - waited
                await in_flight.more(late if late > 0 and not growth else None)
        except asyncio.CancelledError:
            in_flight.abandon_soon()
            raise
        finally:
            in_flight.leave()

    def changed(self, document: str, snapshot: Snapshot | None) -> None:
        """Follow a change of the text, with the cursor there; None where no one can tell.

        What is in flight stops if the text contradicts it. The new place is evaluated ahead, and in
        the end chunks for the next line are looked for.
        """
        if snapshot and self._chunks_ahead:
            self._chunks_ahead.follow(document, snapshot, self._prompts.get(document), self.index)
        in_flight = self._in_flight.get(document)
        if in_flight and snapshot and in_flight.serves(snapshot):
            in_flight.latest = snapshot
            return
        self.stop(document)
        if snapshot:
            self.warm(document, snapshot)

    def warm(self, document: str, snapshot: Snapshot) -> None:
        """Evaluate the prompt of a place, while nobody waits for anything else. An editor may open
        dozens of files at once: only the newest place is worth it."""
        in_flight = self._in_flight.get(document)
        if not self.engine.ahead:
            return
        if not self._remembered(snapshot, self.policy) and not (
            in_flight and in_flight.serves(snapshot)
        ):
            for other in self._in_flight.values():
                if other.phase in (Phase.WARMING, Phase.REFINING):
                    other.job.stop()
            self._start(document, snapshot, Phase.WARMING)

    def forget(self, document: str) -> None:
        """Forget a document that is closed."""
        self.stop(document)
        if self._chunks_ahead:
            self._chunks_ahead.forget(document)
        self._prompts.pop(document, None)

    def stop(self, document: str) -> None:
        if in_flight := self._in_flight.pop(document, None):
            in_flight.job.stop()

    def _start(self, document: str, snapshot: Snapshot, phase: Phase) -> InFlight:
        self.stop(document)
        in_flight = InFlight(Generation(snapshot), phase, self.policy)
        last = shown = self._prompts.get(document)
        if last and (phase is Phase.REFINING or not self.engine.ahead):
            # Its chunks alone: the text after the cursor is to be shown as it is there.
            last = replace(last, after="")
        in_flight.job = self._worker.submit(
            lambda job: self._run(in_flight, job, last), urgent=phase is Phase.REQUESTED
        )
        in_flight.job.future.add_done_callback(lambda _: self._ended(document, in_flight, shown))
        self._in_flight[document] = in_flight
        return in_flight

    def _run(self, in_flight: InFlight, job: Job[None], last: Prompt | None) -> None:
        """Generate, or only evaluate a prompt, on the model's thread, and count what it cost."""
        generation = in_flight.generation
        # Chosen here, where adapters come and go between two jobs and never during one.
        generation.engine = engine = self._engine_for(generation.snapshot)
        with self._counted(generation.usage):
            if in_flight.phase is Phase.REFINING:
                prompt = prompts.build(generation.snapshot, self.index, engine.limits, last)
                generation.prompt = prompt
                engine.warm(prompt, job.stopped, generation.usage)
            else:
                generate(
                    engine, generation, self.index, in_flight.policy.stop, job.stopped,
                    in_flight.enough, last,
                )  # fmt: skip

    @contextmanager
    def _counted(self, usage: Usage) -> Iterator[None]:
        """Count what is done meanwhile on the model's thread."""
        self._running = usage
        try:
            yield
        finally:
            self._running = None
            self.totals.add(usage)

    def _evaluated_ahead(self, document: str, shown: Prompt, prompt: Prompt) -> None:
        """Go on from a prompt with better chunks, unless others have been chosen meanwhile."""
        now = self._prompts.get(document)
        if now and now.chosen_at == shown.chosen_at and now.chunks == shown.chunks:
            self._prompts[document] = prompt

    def _overtaken(self, document: str, prompt: Prompt, shown: Prompt | None) -> bool:
        """Return whether better chunks than those it kept have come while a prompt was used."""
        kept = shown is not None and prompt.chosen_at == shown.chosen_at
        return kept and self._prompts.get(document) is not shown

    def _ended(self, document: str, in_flight: InFlight, shown: Prompt | None) -> None:
        """Note that nothing more comes. Go where the text has gone, or on with what had to make
        way. `shown` was the document's last prompt when it began."""
        in_flight.grown.set()
        if self._in_flight.get(document) is not in_flight:
            return
        generation, phase = in_flight.generation, in_flight.phase
        if error := in_flight.job.future.exception():
            made_way = isinstance(error, Cancelled) and not in_flight.job.halted
            if made_way and phase in (Phase.WARMING, Phase.REFINING):
                self._start(document, generation.snapshot, phase)
            return
        if generation.prompt and not self._overtaken(document, generation.prompt, shown):
            self._prompts[document] = generation.prompt
        if in_flight.contradicted and in_flight.latest:
            self.warm(document, in_flight.latest)
        elif self.engine.ahead and self._is_approximate(generation):
            self._start(document, generation.snapshot, Phase.REFINING)

    def _is_approximate(self, generation: Generation) -> bool:
        """Return whether a generation began with what an earlier place showed."""
        here = generation.snapshot
        exact = window.after(here.text, here.cursor, self.engine.limits.after)
        shown = generation.prompt.after if generation.prompt else exact
        return generation.usage.spliced or shown != exact
