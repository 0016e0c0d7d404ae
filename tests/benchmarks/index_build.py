"""How long the index takes, how much memory, and what the event loop feels of it.

    python tests/benchmarks/index_build.py [--files 10000] [--lines 1000000] [--keep FOLDER]

It makes a repository of real files, each under another name and with its definitions renamed, and
indexes it cold and then warm, each in a process of its own: once as the server does it, once with
a thread in place of the process, to see what that is worth. Then, in a warm index, one file and
2,000 files change. The event loop's delay is what a timer of 5 ms is late.
"""

import asyncio
import multiprocessing
import os
import random
import re
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory import memory

from budgetai_core.command import parse, print_json, run
from budgetai_core.context.languages import language_of
from budgetai_core.evaluation.metrics import percentile
from budgetai_core.options import option
from budgetai_core.repository import MAX_FILE_BYTES
from budgetai_core.repository.files import Examiner
from budgetai_server.workspace.indexing.indexer import Indexer, Progress
from budgetai_server.workspace.indexing.worker_process import from_process, from_thread

_TICK = 0.005
_NAME = re.compile(
    r"^([ \t]*(?:async def|def|class|function|struct|interface) )(\w+)", re.MULTILINE
)
_CHANGED = 2_000


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """How large a repository, and of what."""

    files: int = option(10_000, "files of the repository")
    lines: int = option(1_000_000, "lines of the repository")
    source: Path = option(Path(sys.prefix), "where its files are taken from", unit="folder")
    keep: Path | None = option(None, "make the repository there, and leave it", unit="folder")


def main() -> int:
    return run("index_build", _main)


def _main() -> int:
    options = parse("index_build", "Build the index of a large repository.", BenchOptions)
    with tempfile.TemporaryDirectory() as folder:
        root = (options.keep or Path(folder) / "repo").resolve()
        if not root.exists():
            _make(root, options)
        found = {}
        for feed in ("process", "thread"):
            os.environ["BUDGETAI_HOME"] = str(Path(folder) / feed)
            for start in ("cold", "warm"):
                found[f"{start}, {feed}"] = _apart(_build, root, feed)
        os.environ["BUDGETAI_HOME"] = str(Path(folder) / "process")
        found["changes"] = _apart(_changes, root, "process")
        print_json(found)
    return 0


def _make(root: Path, options: BenchOptions) -> None:
    """Files drawn at random until there are enough of them, of about the length wanted."""
    rng = random.Random(0)
    rules = Examiner(options.source, [])
    found = [file for file in options.source.rglob("*") if language_of(file.name)]
    files = sorted(file for file in found if 0 < file.stat().st_size < MAX_FILE_BYTES)
    lines = number = 0
    while number < options.files:
        for file in rng.sample(files, len(files)):
            text = file.read_text(encoding="utf-8", errors="replace")
            length = text.count("\n") + 1
            if rules.by_text(file.name, text):
                continue
            if (
                number >= options.files
                or lines + length > options.lines * (number + 50) / options.files
            ):
                continue
            target = root / f"part{number % 97}" / f"{file.stem}_{number}{file.suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_NAME.sub(rf"\1\2_{number % 499}", text), encoding="utf-8")
            lines, number = lines + length, number + 1


def _apart(work: Callable[[Path, str], Any], root: Path, feed: str) -> Any:
    """In a fresh process: peaks of memory are those of a whole life."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(work, root, feed).result()


def _upkeep(root: Path, feed: str) -> Indexer:
    return Indexer(root, {"process": from_process, "thread": from_thread}[feed])


def _build(root: Path, feed: str) -> dict[str, Any]:
    return asyncio.run(_built(_upkeep(root, feed)))


async def _built(upkeep: Indexer) -> dict[str, Any]:
    seen: list[Progress] = []
    async with _late() as late:
        await upkeep.build(seen.append)
    here = memory(os.getpid())
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "files": len(upkeep.index),
        "lines": seen[-1].lines,
        "parsed": upkeep.parsed,
        "seconds": round(seen[-1].seconds, 2),
        "lines_per_second": round(seen[-1].rate),
        "peak_mib": here.peak if here else None,
        "peak_mib_of_the_other_process": round(used.ru_maxrss / 1024, 1),
        "cpu_seconds": round(time.process_time(), 2),
        "cpu_seconds_of_the_other_process": round(used.ru_utime + used.ru_stime, 2),
        "event_loop_late_ms": _summary(late),
    }


def _changes(root: Path, feed: str) -> dict[str, Any]:
    return asyncio.run(_changed(_upkeep(root, feed)))


async def _changed(upkeep: Indexer) -> dict[str, Any]:
    """Seconds until the index knows, without the moment it waits for more."""
    await upkeep.build()
    paths = sorted(upkeep.index.paths)
    found = {}
    for count in (1, _CHANGED):
        for path in paths[:count]:
            with (upkeep._root / path).open("a", encoding="utf-8") as file:
                file.write("\n# changed\n")
        async with _late() as late:
            began = time.perf_counter()
            await upkeep._refresh(paths[:count])
            seconds = round(time.perf_counter() - began, 2)
        found[f"{count} files"] = {"seconds": seconds, "event_loop_late_ms": _summary(late)}
    return found


@asynccontextmanager
async def _late() -> AsyncIterator[list[float]]:
    """Gives a list of how late a timer was, in seconds."""
    late: list[float] = []

    async def tick() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_TICK)
            late.append(time.perf_counter() - began - _TICK)

    task = asyncio.create_task(tick())
    yield late
    task.cancel()


def _summary(late: list[float]) -> dict[str, float]:
    return {
        "p50": round(1000 * percentile(late, 0.5), 1),
        "p99": round(1000 * percentile(late, 0.99), 1),
        "max": round(1000 * max(late), 1),
    }


if __name__ == "__main__":
    sys.exit(main())
