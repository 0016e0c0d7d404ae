"""From a server's start to its first answer, in a workspace that it has indexed before.

    python tests/benchmarks/start_up.py --repo PATH --model FILE.gguf [--rounds 3]

A server is started in the workspace until its index is on disk, and ended. Then each round starts
one anew, opens a file as soon as the model is there, and asks for a completion at once: the seconds
from the start to the model, and from the question to the answer, while the index is read back.
"""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ours import status

from budgetai_core.command import parse, print_json, run
from budgetai_core.errors import BudgetAIError, OptionError
from budgetai_core.options import option
from budgetai_core.repository import open_repository, sources
from budgetai_server.cli.demo_editor import Editor, position_after, started

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
        asyncio.run(_first_answer(arguments, root, place.path, place.text))
        for _ in range(options.rounds)
    ]
    result = {
        "files": len(files),
        "model_seconds": [round(row[0], 2) for row in rows],
        "answer_seconds": [round(row[1], 2) for row in rows],
        "indexed_when_answered": [row[2] for row in rows],
        "indexed_seconds": [round(row[3], 2) for row in rows],
    }
    if options.json:
        print_json(result)
    else:
        for name, value in result.items():
            middle = f"  median {median(value):.2f}" if isinstance(value, list) else ""
            print(f"{name:22} {value}{middle}")
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


async def _first_answer(
    arguments: tuple[str, ...], root: Path, path: str, text: str
) -> tuple[float, float, int, float]:
    """Return the seconds to the model, and from there to the answer; how many files were in the
    index then, and after how many seconds all were."""
    before = text[: len(text) // 2].rpartition("\n")[0] + "\n"
    after = text[len(before) :]
    began = time.perf_counter()
    async with started(*arguments) as editor:
        await _open(editor, root)
        loaded = time.perf_counter()
        uri = (root / path).as_uri()
        editor.open(uri, before + after)
        await editor.inline(uri, position_after(before))
        answered = time.perf_counter()
        there = ((await status(editor)) or {}).get("indexed", 0)
        while ((await status(editor)) or {}).get("busy"):
            await asyncio.sleep(0.1)
        last, stable = -1, 0
        while stable < 10:
            now = ((await status(editor)) or {}).get("indexed", 0)
            stable = stable + 1 if now == last else 0
            last = now
            await asyncio.sleep(0.2)
        return loaded - began, answered - loaded, there, time.perf_counter() - began - 2


if __name__ == "__main__":
    sys.exit(main())
