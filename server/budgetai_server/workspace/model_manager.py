"""What is served in a workspace: the model found for it, opened once, and which adapter speaks."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from budgetai_core.artifacts import base_models, layout
from budgetai_core.context.prompt import Snapshot
from budgetai_core.errors import BudgetAIError, ModelError
from budgetai_server.inference.engine import Cancelled, Engine
from budgetai_server.inference.worker import Worker
from budgetai_server.loader import Opened, open_endpoint, open_model
from budgetai_server.options import ServerOptions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """What the server can do now. `name` is starting, ready, no-model or error."""

    name: str
    message: str


class ModelManager:
    """At most one model, on the worker's thread."""

    def __init__(
        self, options: ServerOptions, roots: tuple[Path, ...], worker: Worker, *, trusted: bool
    ) -> None:
        """Load nothing yet. `roots` are the workspace's folders, the main one first. `trusted` says
        that `options.model` comes from the user's own command line."""
        self._options = options
        self._roots = roots
        self._root = roots[0].resolve() if roots else None
        self._trusted = trusted or options.trust_workspace_model
        self._worker = worker
        self._starting = False
        # The model that was found for the workspace, where none was named.
        self._found: Path | None = None
        self.opened: Opened | None = None
        self.state = self._ready = State("starting", "BudgetAI is starting")

    async def start(self) -> Opened | None:
        """Load the model, if there is one; None where there is none, or another call is at it.
        Never raises: the state says what went wrong."""
        if self._starting:
            return None
        self._starting = True
        try:
            self.opened = await self._worker.submit(lambda _: self._open()).future
            self._ready_again()
        except Cancelled:
            # The client has gone in the meantime: nothing is wrong, and nobody is told.
            return None
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
        return self.opened

    def look(self) -> None:
        """See whether the engine still answers: a server may go down and come back, a model in
        memory does neither."""
        engine = self.opened.engine if self.opened else None
        if engine and engine.state == "ready":
            self.state = self._ready
        elif engine:
            message = f"BudgetAI gives no completions: {engine.name} is {engine.state}"
            self.state = State("error", message)

    def look_for_adapters(self) -> None:
        """Take up what has changed in the bundle as soon as nobody waits for anything."""
        adapters = self.opened.adapters if self.opened else None
        if adapters and adapters.stale():
            job = self._worker.submit(lambda _: adapters.update(), urgent=False)
            job.future.add_done_callback(self._updated)

    def _updated(self, update: "asyncio.Future[tuple[str, ...]]") -> None:
        """Make up at the next look for an update that had to make way for a request."""
        if update.exception():
            return
        for refusal in update.result():
            log.warning("%s", refusal)
        self._ready_again()

    def _ready_again(self) -> None:
        self._ready = State("ready", f"BudgetAI serves {self.opened}")
        self.look()

    def for_completion(self, snapshot: Snapshot) -> Engine:
        """Return the engine that completes at a place."""
        language = snapshot.language
        return self._engine("completion", language.name if language else "", snapshot.repository)

    def for_docstring(self, language: str) -> Engine:
        """Return the engine that writes docstrings in a language."""
        return self._engine("docstring", language, self._root.name if self._root else "")

    def _engine(self, task: str, language: str, repository: str) -> Engine:
        assert self.opened is not None
        return self.opened.engine_for(task, language, repository)

    def _open(self) -> Opened:
        if self._options.endpoint:
            return open_endpoint(self._options)
        return open_model(self._find_model(), self._options)

    def _find_model(self) -> Path:
        path = self._options.model
        if path is None:
            newest = layout.newest_model(self._root) if self._root else None
            if self._root is None or newest is None:
                raise NoModelError(
                    "BudgetAI has no model for this workspace",
                    "Run budgetai-train and budgetai-convert in it, or set the option model",
                )
            # Models made by earlier versions become known to other clones.
            layout.remember(self._root)
            self._found = newest
            return newest
        if base := base_models.named_file(path):
            return base
        if not self._trusted and self._inside(path):
            raise ModelError(
                f"the model {path} lies inside the workspace and is not trusted",
                "Start the server with --trust-workspace-model, or move the file",
            )
        return path

    def newer_model(self) -> Path | None:
        """Return the model that would be found for the workspace now, where that is another one
        than is served."""
        if self._options.model or self._options.endpoint or self._root is None:
            return None
        newest = layout.newest_model(self._root)
        return newest if newest != self._found else None

    def _inside(self, path: Path) -> bool:
        """Return whether a path is in the workspace, by its name or by what a link leads to."""
        roots = {form for root in self._roots for form in (root.absolute(), root.resolve())}
        places = (path.absolute(), path.resolve())
        return any(place.is_relative_to(root) for place in places for root in roots)


class NoModelError(ModelError):
    """There is no model yet: a state, not a fault."""
