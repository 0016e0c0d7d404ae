"""Docstrings beside completions: on the same thread, behind them, and stopped at once.

Everything here runs in the event loop but the parts that are given to the model's thread. Each part
of a docstring is work of its own, so that a completion that someone waits for goes first.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Snapshot
from budgetai_core.context.tree import errors
from budgetai_core.docstrings.documentable import Documentable
from budgetai_core.docstrings.parse.comment_syntax import comment_syntax
from budgetai_core.errors import BudgetAIError
from budgetai_server.completion.text_edit import Suggestion
from budgetai_server.docstrings.generate import (
    DocstringGenerator,
    DocstringRequest,
    EmptyAnswerError,
    Written,
    pending_docstring,
)
from budgetai_server.docstrings.neighbor_style import neighbor_style
from budgetai_server.docstrings.trigger import Trigger, trigger
from budgetai_server.inference.engine import Cancelled, Engine, Usage
from budgetai_server.inference.worker import Job, Worker


class MovedError(BudgetAIError):
    """The text has changed, and what a docstring was written for is not there any more."""


@dataclass(eq=False)
class _Pending:
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
        """Start with nothing to write. `count` is told what each docstring has cost."""
        self.index: Index | None = None
        self._worker = worker
        self._engine_for = engine_for
        self._count = count
        self._pending: dict[str, _Pending] = {}

    async def write(
        self,
        request: DocstringRequest,
        look: Callable[[], tuple[Snapshot, ParsedDocument]],
        tell: Callable[[str], None] = lambda part: None,
    ) -> Written:
        """Write a docstring for a document, of which `look` gives the text and the tree as they are
        now: the edit is one of the text as it is at the end. `tell` gets words on each part.

        Raises MovedError where the definition is not there, or has become another one meanwhile;
        EmptyAnswerError and ModelError as `generate.write` does.
        """
        snapshot, parsed = look()
        language = parsed.language
        if language is None or comment_syntax(language) is None:
            name = language.name if language else "this language"
            raise MovedError(f"no docstrings are written in {name}; completions are")
        documentable = request.find(parsed)
        if documentable is None or not pending_docstring(documentable, language):
            raise MovedError(f"{request.name or 'the file'} needs no docstring any more")
        old = _signature(documentable, snapshot.text)
        generator = await self._begin(snapshot, parsed, documentable)
        await self._generate(generator, tell, urgent=False)
        snapshot, parsed = look()
        here = request.find(parsed)
        if here is None or _signature(here, snapshot.text) != old:
            raise MovedError(f"{request.name or 'the file'} has changed meanwhile")
        written = generator.written(snapshot.text, here)
        if _breaks(parsed, written):
            name = request.name or "the file"
            raise MovedError(f"{name} cannot be told apart in the code as it is")
        return written

    async def opened(
        self, uri: str, snapshot: Snapshot, parsed: ParsedDocument
    ) -> Suggestion | None:
        """Return what follows an opening mark that was just typed; None at any other place, and
        nothing to show where the text has become another one meanwhile."""
        pending = self._pending.get(uri)
        if pending is None or pending.snapshot != snapshot:
            self.stop(uri)
            if not (triggered := trigger(parsed, snapshot)):
                return None
            pending = _Pending(snapshot, asyncio.ensure_future(self._finish(snapshot, triggered)))
            self._pending[uri] = pending
        pending.waiters += 1
        try:
            return await asyncio.shield(pending.task)
        except asyncio.CancelledError:
            if not pending.task.cancelled():
                raise
            return Suggestion("")
        finally:
            pending.waiters -= 1
            if not pending.waiters:
                self.stop(uri, pending)

    def stop(self, uri: str, pending: _Pending | None = None) -> None:
        """Stop what is written for a mark in a document: it is closed, or its text another one."""
        if pending is None or self._pending.get(uri) is pending:
            pending = self._pending.pop(uri, None)
        if pending:
            pending.task.cancel()

    async def _finish(self, snapshot: Snapshot, triggered: Trigger) -> Suggestion | None:
        document = replace(snapshot, text=triggered.document.text)
        generator = await self._begin(
            document, triggered.document, triggered.documentable, triggered.mark
        )
        try:
            await self._generate(generator, lambda part: None, urgent=True)
        except EmptyAnswerError:
            return None
        whole = generator.written().text.strip()
        if not whole.startswith(triggered.mark):
            # It needs another mark than was typed, for its backslashes.
            return None
        return Suggestion(whole[len(triggered.mark) :], replaces=triggered.replaces)

    async def _begin(
        self, snapshot: Snapshot, parsed: ParsedDocument, documentable: Documentable, mark: str = ""
    ) -> DocstringGenerator:
        """Begin off the event loop: other files are looked at, too."""

        def begin() -> DocstringGenerator:
            style = neighbor_style(parsed, snapshot.path, self.index)
            return DocstringGenerator(
                snapshot, documentable, replace(style, mark=mark) if mark else style
            )

        return await asyncio.to_thread(begin)

    async def _generate(
        self, generator: DocstringGenerator, tell: Callable[[str], None], *, urgent: bool
    ) -> None:
        try:
            while generator.part:
                tell(generator.words)
                await self._part(generator, urgent)
        finally:
            for usage in generator.usages:
                self._count(usage)

    async def _part(self, generator: DocstringGenerator, urgent: bool) -> None:
        """Generate one part, again from its beginning where it had to make way. The engine is
        chosen on the model's thread, where adapters come and go between two jobs and never during
        one."""
        language = generator.document.language
        name = language.name if language else ""

        def generate(job: Job[None]) -> None:
            generator.generate_part(self._engine_for(name), job.stopped)

        while True:
            job = self._worker.submit(generate, urgent=urgent)
            try:
                return await job.future
            except Cancelled:
                if job.halted:
                    raise asyncio.CancelledError from None
            finally:
                job.stop()


def _breaks(parsed: ParsedDocument, edit: Written) -> bool:
    """Return whether a text has more errors with an edit: half-typed code is read as well as it
    goes."""
    text = parsed.text[: edit.start] + edit.text + parsed.text[edit.end :]
    return errors(parsed.edited(text)) > errors(parsed)


def _signature(documentable: Documentable, text: str) -> tuple[Documentable, str]:
    """Return all but where it stands, and its docstring as it is written."""
    docstring = documentable.docstring
    source = text[docstring.start : docstring.end] if docstring else ""
    return replace(documentable, start=0, end=0, head_end=0, at=0, docstring=None), source
