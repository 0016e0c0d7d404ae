"""What the server knows of one editor: its workspace, the model found for it, the index.

It turns documents and positions into snapshots and completions. It does not know the protocol's
wire: `lsp` does.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pygls.workspace import TextDocument

from budgetai_server import repository
from budgetai_server.artefacts import home
from budgetai_server.completion import Completion, complete
from budgetai_server.context.index import Index
from budgetai_server.context.prompt import Snapshot
from budgetai_server.engine import Cancelled, Engine
from budgetai_server.errors import BudgetAIError, ModelError
from budgetai_server.options import ServerOptions
from budgetai_server.worker import Worker

log = logging.getLogger(__name__)


KINDS = ("inline", "popup")
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
        self._engine: Engine | None = None
        self._index: Index | None = None
        self._last: tuple[Snapshot, Completion] | None = None
        self._starting = False
        self.state = State("starting", "BudgetAI is starting")

    async def start(self) -> State:
        """Load the model, if there is one. Never raises: the state says what went wrong."""
        if self._starting:
            return self.state
        self._starting = True
        try:
            path = self._find_model()
            self._engine = await self._worker.run(lambda _: self._load(path))
            self.state = State("ready", f"BudgetAI serves {path.name}")
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

    def _load(self, path: Path) -> Engine:
        options = self._options
        return Engine(
            path,
            context_tokens=options.context_tokens,
            threads=options.threads,
            gpu_layers=options.gpu_layers,
        )

    async def build_index(self) -> None:
        """Read the workspace's definitions in a thread of its own; until then none are shown."""
        if self._root:
            self._index = await asyncio.to_thread(_read_index, self._root)
            log.info("indexed %d files", len(self._index))

    async def complete(self, document: TextDocument, offset: int, kind: str) -> Completion | None:
        """Complete at a character offset of a document; None when there is nothing to say.

        `kind` names the request: a newer one of the same kind stops an older one. Editors ask for
        inline and popup completions at the same time; the second takes the first one's answer.
        """
        text = document.source
        if self._engine is None or len(text) > self._options.max_file:
            return None
        work = self._work(self._engine, self._snapshot(document, text, offset))
        try:
            done = await self._worker.run(work, _key(document.uri, kind))
        except Cancelled:
            return None
        _log_usage(done)
        return done

    def _work(
        self, engine: Engine, snapshot: Snapshot
    ) -> Callable[[Callable[[], bool]], Completion]:
        def work(stopped: Callable[[], bool]) -> Completion:
            if stopped():
                raise Cancelled
            if self._last is None or self._last[0] != snapshot:
                done = complete(
                    engine,
                    snapshot,
                    self._index,
                    answer_tokens=self._options.answer_tokens,
                    multiline=self._options.multiline,
                    cancelled=stopped,
                )
                self._last = (snapshot, done)
            return self._last[1]

        return work

    def changed(self, uri: str) -> None:
        """The document's text is another one: what is being completed for it is out of date."""
        for kind in KINDS:
            self._worker.stop(_key(uri, kind))

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


def _key(uri: str, kind: str) -> str:
    return f"{kind} {uri}"


def _log_usage(done: Completion) -> None:
    usage = done.usage
    log.debug(
        "%d prompt tokens, %d evaluated in %.0f ms, %d answered in %.0f ms",
        usage.prompt_tokens,
        usage.evaluated_tokens,
        usage.prompt_seconds * 1000,
        usage.answer_tokens,
        usage.answer_seconds * 1000,
    )


def _read_index(root: Path) -> Index:
    files, _ = repository.sources(root)
    return Index((file.path, file.text) for file in files)
