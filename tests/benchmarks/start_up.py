"""A server's start, and its answers while the index is read back.

    python tests/benchmarks/start_up.py --repo PATH --model FILE.gguf [--rounds 3]

A server is started in the workspace until its index is on disk, and ended. Then each round starts
one anew, opens a file as soon as the model is there, and asks for completions at one place after
the other until the index is read back: the seconds from the start to the model, and from each
question to its answer.
"""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from lsprotocol import types
from ours import status

from budgetai_core.command import parse, print_json, run
from budgetai_core.errors import BudgetAIError, OptionError
from budgetai_core.evaluation.metrics import percentile
from budgetai_core.options import option
from budgetai_core.repository import open_repository, sources
from budgetai_server.cli.demo_editor import Editor, started

_INDEXED_WITHIN = 900.0


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """Where a server is started, and how often."""

    repo: Path = option(Path(), "the workspace", unit="folder")
    model: Path | None = option(None, "GGUF file that is served")
    rounds: int = option(3, "starts", low=1)
    json: bool = option(False, "print the result as JSON")


def main() -> int:
    return run("start_up", _main)


def _main() -> int:
    options = parse("start_up", "Time a server's start.", StartOptions)
    if options.model is None or not options.model.is_file():
        raise OptionError("--model names no file", "Give it a GGUF file")
    root = open_repository(options.repo)
    files, _ = sources(root)
    place = max(files, key=lambda file: min(len(file.text), 20_000))
    arguments = "--model", str(options.model.resolve()), "--log-level", "error"
    asyncio.run(_index(arguments, root, len(files)))
    rows = [
        asyncio.run(_start(arguments, root, place.path, place.text, len(files)))
        for _ in range(options.rounds)
    ]
    answers = [seconds for row in rows for seconds in row.answers]
    result = {
        "files": len(files),
        "model_seconds": [round(row.model, 2) for row in rows],
        "index_seconds": [round(row.index, 2) for row in rows],
        "answers": len(answers),
        "first_seconds": [round(row.answers[0], 2) for row in rows],
        "p50_seconds": round(percentile(answers, 0.5), 2),
        "p95_seconds": round(percentile(answers, 0.95), 2),
        "worst_seconds": round(max(answers), 2),
    }
    if options.json:
        print_json(result)
    else:
        for name, value in result.items():
            print(f"{name:14} {value}")
    return 0


async def _index(arguments: tuple[str, ...], root: Path, count: int) -> None:
    async with started(*arguments) as editor:
        await _open(editor, root)
        await _indexed(editor, count)


async def _open(editor: Editor, root: Path) -> None:
    await editor.open_workspace(root)
    if not any("serves" in message for message in editor.messages):
        raise BudgetAIError("; ".join(editor.messages) or "the server has ended")


async def _indexed(editor: Editor, count: int) -> None:
    async with asyncio.timeout(_INDEXED_WITHIN):
        while ((await status(editor)) or {}).get("indexed", 0) < count:
            await asyncio.sleep(0.2)
    # What was parsed last is written by then.
    await asyncio.sleep(3)


@dataclass(frozen=True)
class Start:
    """Seconds: from the start to the model, from there until the index is whole, and of each answer
    that was asked for meanwhile."""

    model: float
    index: float
    answers: tuple[float, ...]


async def _start(arguments: tuple[str, ...], root: Path, path: str, text: str, count: int) -> Start:
    began = time.perf_counter()
    lines, answers = text.split("\n"), []
    async with started(*arguments) as editor:
        await _open(editor, root)
        loaded = time.perf_counter()
        uri, places = (root / path).as_uri(), Random(0)
        editor.open(uri, text)
        while True:
            row = places.randrange(len(lines))
            here = types.Position(row, len(lines[row].encode("utf-16-le")) // 2)
            asked = time.perf_counter()
            await editor.inline(uri, here)
            answers.append(time.perf_counter() - asked)
            if ((await status(editor)) or {}).get("indexed", 0) >= count:
                whole = time.perf_counter()
                return Start(loaded - began, whole - loaded, tuple(answers))


if __name__ == "__main__":
    sys.exit(main())
