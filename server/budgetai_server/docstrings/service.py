"""Docstrings beside completions: on the same thread, behind them, and stopped at once.

Everything here runs in the event loop but the parts that are given to the model's thread. Each part
of a docstring is work of its own, so that a completion that someone waits for goes first.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.index import Index
from budgetai_core.context.languages import language_of
from budgetai_core.context.prompt import Snapshot
from budgetai_core.context.tree import errors
from budgetai_core.docstrings.documentable import Documentable
from budgetai_core.errors import BudgetAIError
from budgetai_server.completion.text_edit import Suggestion
from budgetai_server.docstrings.generate import (
    DocstringRequest,
    SilentError,
    Writing,
    Written,
    offer,
)
from budgetai_server.docstrings.neighbor_style import neighbor_style
from budgetai_server.docstrings.trigger import Trigger, trigger
from budgetai_server.inference.engine import Cancelled, Engine, Usage
from budgetai_server.inference.worker import Job, Worker


class MovedError(BudgetAIError):
    """The text has changed, and what a docstring was written for is not there any more."""


@dataclass(eq=False)
class _Asked:
    """The docstring for a mark that was just typed, and how many requests wait for it."""

    snapshot: Snapshot
    task: "asyncio.Task[Suggestion | None]"
    waiters: int = 0


class DocstringService:
    """Writes with the engine that `engine_for` names for a language."""

    def __init__(
        self,
        worker: Worker,
        engine_for: Callable[[str], Engine],
        count: Callable[[Usage], None] = lambda usage: None,
    ) -> None:
        """`count` is told what each docstring has cost."""
        self.index: Index | None = None
        self._worker = worker
        self._engine_for = engine_for
        self._count = count
        self._asked: dict[str, _Asked] = {}

    async def write(
        self,
        wish: DocstringRequest,
        look: Callable[[], tuple[Snapshot, ParsedDocument]],
        tell: Callable[[str], None] = lambda part: None,
    ) -> Written:
        """Write a docstring for a document, of which `look` gives the text and the tree as they are
        now: the edit is one of the text as it is at the end. `tell` gets words on each part.

        Raises MovedError where the subject is not there, or has become another one meanwhile;
        SilentError and ModelError as `writing.write` does.
        """
        snapshot, parsed = look()
        subject = wish.find(parsed)
        if subject is None or parsed.language is None or not offer(subject, parsed.language):
            raise MovedError(f"{wish.name or 'the file'} needs no docstring any more")
        old = _signature(subject, snapshot.text)
        writing = await self._begin(snapshot, parsed, subject)
        await self._say(writing, tell, urgent=False)
        snapshot, parsed = look()
        here = wish.find(parsed)
        if here is None or _signature(here, snapshot.text) != old:
            raise MovedError(f"{wish.name or 'the file'} has changed meanwhile")
        written = writing.written(snapshot.text, here)
        if _breaks(parsed, written):
            raise MovedError(f"{wish.name or 'the file'} cannot be told apart in the code as it is")
        return written

    async def opened(
        self, uri: str, snapshot: Snapshot, parsed: ParsedDocument
    ) -> Suggestion | None:
        """What follows an opening mark that was just typed; None at any other place, and nothing to
        show where the text has become another one meanwhile."""
        asked = self._asked.get(uri)
        if asked is None or asked.snapshot != snapshot:
            self.stop(uri)
            if not (found := trigger(parsed, snapshot)):
                return None
            asked = _Asked(snapshot, asyncio.ensure_future(self._finish(snapshot, found)))
            self._asked[uri] = asked
        asked.waiters += 1
        try:
            return await asyncio.shield(asked.task)
        except asyncio.CancelledError:
            if not asked.task.cancelled():
                raise
            return Suggestion("")
        finally:
            asked.waiters -= 1
            if not asked.waiters:
                self.stop(uri, asked)

    def stop(self, uri: str, asked: _Asked | None = None) -> None:
        """Stop what is written for a mark in a document: it is closed, or its text another one."""
        if asked is None or self._asked.get(uri) is asked:
            asked = self._asked.pop(uri, None)
        if asked:
            asked.task.cancel()

    async def _finish(self, snapshot: Snapshot, found: Trigger) -> Suggestion | None:
        document = replace(snapshot, text=found.document.text)
        writing = await self._begin(document, found.document, found.subject, found.mark)
        try:
            await self._say(writing, lambda part: None, urgent=True)
        except SilentError:
            return None
        whole = writing.written().text.strip()
        if not whole.startswith(found.mark):
            # It needs another mark than was typed, for its backslashes.
            return None
        return Suggestion(whole[len(found.mark) :], replaces=found.replaces)

    async def _begin(
        self, snapshot: Snapshot, parsed: ParsedDocument, subject: Documentable, mark: str = ""
    ) -> Writing:
        """Off the event loop: other files are looked at, too."""

        def begin() -> Writing:
            habits = neighbor_style(parsed, snapshot.path, self.index)
            manner = replace(habits, mark=mark) if mark else habits
            return Writing(snapshot, subject, manner)

        return await asyncio.to_thread(begin)

    async def _say(self, writing: Writing, tell: Callable[[str], None], *, urgent: bool) -> None:
        try:
            while writing.part:
                tell(writing.words)
                await self._part(writing, urgent)
        finally:
            for usage in writing.usages:
                self._count(usage)

    async def _part(self, writing: Writing, urgent: bool) -> None:
        """One part, said again from its beginning where it had to make way. The engine is chosen on
        the model's thread, where adapters come and go between two jobs and never during one."""
        language = language_of(writing.document.path)
        name = language.name if language else ""

        def say(job: Job[None]) -> None:
            writing.say(self._engine_for(name), job.stopped)

        while True:
            job = self._worker.submit(say, urgent=urgent)
            try:
                return await job.future
            except Cancelled:
                if job.halted:
                    raise asyncio.CancelledError from None
            finally:
                job.stop()


def _breaks(parsed: ParsedDocument, edit: Written) -> bool:
    """Whether a text has more errors with an edit: half-typed code is read as well as it goes."""
    text = parsed.text[: edit.start] + edit.text + parsed.text[edit.end :]
    return errors(parsed.edited(text)) > errors(parsed)


def _signature(subject: Documentable, text: str) -> tuple[Documentable, str]:
    """All but where it stands, and its docstring as it is written."""
    docstring = subject.docstring
    source = text[docstring.start : docstring.end] if docstring else ""
    return replace(subject, start=0, end=0, head_end=0, at=0, docstring=None), source
