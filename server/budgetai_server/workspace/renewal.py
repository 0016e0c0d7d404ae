"""A newer model takes the place of the served one while requests are answered: a session beside the
old one, which gets the requests once it has read the repository.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from budgetai_core.errors import BudgetAIError
from budgetai_server.workspace.session import Session

log = logging.getLogger(__name__)

# Seconds between two looks for a newer model.
LOOK_AGAIN_SECONDS = 5.0
# Seconds that requests to an older model have to end.
_MAX_RETIRING_SECONDS = 10.0


class Renewal:
    """Looks for a newer model now and then. `serve` is given the session that serves it, before the
    older one is retired; one that cannot be loaded is not tried again."""

    def __init__(self, make: Callable[[], Session], serve: Callable[[Session], None]) -> None:
        self._make, self._serve = make, serve
        self._looked = time.monotonic()
        self._running: asyncio.Task[None] | None = None
        self._refused: Path | None = None
        # The session that is to take the place of the one that serves.
        self.newer: Session | None = None

    def look(self, session: Session) -> None:
        """Look in the background, if the last time is long enough ago."""
        waited = time.monotonic() - self._looked > LOOK_AGAIN_SECONDS
        if waited and (self._running is None or self._running.done()):
            self._looked = time.monotonic()
            self._running = asyncio.get_running_loop().create_task(self._renew(session))

    async def _renew(self, session: Session) -> None:
        model = await asyncio.to_thread(session.newer_model)
        if model is None or model == self._refused:
            return
        self.newer = newer = self._make()
        try:
            await started(newer)
            if newer.state.name == "ready":
                self._serve(newer)
                newer = session
            else:
                self._refused = model
                log.warning("the newer model is not served: %s", newer.state.message)
        finally:
            self.newer = None
            await retired(newer)

    @property
    def tasks(self) -> set["asyncio.Task[None]"]:
        """Return what runs, to be cancelled at the end."""
        return {self._running} if self._running else set()


async def started(session: Session) -> None:
    """Load a model, and then read the repository while completions are answered already."""
    await session.start()
    if session.can_index:
        try:
            await session.build_index(lambda progress: None)
        except BudgetAIError as error:
            log.warning("no other files are shown: %s", error)


async def retired(session: Session) -> None:
    """Close a session that gets no more requests, once those that it has are answered."""
    try:
        async with asyncio.timeout(_MAX_RETIRING_SECONDS):
            while session.answering:
                await asyncio.sleep(0.05)
    except TimeoutError:
        pass
    finally:
        session.close()
        session.free()
