"""The way of a completion: eligible → remembered → scheduled → rendered → recorded.

`CompletionService.complete` tells it for an editor; `complete` is the same without one, for those
that evaluate a model.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from budgetai_core.context import line_endings
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.index import Index
from budgetai_core.context.languages import Language, language_of
from budgetai_core.context.prompt import Snapshot
from budgetai_server.completion.acceptance import Acceptance, Recorder
from budgetai_server.completion.eligibility import Eligibility, Reason
from budgetai_server.completion.generation import Generation, generate
from budgetai_server.completion.render import CompletionPolicy, render
from budgetai_server.completion.scheduler import Scheduler
from budgetai_server.completion.text_edit import (
    Suggestion,
    TextEdit,
    applied,
    from_cursor,
    from_suggestion,
)
from budgetai_server.inference.engine import Engine

# What follows an opening mark of a docstring that was just typed in a document; None elsewhere.
DocstringAt = Callable[[str, Snapshot, ParsedDocument], Awaitable[Suggestion | None]]


@dataclass(frozen=True)
class OpenDocument:
    """A document as the editor has it now: `source` with its own line ends. `path` is relative to
    the workspace, `file` where it is saved; `declared` is the language the editor says it is in,
    `known` the one that the repository or the file's name and text say."""

    uri: str
    file: Path
    repository: str
    path: str
    source: str
    declared: Language | None = None
    known: Language | None = None

    def snapshot(self, cursor: int) -> Snapshot:
        """Return it as prompts are made from it, with the cursor at a character of the source."""
        before = line_endings.plain(self.source[:cursor])
        text = before + line_endings.plain(self.source[cursor:])
        path, by_name = self.path, language_of(self.path)
        # Editors know the dialects of what has a grammar, and hardly know other languages.
        lexical = self.known if self.known and self.known.marks else None
        if self.declared and by_name is None and not lexical:
            # Untitled documents, notebook cells, scripts: the model knows languages by extensions.
            path, by_name = path + self.declared.extensions[0], self.declared
        language = lexical or self.declared or self.known
        other = language if language != by_name else None
        return Snapshot(self.repository, path, text, len(before), declared=other)


class CompletionService:
    """Completes in the documents of one editor, once there is a model and a scheduler for it."""

    def __init__(self, eligibility: Eligibility, recorder: Recorder) -> None:
        self.scheduler: Scheduler | None = None
        self.docstring_at: DocstringAt | None = None
        self.acceptance = Acceptance(recorder.record_outcome)
        self._eligibility = eligibility
        self._recorder = recorder

    async def complete(
        self,
        document: OpenDocument,
        cursor: int,
        selected: TextEdit | None = None,
        on_growth: Callable[[TextEdit], None] | None = None,
    ) -> TextEdit | None:
        """Return the edit to suggest at a character offset of a document; None where there is none.

        `selected` is an item of the editor's own list, which the suggestion is to go on from.
        `on_growth` is told the edits that come before that one, each with more lines of it. Raises
        ModelError if the model fails.
        """
        if self.scheduler is None:
            return None
        began = time.perf_counter()
        if selected:
            if shown := self._already_shown(document, cursor, selected):
                return shown
            text, behind = applied(document.source, selected)
            snapshot = replace(document, source=text).snapshot(behind)
        else:
            snapshot = document.snapshot(cursor)

        def grown(growing: Suggestion) -> None:
            edit = from_suggestion(growing, document.source, cursor, selected)
            if edit and on_growth:
                on_growth(edit)

        suggestion = await self._suggest(
            self.scheduler, document, snapshot, grown if on_growth else None
        )
        if suggestion is None:
            return None
        edit = from_suggestion(suggestion, document.source, cursor, selected)
        return self._recorded(document, cursor, edit, began) if edit else None

    async def _suggest(
        self,
        scheduler: Scheduler,
        document: OpenDocument,
        snapshot: Snapshot,
        on_growth: Callable[[Suggestion], None] | None,
    ) -> Suggestion | None:
        uri = document.uri
        reason: Reason | None = self._eligibility.document_reason(
            uri, document.file, document.path, len(document.source)
        )
        if reason is None:
            if remembered := self.acceptance.rest(uri, snapshot):
                scheduler.totals.count_cached()
                return remembered
            if self.docstring_at:
                parsed = self._eligibility.parsed(uri, snapshot)
                if docstring := await self.docstring_at(uri, snapshot, parsed):
                    return docstring
            reason = self._eligibility.place_reason(uri, snapshot)
        if reason:
            self._eligibility.decline(reason)
            return None
        # What was generated before is remembered there, too, and all of it rendered.
        return await scheduler.complete(uri, snapshot, on_growth)

    def _recorded(
        self, document: OpenDocument, cursor: int, edit: TextEdit, began: float
    ) -> TextEdit:
        """Return number what is shown, so that it can be told what becomes of it."""
        shown = from_cursor(edit, document.source, cursor)
        if shown is None:
            return edit
        here = document.snapshot(cursor)
        number = self.acceptance.record_shown(document.uri, here, shown)
        language = here.language.name if here.language else ""
        self._recorder.record_shown(number, language, time.perf_counter() - began)
        return replace(edit, number=number)

    def _already_shown(
        self, document: OpenDocument, cursor: int, selected: TextEdit
    ) -> TextEdit | None:
        """Return the selected item, if it does what the suggestion shown at the place does: in the
        editor's list that is the same one. Going on from it would make it longer with each
        request."""
        source, here = document.source, document.snapshot(cursor)
        shown = self.acceptance.rest(document.uri, here)
        edit = from_suggestion(shown, source, cursor, None) if shown else None
        if not (shown and edit) or applied(source, edit) != applied(source, selected):
            return None
        return replace(selected, number=self.acceptance.record_shown(document.uri, here, shown))


def complete(
    engine: Engine,
    snapshot: Snapshot,
    index: Index | None,
    policy: CompletionPolicy | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Suggestion:
    """Complete at the cursor, and decode nothing ahead. Raises Cancelled when `cancelled` becomes
    true."""
    policy = policy or CompletionPolicy()
    generation = Generation(snapshot)
    decided: Suggestion | None = None

    def enough() -> bool:
        nonlocal decided
        decided = render(generation, snapshot, policy)
        return decided is not None

    generate(engine, generation, index, policy.stop, cancelled, enough)
    decided = decided or render(generation, snapshot, policy)
    return decided or Suggestion("", generation.usage)
