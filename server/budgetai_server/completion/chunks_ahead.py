"""Chunks for the next line, chosen and evaluated while this one is typed and nobody waits.

Chunks stay for some lines of typing, for with others all of a prompt is evaluated anew. But what
goes on from lines like these is worth most on the very next line. A person takes seconds for a
line: meanwhile a prompt with better chunks is evaluated in a KV sequence of its own. The next
request that comes when it is there goes on from it; until then, all goes on as it was.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

from budgetai_core.context import prompt as prompts
from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_server.inference.engine import Cancelled, Engine, Usage
from budgetai_server.inference.worker import Job, Worker

# So many characters of a line tell which lines are like it.
_TELLING_CHARACTERS = 12

Ready = Callable[[str, Prompt, Prompt], None]
Counted = Callable[[Usage], AbstractContextManager[None]]


class ChunksAhead:
    """One line at a time, the newest: wherever else someone types, that is where to be ahead."""

    def __init__(
        self,
        worker: Worker,
        engine_for: Callable[[Snapshot], Engine],
        ready: Ready,
        counted: Counted,
    ) -> None:
        """Start with nothing to do. `ready` is told a document, what the model was shown of it, and
        the prompt that is evaluated instead, in the event loop; `counted` surrounds all work on the
        model's thread."""
        self._worker = worker
        self._engine_for = engine_for
        self._ready = ready
        self._counted = counted
        self._line: tuple[str, str, int] | None = None
        self._job: Job[Prompt | None] | None = None

    def follow(
        self, document: str, snapshot: Snapshot, shown: Prompt | None, index: Index | None
    ) -> None:
        """Follow someone who types at a place. `shown` is what the model was shown of the document
        last."""
        start = snapshot.text.rfind("\n", 0, snapshot.cursor) + 1
        typed = snapshot.text[start : snapshot.cursor].strip()
        if shown is None or index is None or len(typed) < _TELLING_CHARACTERS:
            return
        line = document, snapshot.path, snapshot.text.count("\n", 0, start)
        if line == self._line:
            return
        self._stop()
        self._line = line
        if shown.path == snapshot.path and shown.chosen_at != line[2]:
            self._submit(_Choice(document, snapshot, shown, index))

    def forget(self, document: str) -> None:
        """Forget a document that is closed."""
        if self._line and self._line[0] == document:
            self._stop()

    def _stop(self) -> None:
        if self._job:
            self._job.stop()
        self._job = self._line = None

    def _submit(self, choice: "_Choice") -> None:
        job = self._worker.submit(lambda job: self._evaluate(choice, job), idle=True)
        self._job = job
        job.future.add_done_callback(lambda future: self._ended(choice, job, future))

    def _evaluate(self, choice: "_Choice", job: Job[Prompt | None]) -> Prompt | None:
        """Choose, unless that is done, and evaluate, on the model's thread. What another job
        interrupts stays in the cache."""
        usage = Usage()
        with self._counted(usage):
            engine = self._engine_for(choice.snapshot)
            prompt = choice.prompt(engine)
            if prompt:
                engine.warm(prompt, job.stopped, usage)
            return prompt

    def _ended(
        self, choice: "_Choice", job: Job[Prompt | None], future: "asyncio.Future[Prompt | None]"
    ) -> None:
        if job is not self._job:
            return
        error = future.exception()
        if isinstance(error, Cancelled) and not job.halted:
            self._submit(choice)
        elif error is None and (prompt := future.result()):
            self._ready(choice.document, choice.shown, prompt)


class _Choice:
    """What is chosen for a place; once it is, it stays."""

    def __init__(self, document: str, snapshot: Snapshot, shown: Prompt, index: Index) -> None:
        self.document = document
        self.snapshot = snapshot
        self.shown = shown
        self._index = index
        self._chosen: Prompt | None = None

    def prompt(self, engine: Engine) -> Prompt | None:
        """Return the prompt to evaluate, on the model's thread; None where it is not worth it."""
        if self._chosen is None:
            self._chosen = prompts.choose_anew(
                self.snapshot, self._index, engine.limits, self.shown
            )
        return self._chosen
