"""Typing replay: real lines typed at human speed, against our server and llama-server.

    python tests/benchmarks/typing_replay.py --repo PATH --model FILE.gguf \
        [--peer PATH/llama-server]

With `--commits since:REV`, lines of later commits are typed into the files of before
(commit_plan.py), key by key in real time, with a request at each pause; every right offer is taken,
whole or word by word, and **keystrokes saved** are counted: 1 - keys / characters.

Without it, lines of several files are taken away and typed back (keystrokes.py); half of the lines
take what is right, the others are typed through, so that both kinds of answers are timed. The
workspace is a copy without the lines to type, so that no index and no draft knows them.

Both sides get the same keys, pauses, model file, threads and context size. Both processes stay
resident, and they take turns place by place, the first one changing; the one whose turn it is not
is stopped (SIGSTOP), so that it neither disturbs nor works ahead. Each turn ends when the side has
no more work, or after 10 seconds. Neither side is warmed up by us; llama-server does that itself.

`--patience 30` lets the user wait for each answer up to 30 s before the next key: without it, a
slow side's latencies are known only up to the next key. The seed fixes what is typed and when; the
peer samples its answers (top_k 40, top_p 0.9), as llama.vim asks it to.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ours
import peer
import psutil
from buffer import Buffer
from commit_plan import Scene, Workspace, commit_plan
from keystrokes import Plan, plan
from memory import Memory, memory
from replay import Typist
from rich.console import Console
from side import Side
from summary import ratios, saved_more, summary, table

from budgetai_core.command import parse, print_json, run
from budgetai_core.errors import OptionError, RepositoryError
from budgetai_core.options import option
from budgetai_core.repository import SourceFile, open_repository, sources
from budgetai_server.evaluation.options import EvalOptions
from budgetai_server.evaluation.typed import typed_set


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """What is typed, and against whom."""

    repo: Path = option(Path(), "the repository whose lines are typed", unit="folder")
    model: Path | None = option(None, "GGUF file that both sides serve")
    peer: Path | None = option(None, "llama-server; without it, only ours is measured")
    commits: str = option(
        "", "type lines of the commits since a revision or a date", unit="since:revision"
    )
    lines: int = option(40, "lines to type")
    files: int = option(4, "files they stand in; not with --commits")
    seed: int = option(0, "seed of the choice of places, of keys and pauses")
    threads: int = option(0, "threads of each side; 0 takes the physical cores")
    context: int = option(2048, "context size of each side", unit="tokens")
    patience: float = option(
        0.0, "wait that long for an answer before the next key", unit="seconds"
    )
    peer_job: str = option(
        "runs-on",
        "what becomes of the peer's running request at the next key: llama.vim lets it run on "
        "and asks again when it has ended",
        choices=("runs-on", "stops"),
    )
    tell_jumps: bool = option(
        False, "tell our server where the cursor jumps (budgetai/cursor), as a plugin for it would"
    )
    json: bool = option(False, "print the result as JSON instead of a table")
    out: Path | None = option(None, "file for the result with all requests, as JSON", unit="file")


def main() -> int:
    return run("typing_replay", _main)


def _main() -> int:
    options = parse("typing_replay", "Type real lines at human speed.", ReplayOptions)
    if options.model is None or not options.model.is_file():
        raise OptionError("--model names no file", "Give it a GGUF file")
    root = open_repository(options.repo)
    scenes: tuple[Scene, ...] = ()
    if options.commits:
        wanted = EvalOptions(
            repo=root, commits=options.commits, holes=options.lines, seed=options.seed
        )
        session, scenes = commit_plan(typed_set(wanted, []), options.seed)
    else:
        files, _ = sources(root)
        session = plan(files, lines=options.lines, files=options.files, seed=options.seed)
    if not session.places:
        raise RepositoryError(f"{options.repo} has no lines to type")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder).resolve() / root.name
        copy.mkdir()
        workspace = Workspace(root, copy) if scenes else None
        if workspace:
            workspace.go_to(scenes[0])
        else:
            _write_copy(copy, files, session)
        result = asyncio.run(_measure(options, session, scenes, workspace, copy))
    _report(options, {"repository": root.name} | result)
    return 0


def _write_copy(copy: Path, files: Sequence[SourceFile], session: Plan) -> None:
    for file in files:
        target = copy / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = file.text
        if file.path in session.files:
            text = Buffer(file.path, text, session.missing(file.path)).text
        target.write_text(text, encoding="utf-8")


async def _measure(
    options: ReplayOptions,
    session: Plan,
    scenes: tuple[Scene, ...],
    workspace: Workspace | None,
    copy: Path,
) -> dict[str, Any]:
    began, load = time.time(), os.getloadavg()
    async with AsyncExitStack() as stack:
        sides = await _start(options, copy, stack)
        typists = [
            Typist(side, session, patience=options.patience, scenes=scenes) for side in sides
        ]
        highest = await _take_turns(typists, len(session.places), scenes, workspace)
        numbers = {
            typist.side.name: summary(
                typist.requests, typist.lines, await typist.side.total(), typist.keys, high
            )
            for typist, high in zip(typists, highest, strict=True)
        }
        errors = sum(side.errors for side in sides if isinstance(side, peer.Peer))
    found = _setting(options, session) | {
        "load_average": [load[0], os.getloadavg()[0]],
        "seconds": round(time.time() - began, 1),
        "sides": numbers,
        "peer_errors": errors,
        "requests": [row.as_json() for typist in typists for row in typist.requests],
    }
    if len(sides) == 2:
        found["ours_over_peer"] = ratios(*numbers.values())
        found["keystrokes_saved_more"] = saved_more(*(typist.lines for typist in typists))
    return found


async def _start(options: ReplayOptions, copy: Path, stack: AsyncExitStack) -> list[Side]:
    assert options.model is not None
    same = {"threads": _threads(options), "context": options.context}
    sides: list[Side] = [
        await stack.enter_async_context(
            ours.started(options.model.resolve(), copy, **same, tells_jumps=options.tell_jumps)
        )
    ]
    if options.peer:
        stops = options.peer_job == "stops"
        starting = peer.started(
            options.peer, options.model, **same, seed=options.seed, stops_job=stops
        )
        sides.append(await stack.enter_async_context(starting))
    return sides


def _threads(options: ReplayOptions) -> int:
    return options.threads or psutil.cpu_count(logical=False) or os.cpu_count() or 1


async def _take_turns(
    typists: list[Typist],
    places: int,
    scenes: tuple[Scene, ...],
    workspace: Workspace | None,
) -> list[Memory | None]:
    """Each place on each side, one side at a time. Returns the most memory each has had."""
    processes = {typist.side.pid: psutil.Process(typist.side.pid) for typist in typists}
    highest: dict[int, Memory | None] = {pid: memory(pid) for pid in processes}
    for typist in typists:
        await typist.side.idle()
        processes[typist.side.pid].suspend()
    try:
        for number in range(places):
            print(f"\rplace {number + 1}/{places}", end="", file=sys.stderr, flush=True)
            changed = workspace.go_to(scenes[number]) if workspace else set()
            for typist in typists[:: 1 if number % 2 == 0 else -1]:
                pid = typist.side.pid
                processes[pid].resume()
                await typist.visit(number, changed)
                highest[pid] = _higher(highest[pid], memory(pid))
                processes[pid].suspend()
    finally:
        for process in processes.values():
            process.resume()
        print(file=sys.stderr)
    return list(highest.values())


def _higher(a: Memory | None, b: Memory | None) -> Memory | None:
    return a.at_least(b) if a and b else a or b


def _setting(options: ReplayOptions, session: Plan) -> dict[str, Any]:
    assert options.model is not None
    return {
        "model": options.model.name,
        "threads": _threads(options),
        "context": options.context,
        "commits": options.commits or None,
        "seed": options.seed,
        "patience": options.patience,
        "tell_jumps": options.tell_jumps,
        "peer_flags": [*peer.FLAGS] if options.peer else None,
        "peer_job": options.peer_job if options.peer else None,
        "plan": {
            "files": list(session.files),
            "places": len(session.places),
            "lines": session.lines,
            "keys": session.presses,
            "seconds": round(session.seconds, 1),
        },
    }


def _report(options: ReplayOptions, result: dict[str, Any]) -> None:
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.json:
        print_json(result)
        return
    console = Console(width=max(shutil.get_terminal_size().columns, 140))
    console.print(table(result["sides"]))
    for kind, found in result.get("ours_over_peer", {}).items():
        cells = [f"{name} {_shown_ratio(found[name])}" for name in ("p50", "p95")]
        console.print(f"ours / peer, {kind.replace('_', ' ')}: {', '.join(cells)}")
    if more := result.get("keystrokes_saved_more"):
        interval = f"[{more['low']:+.3f}, {more['high']:+.3f}]"
        console.print(f"keystrokes saved, ours - peer: {more['mean']:+.3f} {interval}")


def _shown_ratio(found: dict[str, Any]) -> str:
    if found["ratio"] is None:
        return "-"
    bounds = [side for side in ("ours", "peer") if found[f"{side}_is_bound"]]
    return f"{found['ratio']:.3f}" + (f" ({' and '.join(bounds)}: lower bound)" if bounds else "")


if __name__ == "__main__":
    sys.exit(main())
