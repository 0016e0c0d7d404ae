"""One thread owns the model. What someone waits for goes first; the newest of it before older.

A model evaluates one thing at a time, and a handler that waits in the event loop would block the
protocol. So jobs go to one thread, and each can be stopped while it runs.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from budgetai_server.inference.engine import Cancelled

T = TypeVar("T")


class Job(Generic[T]):
    """Work for the model's thread, which asks `stopped` while it runs. If it is stopped before it
    begins it ends with Cancelled.

    An urgent job has someone waiting for it; another one is stopped as soon as an urgent one
    comes, an `idle` one for any other. Urgency may change while it waits or runs.
    """

    def __init__(
        self, worker: "Worker", work: Callable[["Job[T]"], T], *, urgent: bool, idle: bool
    ) -> None:
        self.urgent = urgent
        self.idle = idle
        self._worker = worker
        self._work = work
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._loop.create_future()

    def stop(self) -> None:
        self._stop.set()

    @property
    def halted(self) -> bool:
        """Whether it was stopped itself, and did not only make way."""
        return self._stop.is_set()

    def stopped(self) -> bool:
        if self._stop.is_set():
            return True
        return not self.urgent and self._worker.waits(idle=self.idle)

    @property
    def done(self) -> bool:
        return self.future.done()

    def run(self) -> None:
        """Do the work and hand its result, or its error, to the event loop."""
        try:
            if self.stopped():
                raise Cancelled
            result = self._work(self)
        except BaseException as error:
            self._deliver(self.future.set_exception, error)
        else:
            self._deliver(self.future.set_result, result)

    def tell(self, note: Callable[[], None]) -> None:
        """Call `note` in the event loop, from the model's thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(note)

    def _deliver(self, setter: Callable[[Any], None], value: Any) -> None:
        def settle() -> None:
            if not self.future.done():
                setter(value)
                # An error nobody waits for any more is not news.
                self.future.exception()

        self.tell(settle)


class Worker:
    """A thread and what it has to do."""

    def __init__(self) -> None:
        self._jobs: list[Job[Any]] = []
        self._changed = threading.Condition()
        self._running: Job[Any] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="model", daemon=True)
        self._thread.start()

    def submit(
        self, work: Callable[[Job[T]], T], *, urgent: bool = True, idle: bool = False
    ) -> Job[T]:
        """Give work to the model's thread; the job's future has its result. Work that is `idle`
        begins when there is no other."""
        job = Job(self, work, urgent=urgent and not idle, idle=idle)
        with self._changed:
            if self._closed:
                job.stop()
                job.run()
            else:
                self._jobs.append(job)
                self._changed.notify()
        return job

    def waits(self, *, idle: bool) -> bool:
        """Return whether a job has not begun that someone waits for; with `idle`, any that is not
        idle. Asked often, so it takes no lock."""
        return any(job.urgent or (idle and not job.idle) for job in tuple(self._jobs))

    @property
    def busy(self) -> bool:
        return self._running is not None or bool(self._jobs)

    @property
    def running(self) -> bool:
        """Whether its thread has not ended."""
        return self._thread.is_alive()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            for job in (*self._jobs, *filter(None, [self._running])):
                job.stop()
            self._changed.notify()
        self._thread.join(timeout=2)

    def _serve(self) -> None:
        while job := self._next():
            job.run()
            self._running = None

    def _next(self) -> Job[Any] | None:
        with self._changed:
            while not self._jobs and not self._closed:
                self._changed.wait()
            if not self._jobs:
                return None
            urgent = [job for job in self._jobs if job.urgent]
            others = [job for job in self._jobs if not job.idle]
            job = (urgent or others or self._jobs)[-1]
            self._jobs.remove(job)
            self._running = job
            return job
