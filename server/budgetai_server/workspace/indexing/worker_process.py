"""Batches of a scan, without the event loop waiting for them.

Parsing holds Python's lock for milliseconds at a time, and the model's thread and the event loop
would wait for it. So a repository is read by a process of its own, and a few files by a thread.
"""

import asyncio
import logging
import pickle
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress

from budgetai_server.workspace.indexing.__main__ import FAILED, frame
from budgetai_server.workspace.indexing.scan import Batch, Request, scan

log = logging.getLogger(__name__)

Feed = Callable[[Request], AsyncGenerator[Batch, None]]

_MODULE = "budgetai_server.workspace.indexing"
_LOW_PRIORITY = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)


class CrashedError(Exception):
    """The process was killed, or broke down over some file: this one should not try it too."""


async def from_thread(request: Request) -> AsyncGenerator[Batch, None]:
    """Return a thread that looks at files while the event loop goes on."""
    batches = scan(request)
    try:
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            yield batch
    finally:
        with suppress(ValueError):
            # It may still run, if who waited for it has been cancelled; then it ends there.
            batches.close()


async def from_process(request: Request) -> AsyncGenerator[Batch, None]:
    """Return a process that looks at files. Raises OSError or EOFError if there can be none, and
    CrashedError."""
    process = await asyncio.create_subprocess_exec(
        # -P: nothing is imported from the folder in which the server was started.
        sys.executable, "-P", "-m", _MODULE, cwd=sys.prefix, creationflags=_LOW_PRIORITY,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin and process.stdout
    last = False
    try:
        process.stdin.write(frame(request))
        await process.stdin.drain()
        while not last:
            size = int.from_bytes(await process.stdout.readexactly(8), "little")
            batch = pickle.loads(await process.stdout.readexactly(size))
            last = batch.last
            yield batch
    except EOFError as error:
        if await process.wait() != FAILED:
            raise CrashedError from error
        raise
    finally:
        if not last:
            with suppress(ProcessLookupError):
                process.kill()
        # What is in the pipe has to be read: until then asyncio does not know of the process's end.
        await process.communicate()


async def from_anywhere(request: Request) -> AsyncGenerator[Batch, None]:
    """Return a process where there can be one, else a thread. Raises CrashedError."""
    try:
        async with aclosing(from_process(request)) as batches:
            async for batch in batches:
                yield batch
    except (OSError, EOFError) as error:
        log.warning("a thread indexes, for want of a process: %s", type(error).__name__)
        async with aclosing(from_thread(request)) as batches:
            async for batch in batches:
                yield batch
