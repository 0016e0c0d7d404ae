"""Soak: thousands of requests over stdio to the real server, and what they leave behind.

    python tests/benchmarks/soak.py --repo PATH [--requests 5000] [--model FILE.gguf]

Two documents of the repository. Mostly lines of other files are typed, a few characters a request;
sometimes an offer is typed through, the cursor jumps, the document changes, or a request at a new
place is cancelled after 50 to 150 ms and timed until the server says that it is not busy. Every 200
requests the documents are closed and opened anew. It reports and judges nothing.
"""

import asyncio
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
from buffer import Buffer
from memory import memory
from ours import Ours, started

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_core.command import parse, print_json, run
from budgetai_core.errors import RepositoryError
from budgetai_core.evaluation.metrics import percentile
from budgetai_core.options import option
from budgetai_core.repository import SourceFile, open_repository, sources

_WARM = 500
_REOPEN = 200
_CANCEL_AFTER = (0.05, 0.15)
_POLL = 0.002
_ACTIONS = {"type": 70, "through": 15, "jump": 4, "switch": 4, "cancel": 7}


@dataclass(frozen=True, kw_only=True)
class SoakOptions:
    """How long, and on what."""

    repo: Path = option(Path(), "the repository that is edited, in memory", unit="folder")
    model: Path | None = option(None, "GGUF file; without it, the embedded base")
    requests: int = option(5000, "requests to send")
    seed: int = option(0, "seed of what is done")
    threads: int = option(0, "threads; 0 takes the server's default")
    context: int = option(2048, "context size", unit="tokens")


def main() -> int:
    return run("soak", _main)


def _main() -> int:
    options = parse("soak", "Send many requests, watch the memory.", SoakOptions)
    root = open_repository(options.repo)
    files, _ = sources(root)
    if len(files) < 3:
        raise RepositoryError(f"{root} has fewer than three code files")
    model = options.model or resolve(EMBEDDED).path
    assert model is not None
    print_json(asyncio.run(_measure(options, model, root, files)))
    return 0


async def _measure(
    options: SoakOptions, model: Path, root: Path, files: Sequence[SourceFile]
) -> dict[str, Any]:
    async with started(model, root, threads=options.threads, context=options.context) as server:
        soak = Soak(server, files, random.Random(options.seed))
        began = time.monotonic()
        readings: dict[str, Any] = {"start": _memory(server)}
        for number in range(options.requests):
            if number % _REOPEN == 0:
                await soak.reopen()
                print(f"\r{number}/{options.requests}", end="", file=sys.stderr, flush=True)
            if number == _WARM:
                readings[f"after_{_WARM}"] = _memory(server)
            await soak.step()
        await server.idle()
        readings["end"] = _memory(server)
        print(file=sys.stderr)
        seconds = time.monotonic() - began
        return soak.report() | _sizes(model, options.context, readings) | {"seconds": seconds}


def _memory(server: Ours) -> dict[str, float] | None:
    found = memory(server.pid)
    return dict(vars(found)) if found else None


def _sizes(model: Path, context: int, readings: dict[str, Any]) -> dict[str, Any]:
    """Readings beside what the model must take: its file, and the keys and values in F16."""
    expected = {"model_file": model.stat().st_size / 2**20, "kv": _kv_mib(model, context)}
    found: dict[str, Any] = {"memory_mib": readings, "model": model.name, "expected_mib": expected}
    warm, end = readings.get(f"after_{_WARM}"), readings["end"]
    if warm and end:
        found["growth_mib"] = {part: round(end[part] - warm[part], 1) for part in warm}
    if end:
        over = end["anonymous"] - expected["model_file"] - expected["kv"]
        found["anonymous_over_model_and_kv_mib"] = round(over, 1)
    return found


def _kv_mib(model: Path, context: int) -> float:
    reader = gguf.GGUFReader(model)

    def value(name: str) -> int:
        field = reader.get_field(name)
        return int(field.contents()) if field else 0

    field = reader.get_field("general.architecture")
    kind = field.contents() if field else ""
    heads = value(f"{kind}.attention.head_count")
    size = value(f"{kind}.attention.key_length") or value(f"{kind}.embedding_length") // heads
    shared = value(f"{kind}.attention.head_count_kv") or heads
    return value(f"{kind}.block_count") * context * shared * size * 2 * 2 / 2**20


class Soak:
    """One editor doing mixed things. Each step is one request."""

    def __init__(self, server: Ours, files: Sequence[SourceFile], rng: random.Random) -> None:
        self._server = server
        self._rng = rng
        ordered = sorted(files, key=lambda file: -len(file.text))
        self._files = ordered[:2]
        self._open: list[Buffer] = []
        self._buffer = Buffer("", "", set())
        self._keys = _keys([line for file in ordered[2:] for line in file.text.split("\n")], rng)
        self._offer = ""
        self._done = dict.fromkeys(_ACTIONS, 0)
        self._times: dict[str, list[float]] = {name: [] for name in _ACTIONS}
        self._own: list[float] = []
        self._to_idle: list[float] = []
        self._shown = 0
        self._counting = False

    async def reopen(self) -> None:
        """Both documents as they are in the repository."""
        for buffer in self._open:
            self._server.close(buffer)
        self._open = [Buffer(file.path, file.text, set()) for file in self._files]
        for buffer in self._open:
            await self._server.enter(buffer, first=True)
        self._buffer = self._open[0]
        self._jump()

    async def step(self) -> None:
        await self._note_own_time()
        action = self._rng.choices(list(_ACTIONS), list(_ACTIONS.values()))[0]
        if action == "through" and len(self._offer) < 2:
            action = "type"
        self._done[action] += 1
        if action == "switch":
            self._buffer = self._open[1 - self._open.index(self._buffer)]
        if action in ("jump", "switch", "cancel"):
            self._jump()
        elif action == "through":
            self._insert(self._offer[: self._rng.randint(1, min(4, len(self._offer) - 1))])
        else:
            self._insert("".join(next(self._keys) for _ in range(self._rng.randint(1, 4))))
        await (self._cancelled() if action == "cancel" else self._asked(action))

    async def _note_own_time(self) -> None:
        """Of the last request, read as late as can be: a server counts work when it ends."""
        own = (await self._server.cost()).own_ms if self._counting else None
        self._own += [own] if own is not None else []
        self._counting = False

    def _jump(self) -> None:
        """To the end of some line, and on a new one below it."""
        buffer = self._buffer
        buffer.row = self._rng.randrange(len(buffer.lines))
        buffer.column = len(buffer.line)
        indentation = buffer.line[: len(buffer.line) - len(buffer.line.lstrip())]
        self._insert("\n" + indentation)

    def _insert(self, text: str) -> None:
        self._server.edited(self._buffer, self._buffer.insert(text))
        self._offer = ""

    async def _asked(self, action: str) -> None:
        await self._server.prepare()
        began = time.monotonic()
        offer = await self._server.ask(self._buffer)
        self._times[action].append((time.monotonic() - began) * 1000)
        self._counting = True
        self._offer = offer.text
        self._shown += bool(offer.text)

    async def _cancelled(self) -> None:
        """Ask at a new place, cancel, and see how long the server still works."""
        task = asyncio.create_task(self._server.ask(self._buffer))
        await asyncio.sleep(self._rng.uniform(*_CANCEL_AFTER))
        if task.done():
            return
        task.cancel()
        began = time.monotonic()
        await asyncio.wait({task})
        while busy := await self._server.busy():
            await asyncio.sleep(_POLL)
        if busy is not None:
            self._to_idle.append((time.monotonic() - began) * 1000)

    def report(self) -> dict[str, Any]:
        return {
            "requests": self._done,
            "shown": self._shown,
            "latency_ms": {name: _middle(times) for name, times in self._times.items() if times},
            "own_ms": _middle(self._own),
            "cancel_to_idle_ms": _middle(self._to_idle),
        }


def _keys(lines: Sequence[str], rng: random.Random) -> Iterator[str]:
    """Characters of random lines without end; Enter brings the next line's indentation along."""
    while True:
        line = rng.choice(lines)
        yield from line.strip()
        yield "\n" + line[: len(line) - len(line.lstrip())]


def _middle(values: Sequence[float]) -> dict[str, Any]:
    shares = {"p50": 0.5, "p95": 0.95, "highest": 1.0}
    found = {name: round(percentile(values, share), 2) for name, share in shares.items()}
    return {"count": len(values)} | (found if values else dict.fromkeys(shares))


if __name__ == "__main__":
    sys.exit(main())
