"""What the server knows of one editor: its workspace, the model found for it, the index.

It turns documents and positions into snapshots and completions. It does not know the protocol's
wire: `lsp` does.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pygls.uris import from_fs_path, to_fs_path
from pygls.workspace import TextDocument

from budgetai_core.artifacts import layout
from budgetai_core.context import line_endings
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.index import Index
from budgetai_core.context.languages import Language, language_called
from budgetai_core.context.prompt import Snapshot
from budgetai_core.docstrings.documentable import documentable_at, documentables
from budgetai_core.errors import ModelError
from budgetai_core.repository import git, relative
from budgetai_core.repository.language_map import LanguageMap, declarations
from budgetai_core.repository.source_text import is_notebook
from budgetai_server.completion.eligibility import Eligibility
from budgetai_server.completion.scheduler import Scheduler
from budgetai_server.completion.service import CompletionService, OpenDocument
from budgetai_server.completion.text_edit import TextEdit
from budgetai_server.docstrings.generate import (
    DocstringRequest,
    PendingDocstring,
    pending_docstring,
)
from budgetai_server.docstrings.service import DocstringService
from budgetai_server.inference.worker import Worker
from budgetai_server.next_edit.file_search import HoldingSearch
from budgetai_server.next_edit.service import NextEditService, ShownEdit
from budgetai_server.options import ServerOptions
from budgetai_server.workspace.indexing.giving_way import GivingWay
from budgetai_server.workspace.indexing.indexer import Indexer, Progress
from budgetai_server.workspace.model_manager import ModelManager, State
from budgetai_server.workspace.text_document import Document
from budgetai_server.workspace.usage.recorder import UsageRecorder

# What shows the language of a text does so at its head; each key asks.
_HEAD_CHARACTERS = 4_000


class Session:
    """One workspace with at most one model. Documents outside of it are completed too."""

    def __init__(self, options: ServerOptions, roots: tuple[Path, ...], *, trusted: bool) -> None:
        """Serve one workspace. `roots` are the workspace's folders, the main one first. `trusted`
        says that `options.model` comes from the user's own command line."""
        self._options = options
        self.roots = roots
        self._root = roots[0].resolve() if roots else None
        self._worker = Worker()
        self._declared = declarations(options.language)
        self._models = ModelManager(options, roots, self._worker, trusted=trusted)
        self._docstrings: DocstringService | None = None
        self._indexer: Indexer | None = None
        self._cursors: dict[str, int] = {}
        # Those that have shown a suggestion, to see later whether it has stayed.
        self._documents: dict[str, TextDocument] = {}
        usage = layout.usage(self._root) if self._root and options.usage else None
        self._recorder = UsageRecorder(usage, self._text)
        self._eligibility = Eligibility(options, self._root)
        self._completions = CompletionService(self._eligibility, self._recorder)
        # Open documents that next edits may be for, by their path in the workspace or their URI.
        self._followed: dict[str, TextDocument] = {}
        self._next_edits = NextEditService(
            self._language_of, self._recorder, HoldingSearch(lambda: self.index)
        )

    def _text(self, uri: str) -> str | None:
        document = self._documents.get(uri)
        return line_endings.plain(document.source) if document else None

    @property
    def _scheduler(self) -> Scheduler | None:
        """None until there is a model."""
        return self._completions.scheduler

    @property
    def root(self) -> Path | None:
        """The workspace's main folder; None where files are opened alone."""
        return self._root

    @property
    def state(self) -> State:
        return self._models.state

    async def start(self) -> State:
        """Load the model, if there is one. Never raises: the state says what went wrong."""
        if opened := await self._models.start():
            scheduler = Scheduler(
                opened.engine,
                self._worker,
                opened.policy,
                self._models.for_completion,
                sequences=self._options.sequences,
            )
            self._completions.scheduler = scheduler
            self._docstrings = DocstringService(
                self._worker, self._models.for_docstring, scheduler.totals.add
            )
            if self._options.in_comments:
                self._completions.docstring_at = self._docstrings.opened
        return self.state

    def newer_model(self) -> Path | None:
        """Return a model that was made for the workspace since it was looked for. Reads folders,
        and may ask git."""
        return self._models.newer_model()

    @property
    def answering(self) -> bool:
        """Return whether a request waits for its answer."""
        return self._scheduler is not None and self._scheduler.answering

    @property
    def index(self) -> Index | None:
        """What is known of the workspace's files; None until they are looked at."""
        return self._indexer.index if self._indexer else None

    @property
    def can_index(self) -> bool:
        return bool(self._root and self._scheduler and not self._indexer)

    async def build_index(self, tell: Callable[[Progress], None]) -> None:
        """Read the workspace in the background; until then nothing of it is shown. What the code
        says often becomes a source of drafts. Raises RepositoryError where git refuses to read the
        workspace."""
        scheduler, docstrings = self._scheduler, self._docstrings
        if not (self._root and scheduler and docstrings and self.can_index):
            return
        await asyncio.to_thread(git.has_repository, self._root)
        way = GivingWay(lambda: scheduler.answering)
        self._indexer = Indexer(self._root, way=way, declared=self._declared)
        index = await self._indexer.build(tell)
        scheduler.index = docstrings.index = index
        texts = map(index.text, index.paths)
        await asyncio.to_thread(scheduler.engine.learn, way.in_thread(texts))

    async def complete(
        self,
        document: TextDocument,
        offset: int,
        selected: TextEdit | None = None,
        on_growth: Callable[[TextEdit], None] | None = None,
    ) -> TextEdit | None:
        """Return what to put in at a character offset of a document; None when there is nothing to
        show. `selected` is an item of the editor's own list, which the suggestion is to go on from;
        `on_growth` is told the edits on the way to this one. Raises ModelError if the model
        fails."""
        if self._scheduler is None:
            return None
        self._models.look_for_adapters()
        self._cursors[document.uri] = offset
        try:
            edit = await self._completions.complete(
                self._opened(document), offset, selected, on_growth
            )
        finally:
            self._models.look()
        if edit and edit.number:
            self._documents[document.uri] = document
        return edit

    @property
    def shows_lenses(self) -> bool:
        return self._options.code_lens

    def pending_docstrings(
        self, document: TextDocument, offset: int | None = None
    ) -> list[PendingDocstring]:
        """Return the docstrings that can be written or brought up to date in a document; with an
        offset, that of the innermost definition there, if it needs one."""
        looked = self._look(document)
        parsed = looked[1] if looked else None
        if self._docstrings is None or parsed is None or parsed.language is None:
            return []
        entries = documentables(parsed)
        if offset is not None:
            cursor = len(line_endings.plain(document.source[:offset]))
            entries = tuple(filter(None, [documentable_at(parsed, cursor)]))
        pending = (pending_docstring(documentable, parsed.language) for documentable in entries)
        return list(filter(None, pending))

    async def write_docstring(
        self, document: TextDocument, request: DocstringRequest, tell: Callable[[str], None]
    ) -> TextEdit:
        """Write a docstring. The edit is for the text as it is when this returns; it may go over
        several lines. Raises as DocstringService.write does."""
        self._models.look_for_adapters()
        if self._docstrings is None:
            raise ModelError("there is no model that could write a docstring", self.state.message)

        def look() -> tuple[Snapshot, ParsedDocument]:
            if looked := self._look(document):
                return looked
            raise ModelError(f"{Path(document.path).name} is left alone", "See the option ignore")

        written = await self._docstrings.write(request, look, tell)
        source = document.source
        start, end = (line_endings.in_source(source, at) for at in (written.start, written.end))
        return TextEdit(start, end, line_endings.like(source, written.text))

    def _look(self, document: TextDocument) -> tuple[Snapshot, ParsedDocument] | None:
        """Return the document as it is now; None where it is to be left alone."""
        snapshot = self._opened(document).snapshot(0)
        if self._left_alone(document):
            return None
        return snapshot, self._eligibility.parsed(document.uri, snapshot)

    def _left_alone(self, document: TextDocument) -> bool:
        opened = self._opened(document)
        reason = self._eligibility.document_reason(
            opened.uri, opened.file, opened.path, len(opened.source)
        )
        return reason is not None

    def changed(self, document: TextDocument, offset: int | None) -> None:
        """Follow a change of the document's text, with the cursor at `offset` if that is known.
        What is generated for it stops, unless the new text agrees; its place is evaluated ahead."""
        if self._scheduler is None:
            return
        if offset is not None:
            self._cursors[document.uri] = offset
        snapshot = self._opened(document).snapshot(offset or 0)
        self._completions.acceptance.change(document.uri, snapshot.text)
        if self._docstrings:
            self._docstrings.stop(document.uri)
        left_alone = self._left_alone(document)
        if self._indexer and not left_alone and (path := self._relative(document)):
            line = None if offset is None else snapshot.text.count("\n", 0, snapshot.cursor)
            self._indexer.edited(path, snapshot.text, line)
        known = offset is not None and not left_alone
        self._scheduler.changed(document.uri, snapshot if known else None)

    def follow(self, document: TextDocument) -> None:
        """Take a document's text for the next edits, when it is opened and whenever it changes."""
        name = self._name(document)
        # Cells of one notebook have one name.
        left_alone = self._left_alone(document) or is_notebook(name)
        if not self._options.next_edits or left_alone:
            self._followed.pop(name, None)
            self._next_edits.closed(name)
            return
        self._followed[name] = document
        self._next_edits.changed(name, lambda: line_endings.plain(document.source))

    async def next_edit(
        self, document: TextDocument, *, here: bool = False
    ) -> tuple[ShownEdit, TextDocument] | None:
        """Return the next edit for who works in a document, and the document that it is for, which
        with `here` is this one; None where there is none."""
        shown = await self._next_edits.next_edit(self._name(document))
        if shown is None:
            return None
        name = shown.proposal.document
        if target := self._followed.get(name):
            return (shown, target) if target is document or not here else None
        if here or self._root is None or self.index is None or name not in self.index:
            return None
        uri = from_fs_path(str(self._root / name)) or ""
        return shown, Document(uri, self.index.text(name), position_codec=document.position_codec)

    def edit_accepted(self, number: int) -> None:
        self._next_edits.accepted(number)

    def edit_dismissed(self, number: int) -> None:
        self._next_edits.dismissed(number)

    def _name(self, document: TextDocument) -> str:
        return self._relative(document) or document.uri

    def _language_of(self, name: str, text: str) -> Language | None:
        if document := self._followed.get(name):
            return self._opened(document).snapshot(0).language
        return (self.index and self.index.language(name)) or None

    def looked_at(self, document: TextDocument, offset: int | None = None) -> None:
        """Evaluate a document's context ahead, when it is opened or its cursor moves."""
        cursor = self._cursors.get(document.uri, 0) if offset is None else offset
        cursor = min(cursor, len(document.source))
        if self._scheduler is None:
            return
        snapshot = self._opened(document).snapshot(cursor)
        if not self._left_alone(document):
            self._cursors[document.uri] = cursor
            self._scheduler.warm(document.uri, snapshot)

    def closed(self, uri: str) -> None:
        if self._indexer and self._root:
            for path in relative(self._root, [to_fs_path(uri) or ""]):
                self._indexer.closed(path)
        self._eligibility.closed(uri)
        self._completions.acceptance.close(uri)
        self._documents.pop(uri, None)
        for name in [name for name, document in self._followed.items() if document.uri == uri]:
            del self._followed[name]
            self._next_edits.closed(name)
        if self._scheduler:
            self._scheduler.forget(uri)
        if self._docstrings:
            self._docstrings.stop(uri)

    def accepted(self, number: int) -> None:
        """Count a suggestion that the editor says was taken whole."""
        self._completions.acceptance.confirm(number)

    def status(self) -> dict[str, Any]:
        """Return what the server does, for people and editors. It holds no code."""
        scheduler, opened = self._scheduler, self._models.opened
        adapters = opened.adapters if opened else None
        return {
            "state": self.state.name,
            "message": self.state.message,
            "model": scheduler.engine.name if scheduler else None,
            "adapters": list(adapters.names) if adapters else [],
            "busy": scheduler.busy if scheduler else False,
            "usage": asdict(scheduler.totals) if scheduler else None,
            "items": asdict(self._completions.acceptance.counts),
            "silent": dict(self._eligibility.silent),
            "indexed": len(self._indexer.index) if self._indexer else 0,
            "report": self._report(),
        }

    def _report(self) -> str | None:
        """Return the page on the newest training run."""
        adapter = layout.newest_adapter(self._root) if self._root else None
        page = adapter / "report.html" if adapter else None
        return str(page) if page and page.is_file() else None

    def saved(self, document: TextDocument) -> None:
        """Take up a saved file: not every client tells of changed files, each of what it saves."""
        self._models.look_for_adapters()
        self._eligibility.saved(document.uri)
        self.files_changed([document.path])

    def files_changed(self, paths: Iterable[str]) -> None:
        """Take up files or folders that have come, gone or changed on disk. What they are is looked
        at there."""
        if self._indexer and self._root:
            self._indexer.changed(relative(self._root, paths))

    def _opened(self, document: TextDocument) -> OpenDocument:
        file = Path(document.path)
        name = self._root.name if self._root else file.parent.name
        path = self._relative(document) or file.name
        language = language_called(document.language_id or "")
        return OpenDocument(
            document.uri, file, name or "repository", path, document.source, language,
            self._known_language(path, document.source),
        )  # fmt: skip

    def _known_language(self, path: str, source: str) -> Language | None:
        """Return what the repository says of a file's language, or else its name and its head."""
        head = source[:_HEAD_CHARACTERS]
        if self._indexer:
            return self._indexer.language(path, head)
        return LanguageMap((), {}, self._declared, {}).language(path, head)

    def _relative(self, document: TextDocument) -> str | None:
        """Return the path in the workspace; None for what lies outside."""
        if self._root is None:
            return None
        try:
            return Path(document.path).resolve().relative_to(self._root).as_posix()
        except (ValueError, OSError):
            return None

    def close(self) -> None:
        if self._indexer:
            self._indexer.close()
        self._worker.close()
        self._recorder.close()

    def free(self) -> None:
        """Give the memory of a closed session's model back, where the process goes on."""
        if self._models.opened and not self._worker.running:
            self._models.opened.engine.close()
