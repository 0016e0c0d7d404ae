"""The model's thread: urgent work first, background work makes way, nothing is left waiting."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from budgetai_server.inference.engine import Cancelled
from budgetai_server.inference.worker import Job, Worker


@pytest_asyncio.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


def until_stopped(job: Job[None]) -> None:
    while not job.stopped():
        time.sleep(0.001)
    raise Cancelled


@pytest.mark.asyncio
async def test_results_and_errors_come_back(worker: Worker) -> None:
    assert await worker.submit(lambda _: 7).future == 7
    with pytest.raises(ZeroDivisionError):
        await worker.submit(lambda _: 1 // 0).future


@pytest.mark.asyncio
async def test_background_work_makes_way_for_urgent_work(worker: Worker) -> None:
    begun = threading.Event()

    def ahead(job: Job[None]) -> None:
        begun.set()
        until_stopped(job)

    background = worker.submit(ahead, urgent=False)
    assert await asyncio.to_thread(begun.wait, 5)
    assert await worker.submit(lambda _: "urgent").future == "urgent"
    with pytest.raises(Cancelled):
        await background.future
    assert not background.halted


@pytest.mark.asyncio
async def test_of_waiting_work_the_newest_urgent_one_goes_first(worker: Worker) -> None:
    gate = threading.Event()
    order: list[str] = []
    worker.submit(lambda _: gate.wait(5))
    jobs = [
        worker.submit(lambda _, name=name: order.append(name), urgent=urgent)  # type: ignore[misc]
        for name, urgent in (("older", True), ("ahead", False), ("newer", True))
    ]
    gate.set()
    await asyncio.gather(*(job.future for job in jobs))
    assert order == ["newer", "older", "ahead"]


@pytest.mark.asyncio
async def test_work_stopped_before_it_begins_is_not_begun(worker: Worker) -> None:
    gate = threading.Event()
    worker.submit(lambda _: gate.wait(5))
    job = worker.submit(lambda _: pytest.fail("begun"))
    job.stop()
    gate.set()
    with pytest.raises(Cancelled):
        await job.future
    assert job.halted


@pytest.mark.asyncio
async def test_after_closing_nothing_waits_for_ever() -> None:
    worker = Worker()
    running = worker.submit(until_stopped)
    await asyncio.sleep(0.05)
    worker.close()
    late = worker.submit(lambda _: 7)
    for job in (running, late):
        with pytest.raises(Cancelled):
            await asyncio.wait_for(job.future, 5)


@pytest.mark.asyncio
async def test_idle_work_makes_way_for_all_other_work_and_begins_last(worker: Worker) -> None:
    begun = threading.Event()

    def idle(job: Job[None]) -> None:
        begun.set()
        until_stopped(job)

    running = worker.submit(idle, idle=True)
    assert await asyncio.to_thread(begun.wait, 5)
    order: list[str] = []
    gate = threading.Event()
    worker.submit(lambda _: gate.wait(5), urgent=False)
    jobs = [
        worker.submit(lambda _: order.append("ahead"), urgent=False),
        worker.submit(lambda _: order.append("idle"), idle=True),
        worker.submit(lambda _: order.append("urgent")),
    ]
    gate.set()
    await asyncio.gather(*(job.future for job in jobs))
    assert order == ["urgent", "ahead", "idle"]
    with pytest.raises(Cancelled):
        await running.future
    assert not running.halted, "it only made way"
