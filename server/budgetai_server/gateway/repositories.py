"""Which repository a request belongs to, and what is open of each: a session with its model."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from budgetai_core.context.index import Index
from budgetai_server.gateway.disk_watch import DiskWatch
from budgetai_server.gateway.fim_request import FimRequest
from budgetai_server.gateway.open_files import OpenFiles
from budgetai_server.workspace.renewal import Renewal, started
from budgetai_server.workspace.roots import as_path, repository_of
from budgetai_server.workspace.session import Session

# Each holds a model and an index in memory.
_MAX_OPEN = 3
# Seconds for which a request waits for a model that is being loaded.
_MAX_WAIT_SECONDS = 30.0

MakeSession = Callable[[Path | None], Session]


@dataclass
class OpenRepository:
    """One repository, or what lies in none, and the documents of it that were asked about."""

    root: Path | None
    make: MakeSession
    session: Session = field(init=False)
    files: OpenFiles = field(init=False)
    watch: DiskWatch | None = field(init=False)
    starting: "asyncio.Task[None]" = field(init=False)
    renewal: Renewal = field(init=False)

    def __post_init__(self) -> None:
        self.session = self.make(self.root)
        self.files = OpenFiles(self.root, lambda uri: self.session.closed(uri))
        self.watch = DiskWatch(self.root) if self.root else None
        self._start()

    @property
    def loading(self) -> bool:
        return self.session.state.name == "starting"

    @property
    def index(self) -> Index | None:
        """The index, once it is whole: who looks into it before does so again with each file."""
        return self.session.index if self.starting.done() else None

    def _start(self) -> None:
        self.renewal = Renewal(lambda: self.make(self.root), self._serve)
        self.starting = asyncio.get_running_loop().create_task(started(self.session))

    def _serve(self, session: Session) -> None:
        self.session = session

    async def ready(self) -> None:
        """Wait for the model, and take up what has changed on disk since."""
        until = time.monotonic() + _MAX_WAIT_SECONDS
        while self.loading and not self.starting.done() and time.monotonic() < until:
            await asyncio.wait({self.starting}, timeout=0.05)
        if self.starting.done():
            self.renewal.look(self.session)
        if self.watch and self.index:
            changed = await self.watch.changed(self.index.paths)
            for session in filter(None, (self.session, self.renewal.newer)):
                session.files_changed(changed)

    async def close(self) -> None:
        """Stop what runs, and give the memory back."""
        running = {self.starting} | self.renewal.tasks
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        self.session.close()
        self.session.free()


class Repositories:
    """The repositories that requests have come from, the latest last."""

    def __init__(self, default: Path | None, make: MakeSession, *, others: bool) -> None:
        """Open none yet. `default` is that of requests that name no file; `others` says whether
        requests may name files of other repositories."""
        self._default = default
        self._make = make
        self._others = others
        self._open: OrderedDict[Path | None, OpenRepository] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def open_default(self) -> OpenRepository:
        """Open the repository that requests without a name belong to, before any of them."""
        return self._opened(self._default)

    async def of(self, request: FimRequest) -> OpenRepository:
        """Return the repository of a request, once its model is loaded or cannot be."""
        repository = self._opened(self.root_of(request))
        await repository.ready()
        return repository

    def root_of(self, request: FimRequest) -> Path | None:
        """Return the root of the repository of a request; None where it belongs to none, or to one
        that may not be named."""
        for name in (request.repository, request.path):
            path = as_path(name)
            if path.is_absolute():
                return self._allowed(repository_of(path))
        for name in reversed(request.neighbors):
            if root := self._allowed(repository_of(Path(name))):
                return root
        return self._default

    def _allowed(self, root: Path | None) -> Path | None:
        return root if self._others or root == self._default else None

    def _opened(self, root: Path | None) -> OpenRepository:
        if root not in self._open:
            self._open[root] = OpenRepository(root, self._make)
        self._open.move_to_end(root)
        while len(self._open) > _MAX_OPEN:
            _, oldest = self._open.popitem(last=False)
            closing = asyncio.get_running_loop().create_task(oldest.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        return self._open[root]

    async def close(self) -> None:
        closing = [repository.close() for repository in self._open.values()]
        self._open.clear()
        await asyncio.gather(*self._closing, *closing)
