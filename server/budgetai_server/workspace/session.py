"""What the server knows of one editor: its workspace, the model found for it, the index.

It turns documents and positions into snapshots and completions. It does not know the protocol's
wire: `lsp` does.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from budgetai_core.artifacts import layout
from budgetai_core.context import line_endings
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.prompt import Snapshot
from budgetai_core.docstrings.documentable import documentable_at, documentables
from budgetai_core.errors import ModelError
from budgetai_core.repository import relative
from budgetai_server.completion import text_edit
from budgetai_server.completion.document_eligibility import DocumentEligibility
from budgetai_server.completion.eligibility import DocumentReason, Reason
from budgetai_server.completion.render import Completion
from budgetai_server.completion.scheduler import Scheduler
from budgetai_server.completion.text_edit import Suggestion
from budgetai_server.docstrings.generate import DocstringRequest, Offer, offer
from budgetai_server.docstrings.service import DocstringService
from budgetai_server.inference.worker import Worker
from budgetai_server.options import ServerOptions
from budgetai_server.workspace.indexing.indexer import Indexer, Progress
from budgetai_server.workspace.model_manager import ModelManager, State
from budgetai_server.workspace.usage.acceptance import Acceptance
from budgetai_server.workspace.usage.recorder import UsageRecorder

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")


class Document(TextDocument):
    """A document whose lines are those of the protocol. pygls ends lines as Python does, at form
    feeds and U+2028 too, and would then edit and complete at other places than the editor."""

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(_LINE.findall(self.source))


class Session:
    """One workspace with at most one model. Documents outside of it are completed too."""

    def __init__(self, options: ServerOptions, roots: tuple[Path, ...], *, trusted: bool) -> None:
        """`roots` are the workspace's folders, the main one first. `trusted` says that
        `options.model` comes from the user's own command line."""
        self._options = options
        self._root = roots[0].resolve() if roots else None
        self._worker = Worker()
        self._serving = ModelManager(options, roots, self._worker, trusted=trusted)
        self._completer: Scheduler | None = None
        self._scribe: DocstringService | None = None
        self._upkeep: Indexer | None = None
        self._cursors: dict[str, int] = {}
        self._places = DocumentEligibility(options, self._root)
        self._documents: dict[str, TextDocument] = {}
        self._usage = UsageRecorder(self._ledger(), self._text)
        self._acceptance = Acceptance(self._usage.over)

    def _ledger(self) -> Path | None:
        """Where usage is written, if the user wants it and there is a workspace."""
        return layout.usage(self._root) if self._root and self._options.usage else None

    def _text(self, uri: str) -> str | None:
        document = self._documents.get(uri)
        return line_endings.plain(document.source) if document else None

    @property
    def state(self) -> State:
        return self._serving.state

    async def start(self) -> State:
        """Load the model, if there is one. Never raises: the state says what went wrong."""
        if opened := await self._serving.start():
            of_place, of_language = self._serving.for_completion, self._serving.for_docstring
            self._completer = Scheduler(opened.engine, self._worker, opened.rules, of_place)
            self._scribe = DocstringService(self._worker, of_language, self._completer.totals.add)
        return self.state

    @property
    def can_index(self) -> bool:
        return bool(self._root and self._completer and not self._upkeep)

    async def build_index(self, tell: Callable[[Progress], None]) -> None:
        """Read the workspace in the background; until then nothing of it is shown. What the code
        says often becomes a source of drafts."""
        if not (self._root and self._completer and self._scribe and self.can_index):
            return
        self._upkeep = Indexer(self._root)
        index = await self._upkeep.build(tell)
        self._completer.index = self._scribe.index = index
        texts = [index.text(path) for path in index.paths]
        await asyncio.to_thread(self._completer.engine.learn, texts)

    async def complete(
        self, document: TextDocument, offset: int, selected: Suggestion | None = None
    ) -> Suggestion | None:
        """What to put in at a character offset of a document; None when there is nothing to say.
        `selected` is an item of the editor's own list, which the answer is to go on from. Raises
        ModelError if the model fails."""
        if self._completer is None:
            return None
        self._serving.look_for_adapters()
        began = time.perf_counter()
        self._cursors[document.uri] = offset
        source = document.source
        if selected and (own := self._own(document, offset, selected)):
            return own
        text, place = text_edit.accepted(source, selected) if selected else (source, offset)
        snapshot = self._snapshot(document, text, place)
        found = await self._found(self._completer, document, snapshot)
        item = text_edit.from_completion(found, source, offset, selected) if found else None
        shown = text_edit.from_cursor(item, source, offset) if item else None
        if not (item and shown):
            return item
        here = self._snapshot(document, source, offset)
        number = self._acceptance.offer(document.uri, here, shown)
        self._documents[document.uri] = document
        self._usage.shown(number, here.path, time.perf_counter() - began)
        return replace(item, number=number)

    def _own(self, document: TextDocument, offset: int, selected: Suggestion) -> Suggestion | None:
        """The selected item, if it does what the item shown at the place does: in the editor's list
        that is the same one. Going on from it would make it longer with each request."""
        source, here = document.source, self._snapshot(document, document.source, offset)
        shown = self._acceptance.rest(document.uri, here)
        item = text_edit.from_completion(shown, source, offset, None) if shown else None
        if not (shown and item) or text_edit.accepted(source, item) != text_edit.accepted(
            source, selected
        ):
            return None
        return replace(selected, number=self._acceptance.offer(document.uri, here, shown))

    async def _found(
        self, completer: Scheduler, document: TextDocument, snapshot: Snapshot
    ) -> Completion | None:
        """An answer, unless this is no place for one."""
        reason: Reason | None = self._document_reason(document, snapshot)
        if reason is None:
            if rest := self._acceptance.rest(document.uri, snapshot):
                completer.totals.requests += 1
                completer.totals.cached += 1
                return rest
            if docstring := await self._docstring(document, snapshot):
                return docstring
            reason = self._places.place_reason(document.uri, snapshot)
        if reason:
            self._places.say_nothing(reason)
            return None
        try:
            return await completer.complete(document.uri, snapshot)
        finally:
            self._serving.look()

    async def _docstring(self, document: TextDocument, snapshot: Snapshot) -> Completion | None:
        """A whole docstring, where its opening mark was just typed."""
        if not (self._scribe and self._options.in_comments):
            return None
        parsed = self._places.parsed(document.uri, snapshot)
        return await self._scribe.opened(document.uri, snapshot, parsed)

    @property
    def shows_lenses(self) -> bool:
        return self._options.code_lens

    def offers(self, document: TextDocument, offset: int | None = None) -> list[Offer]:
        """The docstrings that can be written or brought up to date in a document; with an offset,
        that of the innermost definition there, if it needs one."""
        seen = self._look(document)
        parsed = seen[1] if seen else None
        if self._scribe is None or parsed is None or parsed.language is None:
            return []
        found = documentables(parsed)
        if offset is not None:
            cursor = len(line_endings.plain(document.source[:offset]))
            found = tuple(filter(None, [documentable_at(parsed, cursor)]))
        offered = (offer(subject, parsed.language) for subject in found)
        return [one for one in offered if one]

    async def write_docstring(
        self, document: TextDocument, wish: DocstringRequest, tell: Callable[[str], None]
    ) -> Suggestion:
        """Write a docstring. The item is for the text as it is when this returns; it may go over
        several lines. Raises as Scribe.write does."""
        self._serving.look_for_adapters()
        if self._scribe is None:
            raise ModelError("there is no model that could write a docstring", self.state.message)

        def look() -> tuple[Snapshot, ParsedDocument]:
            if seen := self._look(document):
                return seen
            raise ModelError(f"{Path(document.path).name} is left alone", "See the option ignore")

        written = await self._scribe.write(wish, look, tell)
        source = document.source
        start, end = (line_endings.in_source(source, at) for at in (written.start, written.end))
        return Suggestion(start, end, line_endings.like(source, written.text))

    def _look(self, document: TextDocument) -> tuple[Snapshot, ParsedDocument] | None:
        """The document as it is now; None where it is to be left alone."""
        snapshot = self._snapshot(document, document.source, 0)
        if self._document_reason(document, snapshot):
            return None
        return snapshot, self._places.parsed(document.uri, snapshot)

    def _document_reason(self, document: TextDocument, snapshot: Snapshot) -> DocumentReason | None:
        return self._places.document_reason(document.uri, Path(document.path), snapshot)

    def changed(self, document: TextDocument, offset: int | None) -> None:
        """The document's text is another one, with the cursor at `offset` if that is known. What
        is being said for it stops, unless the new text agrees; its place is evaluated ahead."""
        if self._completer is None:
            return
        if offset is not None:
            self._cursors[document.uri] = offset
        snapshot = self._snapshot(document, document.source, offset or 0)
        self._acceptance.change(document.uri, snapshot.text)
        if self._scribe:
            self._scribe.stop(document.uri)
        off = self._document_reason(document, snapshot)
        if self._upkeep and not off and (path := self._relative(document)):
            self._upkeep.edited(path, snapshot.text)
            if offset is not None:
                self._upkeep.index.edited(path, snapshot.text.count("\n", 0, snapshot.cursor))
        known = offset is not None and not off
        self._completer.changed(document.uri, snapshot if known else None)

    def looked_at(self, document: TextDocument, offset: int | None = None) -> None:
        """The document was opened, or its cursor moved: its context is evaluated ahead."""
        place = self._cursors.get(document.uri, 0) if offset is None else offset
        place = min(place, len(document.source))
        if self._completer is None:
            return
        snapshot = self._snapshot(document, document.source, place)
        if not self._document_reason(document, snapshot):
            self._cursors[document.uri] = place
            self._completer.warm(document.uri, snapshot)

    def closed(self, uri: str) -> None:
        if self._upkeep and self._root:
            for path in relative(self._root, [to_fs_path(uri) or ""]):
                self._upkeep.closed(path)
        self._places.close(uri)
        self._acceptance.close(uri)
        self._documents.pop(uri, None)
        if self._completer:
            self._completer.forget(uri)
        if self._scribe:
            self._scribe.stop(uri)

    def accepted(self, number: int) -> None:
        """The editor says that the user has taken an item whole."""
        self._acceptance.confirm(number)

    def status(self) -> dict[str, Any]:
        """What the server does, for people and editors. It holds no code."""
        completer = self._completer
        opened = self._serving.opened
        adapters = opened.adapters if opened else None
        return {
            "state": self.state.name,
            "message": self.state.message,
            "model": completer.engine.name if completer else None,
            "adapters": list(adapters.names) if adapters else [],
            "busy": completer.busy if completer else False,
            "usage": asdict(completer.totals) if completer else None,
            "items": asdict(self._acceptance.counts),
            "silent": dict(self._places.silent),
            "indexed": len(self._upkeep.index) if self._upkeep else 0,
            "report": self._report(),
        }

    def _report(self) -> str | None:
        """The page on the newest training run."""
        adapter = layout.newest_adapter(self._root) if self._root else None
        page = adapter / "report.html" if adapter else None
        return str(page) if page and page.is_file() else None

    def saved(self, document: TextDocument) -> None:
        """Not every client tells of changed files; each tells of what it saves itself."""
        self._serving.look_for_adapters()
        self._places.look_again(document.uri)
        self.files_changed([document.path])

    def files_changed(self, paths: Iterable[str]) -> None:
        """Files or folders have come, gone or changed on disk. What they are is looked at there."""
        if self._upkeep and self._root:
            self._upkeep.changed(relative(self._root, paths))

    def _snapshot(self, document: TextDocument, text: str, offset: int) -> Snapshot:
        before = line_endings.plain(text[:offset])
        plain = before + line_endings.plain(text[offset:])
        path = self._relative(document) or Path(document.path).name
        name = self._root.name if self._root else Path(document.path).parent.name
        return Snapshot(name or "repository", path, plain, len(before))

    def _relative(self, document: TextDocument) -> str | None:
        if self._root is None:
            return None
        try:
            return Path(document.path).resolve().relative_to(self._root).as_posix()
        except (ValueError, OSError):
            return None

    def close(self) -> None:
        if self._upkeep:
            self._upkeep.close()
        self._worker.close()
        self._usage.close()
