"""What the server knows of one editor: its workspace, the model found for it, the index.

It turns documents and positions into snapshots and completions. It does not know the protocol's
wire: `lsp` does.
"""

import asyncio
import logging
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pygls.workspace import TextDocument

from budgetai_server import repository
from budgetai_server.artefacts import home
from budgetai_server.completer import Completer
from budgetai_server.completion import Completion
from budgetai_server.context.index import Index
from budgetai_server.context.prompt import Snapshot
from budgetai_server.errors import BudgetAIError, ModelError
from budgetai_server.inference.engine import Engine
from budgetai_server.opening import Opened, open_endpoint, open_file
from budgetai_server.options import ServerOptions
from budgetai_server.worker import Worker

log = logging.getLogger(__name__)

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")


@dataclass(frozen=True)
class State:
    """What the server can do now. `name` is starting, ready, no-model or error."""

    name: str
    message: str


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
        self._roots = roots
        self._root = roots[0].resolve() if roots else None
        self._trusted = trusted or options.trust_workspace_model
        self._worker = Worker()
        self._completer: Completer | None = None
        self._index: Index | None = None
        self._cursors: dict[str, int] = {}
        self._starting = False
        self.state = self._ready = State("starting", "BudgetAI is starting")

    async def start(self) -> State:
        """Load the model, if there is one. Never raises: the state says what went wrong."""
        if self._starting:
            return self.state
        self._starting = True
        try:
            opened = await self._worker.submit(lambda _: self._open()).future
            self._completer = Completer(opened.engine, self._worker, opened.rules)
            self._ready = State("ready", f"BudgetAI serves {opened.engine.name}: {opened.words}")
            self.state = self._state_of(opened.engine)
        except NoModelError as error:
            self.state = State("no-model", str(error))
        except BudgetAIError as error:
            self.state = State("error", f"BudgetAI gives no completions: {error}")
        except Exception as error:
            log.exception("loading failed")
            self.state = State("error", f"BudgetAI cannot start: {type(error).__name__}")
        finally:
            self._starting = False
        log.info("%s", self.state.message)
        return self.state

    def _open(self) -> Opened:
        if self._options.endpoint:
            return open_endpoint(self._options)
        return open_file(self._find_model(), self._options)

    def _state_of(self, engine: Engine) -> State:
        """A server may go down and come back; a model in memory does neither."""
        if engine.state == "ready":
            return self._ready
        return State("error", f"BudgetAI gives no completions: {engine.name} is {engine.state}")

    def _find_model(self) -> Path:
        path = self._options.model
        if path is None:
            found = home.newest_model(self._root) if self._root else None
            if found is None:
                raise NoModelError(
                    "BudgetAI has no model for this workspace",
                    "Run budgetai-train and budgetai-convert in it, or set the option model",
                )
            return found
        if not self._trusted and self._inside(path):
            raise ModelError(
                f"the model {path} lies inside the workspace and is not trusted",
                "Start the server with --trust-workspace-model, or move the file",
            )
        return path

    def _inside(self, path: Path) -> bool:
        """In the workspace by its name, or by what a link leads to."""
        roots = {form for root in self._roots for form in (root.absolute(), root.resolve())}
        places = (path.absolute(), path.resolve())
        return any(place.is_relative_to(root) for place in places for root in roots)

    async def build_index(self) -> None:
        """Read the workspace's definitions in a thread of its own; until then none are shown.
        What the code says often becomes a source of drafts."""
        if self._root and self._completer:
            index, texts = await asyncio.to_thread(_read_index, self._root)
            self._index = self._completer.index = index
            await asyncio.to_thread(self._completer.engine.learn, texts)
            log.info("indexed %d files", len(index))

    async def complete(self, document: TextDocument, offset: int) -> Completion | None:
        """Complete at a character offset of a document; None when there is nothing to say. Raises
        ModelError if the model fails."""
        if self._completer is None or len(document.source) > self._options.max_file:
            return None
        self._cursors[document.uri] = offset
        snapshot = self._snapshot(document, document.source, offset)
        try:
            return await self._completer.complete(document.uri, snapshot)
        finally:
            self.state = self._state_of(self._completer.engine)

    def changed(self, document: TextDocument, offset: int | None) -> None:
        """The document's text is another one, with the cursor at `offset` if that is known. What
        is being said for it stops, unless the new text agrees; its place is evaluated ahead."""
        if self._completer is None:
            return
        snapshot = None
        if offset is not None:
            self._cursors[document.uri] = offset
            if len(document.source) <= self._options.max_file:
                snapshot = self._snapshot(document, document.source, offset)
        self._completer.changed(document.uri, snapshot)

    def looked_at(self, document: TextDocument, offset: int | None = None) -> None:
        """The document was opened, or its cursor moved: its context is evaluated ahead."""
        place = self._cursors.get(document.uri, 0) if offset is None else offset
        place = min(place, len(document.source))
        if self._completer and len(document.source) <= self._options.max_file:
            self._cursors[document.uri] = place
            snapshot = self._snapshot(document, document.source, place)
            self._completer.warm(document.uri, snapshot)

    def closed(self, uri: str) -> None:
        if self._completer:
            self._completer.forget(uri)

    def status(self) -> dict[str, Any]:
        """What the server does, for people and editors. It holds no code."""
        completer = self._completer
        return {
            "state": self.state.name,
            "message": self.state.message,
            "model": completer.engine.name if completer else None,
            "busy": completer.busy if completer else False,
            "usage": asdict(completer.totals) if completer else None,
        }

    async def saved(self, document: TextDocument) -> None:
        """Take a saved file's definitions into the index. Only files that are in it already: the
        next start decides about new ones, which may be ignored by git, or secret."""
        path, index, root = self._relative(document), self._index, self._root
        if index is None or root is None or path is None or path not in index:
            return
        text, reason = await asyncio.to_thread(repository.read_source, root, path)
        index.remove(path) if reason else index.update(path, text)

    def _snapshot(self, document: TextDocument, text: str, offset: int) -> Snapshot:
        before = text[:offset].replace("\r\n", "\n")
        plain = before + text[offset:].replace("\r\n", "\n")
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
        self._worker.close()


class NoModelError(ModelError):
    """There is no model yet: a state, not a fault."""


def _read_index(root: Path) -> tuple[Index, list[str]]:
    files, _ = repository.sources(root)
    return Index((file.path, file.text) for file in files), [file.text for file in files]
