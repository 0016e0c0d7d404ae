"""Requests meet answers: who waits for which, which goes on, which is stopped.

Everything here runs in the event loop but the work that is given to the model's thread. One
answer is being said per document. A request at its place, or further along what it says, waits
for it; one that contradicts it stops it.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

from budgetai_core.context import prompt as prompts
from budgetai_core.context import window
from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_server.completion.generation import Generation, GenerationCache
from budgetai_server.completion.render import (
    Completion,
    CompletionPolicy,
    generate,
    lookahead_reached,
    render,
)
from budgetai_server.inference.engine import Cancelled, Engine, Usage
from budgetai_server.inference.worker import Job, Worker

EngineFor = Callable[[Snapshot], Engine]

# Editors cancel at each key and ask again at once: what agrees with the new text is kept.
_GRACE = 0.02


@dataclass
class Totals(Usage):
    """What all work since the start has cost. `own_seconds` is what requests waited for, outside
    the model: for us, and for the thread."""

    requests: int = 0
    cached: int = 0
    own_seconds: float = 0.0

    def add(self, usage: Usage) -> None:
        for one in fields(Usage):
            if one.name != "spliced":
                setattr(self, one.name, getattr(self, one.name) + getattr(usage, one.name))


@dataclass(eq=False)
class InFlight:
    """An answer that is being said. `wanted` once a request has waited for it; until then only
    its prompt is evaluated. `newest` is the text as it has become since, which may turn out to say
    something else. `anchoring` evaluates the prompt anew as it should be at the place, where an
    older one was good enough for a quick answer: anything else goes first."""

    answer: Generation
    wanted: bool
    waiters: int = 0
    newest: Snapshot | None = None
    joins: int = 0
    anchoring: bool = False
    counted: bool = False
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    job: Job[None] = field(init=False)

    def goes_on(self, snapshot: Snapshot) -> bool:
        over = self.job.done or self.job.halted or self.anchoring
        return not over and self.answer.may_agree(snapshot)

    @property
    def contradicted(self) -> bool:
        return self.newest is not None and not self.answer.may_agree(self.newest)

    def overtaken(self, snapshot: Snapshot) -> bool:
        """Whether the text has left a place for another one, of which the answer is wrong."""
        return self.contradicted and snapshot != self.newest

    def enough(self) -> bool:
        """Asked after each token, on the model's thread."""
        self.job.tell(self.grown.set)
        if self.waiters == 0 and (not self.wanted or lookahead_reached(self.answer)):
            return True
        return self.contradicted


class Scheduler:
    """One engine, and what it has said and is saying. With adapters it is one for each of them,
    and what one has said is no answer of another."""

    def __init__(
        self,
        engine: Engine,
        worker: Worker,
        rules: CompletionPolicy,
        engine_for: EngineFor | None = None,
    ) -> None:
        """`engine_for` names the engine for a place, where not all are answered by the same."""
        self.engine = engine
        self._engine_for = engine_for or (lambda _: engine)
        self.rules = rules
        self.index: Index | None = None
        self.totals = Totals()
        self._worker = worker
        self._answers = GenerationCache()
        self._ongoing: dict[str, InFlight] = {}
        # The last prompt of each document: a cursor that moves by a few lines keeps most of it.
        self._anchors: dict[str, Prompt] = {}

    async def complete(self, document: str, snapshot: Snapshot) -> Completion | None:
        """Complete at a place of a document; None where a newer request has taken its place.

        Raises ModelError if the model cannot be reached or cannot go on.
        """
        self.totals.requests += 1
        began, model = time.perf_counter(), self._model_seconds()
        try:
            return await self._answer(document, snapshot)
        finally:
            waited = time.perf_counter() - began
            self.totals.own_seconds += max(0.0, waited - (self._model_seconds() - model))

    def _model_seconds(self) -> float:
        """The time spent in the model until now; the evaluation that runs is not in it yet."""
        running = (ongoing for ongoing in self._ongoing.values() if not ongoing.counted)
        return self.totals.model_seconds + sum(o.answer.usage.model_seconds for o in running)

    async def _answer(self, document: str, snapshot: Snapshot) -> Completion | None:
        if found := self._kept(snapshot):
            self.totals.cached += 1
            return found
        while True:
            ongoing = self._ongoing.get(document)
            if ongoing is None or not ongoing.goes_on(snapshot):
                ongoing = self._start(document, snapshot, wanted=True)
            found = await self._wait(ongoing, snapshot)
            if found or ongoing.job.halted or ongoing.overtaken(snapshot):
                return found

    def changed(self, document: str, snapshot: Snapshot | None) -> None:
        """The text is another one now, with the cursor there; None where no one can tell.

        What is being said stops if the text contradicts it. The new place is evaluated ahead.
        """
        ongoing = self._ongoing.get(document)
        if ongoing and snapshot and ongoing.goes_on(snapshot):
            ongoing.newest = snapshot
            return
        self.stop(document)
        if snapshot:
            self.warm(document, snapshot)

    def warm(self, document: str, snapshot: Snapshot) -> None:
        """Evaluate the prompt of a place, while nobody waits for anything else. An editor may open
        dozens of files at once: only the newest place is worth it."""
        ongoing = self._ongoing.get(document)
        if not self.engine.ahead:
            return
        if not self._kept(snapshot) and not (ongoing and ongoing.goes_on(snapshot)):
            for other in self._ongoing.values():
                if not other.wanted:
                    other.job.stop()
            self._start(document, snapshot, wanted=False)

    def forget(self, document: str) -> None:
        """The document is closed."""
        self.stop(document)
        self._anchors.pop(document, None)

    def stop(self, document: str) -> None:
        if ongoing := self._ongoing.pop(document, None):
            ongoing.job.stop()

    @property
    def busy(self) -> bool:
        return self._worker.busy

    def _kept(self, snapshot: Snapshot) -> Completion | None:
        """What the answers said before offer at a place; they need not be asked twice."""
        found: list[Completion] = []
        engine = self._engine_for(snapshot)

        def good(answer: Generation) -> bool:
            offered = render(answer, snapshot, self.rules) if answer.engine is engine else None
            found.extend([offered] if offered else [])
            return offered is not None

        return found[0] if self._answers.find(good) else None

    def _start(
        self, document: str, snapshot: Snapshot, *, wanted: bool, anchoring: bool = False
    ) -> InFlight:
        self.stop(document)
        ongoing = InFlight(Generation(snapshot), wanted, anchoring=anchoring)
        last = self._anchors.get(document)
        if last and (anchoring or not self.engine.ahead):
            # Its chunks alone: the text after the cursor is to be shown as it is there.
            last = replace(last, after="")
        ongoing.job = self._worker.submit(lambda job: self._say(ongoing, job, last), urgent=wanted)
        ongoing.job.future.add_done_callback(lambda _: self._over(document, ongoing))
        self._ongoing[document] = ongoing
        return ongoing

    def _over(self, document: str, ongoing: InFlight) -> None:
        """Nothing more is said. If that is because the text says otherwise, go there."""
        ongoing.grown.set()
        if self._ongoing.get(document) is not ongoing:
            return
        if ongoing.job.future.exception():
            self._resume(document, ongoing)
            return
        if ongoing.answer.prompt:
            self._anchors[document] = ongoing.answer.prompt
        if ongoing.contradicted and ongoing.newest:
            self.warm(document, ongoing.newest)
        elif self.engine.ahead and self._makeshift(ongoing.answer):
            self._start(document, ongoing.answer.snapshot, wanted=False, anchoring=True)

    def _resume(self, document: str, ongoing: InFlight) -> None:
        """Work ahead that has made way for a request goes on after it."""
        made_way = isinstance(ongoing.job.future.exception(), Cancelled) and not ongoing.job.halted
        if made_way and not ongoing.wanted:
            here, anchoring = ongoing.answer.snapshot, ongoing.anchoring
            self._start(document, here, wanted=False, anchoring=anchoring)

    def _makeshift(self, answer: Generation) -> bool:
        """Whether an answer was said with what an earlier place showed."""
        here = answer.snapshot
        exact = window.after(here.text, here.cursor, self.engine.limits.after)
        shown = answer.prompt.after if answer.prompt else exact
        return answer.usage.spliced or shown != exact

    def _say(self, ongoing: InFlight, job: Job[None], last: Prompt | None) -> None:
        """On the model's thread: say the answer, and count what it cost."""
        answer = ongoing.answer
        # Chosen here, where adapters come and go between two jobs and never during one.
        answer.engine = engine = self._engine_for(answer.snapshot)
        try:
            if ongoing.anchoring:
                answer.prompt = prompts.build(answer.snapshot, self.index, engine.limits, last)
                engine.warm(answer.prompt, job.stopped, answer.usage)
            else:
                generate(engine, answer, self.index, self.rules, job.stopped, ongoing.enough, last)
        finally:
            ongoing.counted = True
            self.totals.add(answer.usage)

    async def _wait(self, ongoing: InFlight, snapshot: Snapshot) -> Completion | None:
        """Wait until an answer is decided at a place; None if it is stopped or says otherwise."""
        self._join(ongoing)
        try:
            while True:
                ongoing.grown.clear()
                if ongoing.overtaken(snapshot):
                    return None
                if found := render(ongoing.answer, snapshot, self.rules):
                    return found
                if ongoing.job.done:
                    _raise_fault(ongoing.job)
                    return None
                if not ongoing.answer.may_agree(snapshot):
                    return None
                await ongoing.grown.wait()
        except asyncio.CancelledError:
            loop = asyncio.get_running_loop()
            loop.call_later(_GRACE, self._unwanted, ongoing, ongoing.joins)
            raise
        finally:
            self._leave(ongoing)

    def _join(self, ongoing: InFlight) -> None:
        ongoing.waiters += 1
        ongoing.joins += 1
        ongoing.wanted = ongoing.job.urgent = True
        self._answers.add(ongoing.answer)

    def _leave(self, ongoing: InFlight) -> None:
        ongoing.waiters -= 1
        ongoing.job.urgent = ongoing.waiters > 0

    def _unwanted(self, ongoing: InFlight, joins: int) -> None:
        """Some time after a cancelled request: has anyone else come for what it asked?"""
        if ongoing.waiters or ongoing.joins != joins:
            return
        if ongoing.newest:
            ongoing.wanted = False
        else:
            ongoing.job.stop()


def _raise_fault(job: Job[None]) -> None:
    """A job that ended without an answer was stopped, which is no fault, or failed."""
    error = job.future.exception()
    if error and not isinstance(error, Cancelled):
        raise error
