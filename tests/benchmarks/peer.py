"""The peer: llama-server, asked as llama.vim asks it (llama_vim.py, ring.py).

Flags of `--fim-qwen-1.5b-default`, which llama.vim's README recommends for the smallest machines:
-b 1024 -ub 1024 --cache-reuse 256; its context of 32k is cut to the one that both sides get.
/infill takes 3/4 of -b for the text before the cursor and 1/4 for the text after it. Added: -np 1,
since the plugin uses slot 0 alone; -n 128, the plugin's n_predict, without which /infill fills a
context of 2,048 tokens to the brim and refuses the request; --no-ui. The prompt cache in the
host's memory (--cache-ram, 8 GiB) is on, as by default.
"""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from socket import socket
from typing import Any

from buffer import Buffer, Edit
from http_json import request
from llama_vim import N_PREDICT, Plugin, warming
from ring import Ring
from side import Cost, Offer

from budgetai_core.errors import BudgetAIError

FLAGS = ("-b", "1024", "-ub", "1024", "--cache-reuse", "256", "-np", "1", "--no-ui")
RING_UPDATE = 1.0
_BUF_ENTER = 0.1
_QUIET = 3.0
_READY_WITHIN = 120.0
_IDLE_WITHIN = 10.0


@asynccontextmanager
async def started(
    program: Path, model: Path, *, threads: int, context: int, seed: int, stops_job: bool
) -> AsyncIterator["Peer"]:
    """A llama-server process with a plugin at its door, ended at the end."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    count = str(threads)
    command = [str(program), "-m", str(model), "--host", "127.0.0.1", "--port", str(port), *FLAGS]
    command += ["-c", str(context), "-t", count, "-tb", count, "-n", str(N_PREDICT)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            await _wait_until_ready(port, process)
            peer = Peer(process.pid, port, Ring(seed), stops_job=stops_job)
            yield peer
            await peer.idle()
        finally:
            process.terminate()
            process.wait(30)


async def _wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _READY_WITHIN
    status = 0
    while status != 200:
        if time.monotonic() > deadline or process.poll() is not None:
            raise BudgetAIError(f"llama-server does not start (exit code {process.poll()})")
        await asyncio.sleep(0.2)
        with suppress(OSError):
            status, _ = await request(port, "GET", "/health")
    status, body = await request(port, "POST", "/infill", warming([]))
    if status != 200:
        raise BudgetAIError(f"llama-server answers {status} to /infill: {body}")


class Peer:
    """llama.vim with llama-server, as a side of the replay."""

    name = "llama-server"

    def __init__(self, pid: int, port: int, ring: Ring, *, stops_job: bool) -> None:
        self.pid = pid
        self.errors = 0
        self._port = port
        self._ring = ring
        self._plugin = Plugin(self._post, ring, stops_job=stops_job)
        self._answers: list[dict[str, Any]] = []
        self._last: dict[str, Any] | None = None
        self._inserting = False
        self._asking = False
        self._moved_at = 0.0
        self._warming: set[asyncio.Task[Any]] = set()
        self._clock: asyncio.Task[None] | None = None

    async def enter(self, buffer: Buffer, *, first: bool) -> None:
        """[autocmd BufEnter]"""
        await asyncio.sleep(_BUF_ENTER)
        self._ring.visit(buffer)

    async def reopen(self, buffer: Buffer, changed: set[str]) -> None:
        """[autocmd BufEnter]"""
        await self.enter(buffer, first=True)

    def jumped(self, buffer: Buffer) -> None:
        """Outside of insert mode the plugin does nothing then."""

    async def leave(self, buffer: Buffer) -> None:
        """[autocmd BufWritePost, BufLeave]"""
        buffer.modified = False
        self._ring.visit(buffer)
        self._ring.visit(buffer)

    def insert_mode(self, on: bool) -> None:
        self._inserting = on
        self._clock = self._clock or asyncio.create_task(self._update_ring())

    def edited(self, buffer: Buffer, edit: Edit) -> None:
        self._moved_at = time.monotonic()
        self._plugin.moved(buffer)

    async def prepare(self) -> None:
        self._last = None

    async def ask(self, buffer: Buffer) -> Offer:
        self._asking = True
        try:
            self._last = await self._plugin.ask()
        finally:
            self._asking = False
        return Offer(self._plugin.hint or "", self._plugin.line)

    async def cost(self) -> Cost:
        return _cost([self._last]) if self._last else Cost(cached=1, evaluated=0)

    async def total(self) -> Cost:
        return _cost(self._answers)

    async def idle(self) -> None:
        """The ring's clock stands still until the next place."""
        if self._clock:
            self._clock.cancel()
            self._clock = None
        with suppress(TimeoutError):
            async with asyncio.timeout(_IDLE_WITHIN):
                await self._plugin.idle()
                await asyncio.gather(*self._warming)

    async def _update_ring(self) -> None:
        """Each second, in normal mode or while nothing moves [s:ring_update]. Kinder than the
        plugin: not while the user waits for an answer, which it would delay."""
        while True:
            await asyncio.sleep(RING_UPDATE)
            quiet = not self._inserting or time.monotonic() - self._moved_at >= _QUIET
            if quiet and not self._asking and self._ring.update():
                task = asyncio.create_task(self._post(warming(self._ring.extra())))
                self._warming.add(task)
                task.add_done_callback(self._warming.discard)

    async def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        """The server's answer; one without content where it refuses, as the plugin takes it."""
        try:
            status, answer = await request(self._port, "POST", "/infill", body)
        except (OSError, ValueError, IndexError):
            status, answer = 0, {}
        if status != 200:
            self.errors += 1
            return {}
        self._answers.append(answer)
        return dict(answer)


def _cost(answers: Sequence[dict[str, Any]]) -> Cost:
    def total(name: str, of: Sequence[dict[str, Any]]) -> float:
        return sum(float(answer.get(f"timings/{name}") or 0) for answer in of)

    # The ring's requests predict nothing, and report one token in no time.
    said = [answer for answer in answers if "content" in answer]
    return Cost(
        cached=0,
        evaluated=int(total("prompt_n", answers)),
        answer_tokens=int(total("predicted_n", said)),
        answer_seconds=total("predicted_ms", said) / 1000,
    )
