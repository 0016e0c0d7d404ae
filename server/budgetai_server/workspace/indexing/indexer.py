"""The index of a repository, kept in step with its files and with open documents."""

import asyncio
import gc
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from budgetai_core.artifacts import layout
from budgetai_core.context import naming
from budgetai_core.context.block_words import measured_by_name
from budgetai_core.context.index import Index
from budgetai_core.context.languages import Language
from budgetai_core.repository.language_map import LanguageMap
from budgetai_core.repository.source_text import is_notebook
from budgetai_server.workspace.indexing.giving_way import GivingWay
from budgetai_server.workspace.indexing.overlay import UnsavedBuffers
from budgetai_server.workspace.indexing.parse_cache import decode
from budgetai_server.workspace.indexing.scan import Batch, File, Request
from budgetai_server.workspace.indexing.worker_process import (
    CrashedError,
    Feed,
    from_anywhere,
    from_thread,
)

log = logging.getLogger(__name__)

# Seconds without a further event: a checkout changes thousands of files in a row.
_QUIET_SECONDS = 0.3
# But never wait longer: a build may go on for minutes.
_MAX_WAIT_SECONDS = 3.0
# More paths than this are cheaper to find by a look at everything.
_MAX_LOOKED_AT_ALONE = 32
_RULES = frozenset({".gitignore", ".gitattributes", ".budgetaiignore"})


@dataclass(frozen=True)
class Progress:
    """How far the first look has come: files of `total`, and lines in the index after `seconds`."""

    files: int
    total: int
    lines: int
    seconds: float

    @property
    def rate(self) -> float:
        """Lines per second."""
        return self.lines / max(self.seconds, 1e-3)


class Indexer:
    """One repository's index. Everything here runs in the event loop but what the feeds do."""

    def __init__(
        self,
        root: Path,
        feed: Feed = from_anywhere,
        way: GivingWay | None = None,
        declared: Mapping[str, str] | None = None,
    ) -> None:
        """Start empty. `root` is resolved. `feed` looks at all of it; what it finds makes `way` for
        answers. `declared` has languages by ending or name, as the user says."""
        self.index = Index()
        self._way = way or GivingWay()
        self.parsed = 0
        self._root = root
        self._feed = feed
        self._known: dict[str, bytes] = {}
        self._declared = declared or {}
        self._measured: dict[str, Language] = {}
        self._usual: Mapping[str, str] | None = None
        self._edits = UnsavedBuffers(self.index)
        self._changed: set[str] = set()
        self._turn = asyncio.Lock()
        self._waiting: asyncio.Task[None] | None = None

    async def build(self, tell: Callable[[Progress], None] = lambda progress: None) -> Index:
        """Look at the whole repository. `tell` is called after each batch."""
        began, lines = time.monotonic(), 0
        progress = Progress(0, 0, 0, 0.0)
        async with self._turn, aclosing(self._look(self._feed, ())) as batches:
            async for batch in batches:
                lines += sum(file.text.count("\n") + 1 for file in batch.files)
                progress = Progress(batch.done, batch.total, lines, time.monotonic() - began)
                tell(progress)
        await asyncio.to_thread(self._measure)
        log.info(
            "indexed %d files, %d lines in %.1f s (%.0f lines a second); %d files parsed anew",
            len(self.index), lines, progress.seconds, progress.rate, self.parsed,
        )  # fmt: skip
        return self.index

    def language(self, path: str, text: str) -> Language | None:
        """Return the language of a file, which may be new; None for what is not code."""
        language = self.index.language(path)
        if path not in self.index or is_notebook(path):
            # A notebook that an editor shows as it is on disk is not the code in it.
            language = self._languages.language(path, text)
        return self._measured.get(language.name, language) if language else None

    def _measure(self) -> None:
        """Find how blocks are begun and ended in the languages that are read by their marks."""
        index = self.index
        files = ((index.language(path), index.text(path)) for path in index.paths)
        self._measured = measured_by_name(self._way.in_thread(files))

    def changed(self, paths: Iterable[str]) -> None:
        """Take up files or folders that have come, gone or changed on disk; `paths` are relative to
        the root. They are looked at once nothing more has come for a moment."""
        self._changed.update(path for path in paths if not path.startswith(".git/"))
        if self._changed and (self._waiting is None or self._waiting.done()):
            self._waiting = asyncio.get_running_loop().create_task(self._follow())

    def edited(self, path: str, text: str, line: int | None = None) -> None:
        """Index an open document whose text differs from its file. That counts, until it is closed;
        but only of files that are in the index. `line`, from 0, is the cursor's, if known."""
        if line is not None:
            before = self._edits.text(path)
            before = self.index.text(path) if before is None else before
            # Of a notebook an editor has single cells.
            if not is_notebook(path):
                self.index.lines_moved(path, line, text.count("\n") - before.count("\n"))
            self.index.edited(path, line)
        self._edits.edited(path, text)

    def closed(self, path: str) -> None:
        """Index what the file says again."""
        if self._edits.closed(path):
            self._known[path] = b""
            self.changed([path])

    async def settled(self) -> None:
        """Wait until all that was said to have changed is in the index."""
        while self._waiting and not self._waiting.done():
            await asyncio.wait([self._waiting])
        await self._edits.settled()

    def close(self) -> None:
        self._edits.close()
        if self._waiting:
            self._waiting.cancel()

    async def _follow(self) -> None:
        while self._changed:
            seen, until = 0, time.monotonic() + _MAX_WAIT_SECONDS
            while seen != len(self._changed) and time.monotonic() < until:
                seen = len(self._changed)
                await asyncio.sleep(_QUIET_SECONDS)
            paths, self._changed = self._changed, set()
            if relevant := self._relevant(paths):
                await self._refresh(relevant)

    def _relevant(self, paths: set[str]) -> list[str]:
        """Return the paths that can change the index: programs write logs and objects all the
        time."""
        folders = {folder for path in self.index.paths for folder in _folders_above(path)}
        return sorted(
            path
            for path in paths
            if self._may_be_code(path)
            or _is_rule(path)
            or path in folders
            or _is_folder(self._root / path)
        )

    @property
    def _languages(self) -> LanguageMap:
        return LanguageMap((), {}, self._declared, self._usual or {})

    def _may_be_code(self, path: str) -> bool:
        """Return whether a look at a file is worth while: programs write others all the time."""
        # What has no ending may be a script.
        return self._languages.may_be_code(path) and (
            bool(naming.ending(path)) or path in self.index or _is_file(self._root / path)
        )

    async def _refresh(self, paths: list[str]) -> None:
        everything = len(paths) > _MAX_LOOKED_AT_ALONE or any(map(_is_rule, paths))
        feed, only = (self._feed, ()) if everything else (from_thread, tuple(paths))
        async with self._turn, aclosing(self._look(feed, only)) as batches:
            async for _ in batches:
                pass

    async def _look(self, feed: Feed, only: tuple[str, ...]) -> AsyncGenerator[Batch, None]:
        """Take in what a feed finds. Never raises: an index that is not up to date is not a
        fault."""
        store = layout.repository_folder(self._root) / "index.sqlite"
        usual = self._usual if only else None
        request = Request(self._root, store, only, self._known, self._declared, usual)
        try:
            async with aclosing(feed(request)) as batches:
                async for batch in batches:
                    await self._take(batch)
                    if batch.last and not only:
                        self._usual = batch.usual
                    if not only:
                        # The index lives as long as the server. To look for garbage among its
                        # 600,000 objects (in a million lines) stops everything for 0.4 s.
                        gc.freeze()
                    yield batch
        except CrashedError:
            log.warning("indexing broke down after %d files", len(self.index))
        except Exception as error:
            log.warning("indexing failed: %s", type(error).__name__)

    async def _take(self, batch: Batch) -> None:
        await self._way.in_loop(batch.files, self._put)
        await self._way.in_loop(batch.gone, self._drop)
        self.parsed += batch.parsed

    def _drop(self, path: str) -> None:
        self._known.pop(path, None)
        self.index.remove(path)

    def _put(self, file: File) -> None:
        self._known[file.path] = file.key
        new = file.path not in self.index
        if new or not self._edits.holds(file.path):
            self.index.update(file.path, file.text, decode(file.facts), file.language)
        if new:
            self._edits.retry(file.path)


def _is_rule(path: str) -> bool:
    """Return whether a file decides which files are left out."""
    return path.rpartition("/")[2] in _RULES


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        # A name too long for the disk, or a folder that is closed to us.
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _folders_above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
