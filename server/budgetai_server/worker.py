"""One thread owns the model. The newest request of a document wins; older ones are stopped.

llama.cpp evaluates one thing at a time, and a handler that waits in the event loop would block
the protocol. So jobs go to one thread, and each carries a flag that stops it while it runs.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Job(Generic[T]):
    """Work for the model's thread. `stopped` is read by the work while it runs."""

    def __init__(self, work: Callable[[Callable[[], bool]], T], loop: asyncio.AbstractEventLoop):
        self._work = work
        self._loop = loop
        self._stop = threading.Event()
        self.future: asyncio.Future[T] = loop.create_future()

    def stop(self) -> None:
        self._stop.set()

    def stopped(self) -> bool:
        return self._stop.is_set()

    def run(self) -> None:
        """Do the work and hand its result, or its error, to the event loop."""
        try:
            result = self._work(self.stopped)
        except BaseException as error:
            self._deliver(self.future.set_exception, error)
        else:
            self._deliver(self.future.set_result, result)

    def _deliver(self, setter: Callable[[Any], None], value: Any) -> None:
        def settle() -> None:
            if not self.future.done():
                setter(value)

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(settle)


class Worker:
    """A thread and its queue."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._current: dict[str, Job[Any]] = {}
        self._thread = threading.Thread(target=self._serve, name="model", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[Callable[[], bool]], T], key: str = "") -> T:
        """Run `work(stopped)` on the model's thread. With a `key`, it stops the job that the key
        had before; cancelling the caller stops it too."""
        job = Job(work, asyncio.get_running_loop())
        if key:
            self.stop(key)
            self._current[key] = job
        self._jobs.put(job)
        try:
            return await job.future
        finally:
            job.stop()
            if self._current.get(key) is job:
                del self._current[key]

    def stop(self, key: str) -> None:
        """Stop what runs or waits under a key."""
        if job := self._current.get(key):
            job.stop()

    def close(self) -> None:
        for job in list(self._current.values()):
            job.stop()
        self._jobs.put(None)
        self._thread.join(timeout=2)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
