"""Adapters at run time against the same ones merged: speed, the cost of a switch, and memory.

    python tests/benchmarks/adapters.py --base BASE.gguf [--lora LORA.gguf …] [--merged MERGED.gguf]

Without a LoRA file random ones of `--rank` are made, for all linear layers. A merged model costs
what its base costs, so the base alone stands for it unless one is named.

In each round prefill and decode are timed one after the other, merged and with an adapter, first
the one and then the other; ratios are of neighbours in time. A switch is what setting an adapter
and the first evaluation after it take beyond the same evaluation again, with `--loaded` adapters
in memory; switching back to none counts too. For memory a process of its own loads adapters one
after the other, and then evaluates with each; MiB are what it has allocated, without pages of
files. llama.cpp's graphs grow with what is loaded, once they are made anew: `more_once_used`.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

from memory import memory

from budgetai_core.command import parse, print_json, run
from budgetai_core.errors import OptionError
from budgetai_core.llama.model import BATCH
from budgetai_core.options import option
from budgetai_server.inference.local import LocalEngine
from support import bundles

_WARM = 5


@dataclass(frozen=True, kw_only=True)
class AdapterOptions:
    """What is compared, and how often."""

    base: Path | None = option(None, "GGUF file that adapters are laid over")
    merged: Path | None = option(None, "GGUF file with the first LoRA merged in")
    lora: tuple[Path, ...] = option((), "GGUF LoRA files for the base")
    rank: int = option(16, "rank of the random LoRAs, where none are named")
    loaded: int = option(10, "adapters in memory at most")
    rounds: int = option(20, "rounds of alternation")
    prefill: int = option(512, "length of a prompt", unit="tokens")
    decode: int = option(32, "length of an answer", unit="tokens")
    threads: int = option(0, "threads; 0 takes the server's default")
    memory_only: bool = option(False, "load adapters, print what each takes, and end")


def main() -> int:
    return run("adapters", _main)


def _main() -> int:
    options = parse("adapters", "Measure adapters at run time.", AdapterOptions)
    if options.base is None:
        raise OptionError("--base names no file", "Give it a GGUF file")
    with tempfile.TemporaryDirectory() as folder:
        files = _files(options, options.base, Path(folder))
        if options.memory_only:
            print_json(_grown(options, files))
            return 0
        found = {"speed": _speed(options, files), "switch_ms": _switches(options, files)}
        print_json(_setting(options, files) | found | {"memory": _memory(options, files)})
    return 0


def _setting(options: AdapterOptions, files: list[Path]) -> dict[str, object]:
    assert options.base
    return {
        "base": options.base.name,
        "merged": options.merged.name if options.merged else None,
        "lora_mib": round(files[0].stat().st_size / 2**20, 1),
        "rank": None if options.lora else options.rank,
        "rounds": options.rounds,
    }


def _files(options: AdapterOptions, base: Path, folder: Path) -> list[Path]:
    """As many LoRA files as are to be loaded, random ones or those named, over and over."""
    if options.lora:
        return [options.lora[n % len(options.lora)] for n in range(options.loaded)]
    first = bundles.make_lora(base, folder / "0.gguf", rank=options.rank, spread=0.01)
    return [first] * options.loaded


def _open(options: AdapterOptions, path: Path) -> LocalEngine:
    return LocalEngine(path, threads=options.threads, sequences=1, context_tokens=1024)


def _speed(options: AdapterOptions, files: list[Path]) -> dict[str, object]:
    """Tokens a second, and medians of the ratios of neighbours: adapter over merged."""
    assert options.base
    merged, laid = _open(options, options.merged or options.base), _open(options, options.base)
    laid.add("x", files[0])
    laid.llama.use("x")
    sides = {"merged": merged, "adapter": laid}
    found: dict[str, object] = {}
    works: dict[str, tuple[int, Callable[[LocalEngine], None]]] = {
        "prefill": (options.prefill, lambda engine: _read(engine, options.prefill)),
        "decode": (options.decode, lambda engine: _write(engine, options)),
    }
    for name, (tokens, work) in works.items():
        rates: dict[str, list[float]] = {side: [] for side in sides}
        for turn in range(options.rounds):
            for side in sorted(sides, reverse=turn % 2 == 1):
                began = time.perf_counter()
                work(sides[side])
                rates[side].append(tokens / (time.perf_counter() - began))
            _progress(name, turn, options.rounds)
        ratios = sorted(a / m for a, m in zip(rates["adapter"], rates["merged"], strict=True))
        quarter = len(ratios) // 4
        found[name] = {side: round(median(each), 1) for side, each in rates.items()} | {
            "ratio": round(median(ratios), 3),
            "quartiles": [round(ratios[quarter], 3), round(ratios[-1 - quarter], 3)],
        }
    merged.close()
    laid.close()
    return found


def _read(engine: LocalEngine, count: int) -> None:
    engine.llama.forget(0, -1)
    for start, tokens in _batches(engine, count):
        engine.llama.evaluate(0, start, tokens)


def _write(engine: LocalEngine, options: AdapterOptions) -> None:
    """Behind the prompt that `_read` has left."""
    engine.llama.forget(0, options.prefill)
    for place in range(options.prefill, options.prefill + options.decode):
        engine.llama.evaluate(0, place, [place % 100 + 200])


def _batches(engine: LocalEngine, count: int) -> Iterator[tuple[int, list[int]]]:
    tokens = [200 + n * 7 % min(engine.llama.size - 200, 20_000) for n in range(count)]
    for start in range(0, count, BATCH):
        yield start, tokens[start : start + BATCH]


def _switches(options: AdapterOptions, files: list[Path]) -> dict[str, object]:
    """Medians and 95th percentiles by how many adapters are in memory: of a switch to another
    adapter, and of one to none."""
    assert options.base
    engine = _open(options, options.base)
    _read(engine, BATCH)
    found: dict[str, object] = {}
    for count, file in enumerate(files, start=1):
        engine.add(f"x{count}", file)
        if count in (2, options.loaded):
            costs: dict[str, list[float]] = {"to_adapter": [], "to_none": []}
            for turn in range(options.rounds):
                for name in (f"x{turn % count + 1}", ""):
                    costs["to_adapter" if name else "to_none"].append(_switch(engine, name))
            found[f"{count}_loaded"] = {kind: _spread(each) for kind, each in costs.items()}
    engine.close()
    return found


def _switch(engine: LocalEngine, name: str) -> float:
    """Milliseconds beyond the evaluation itself."""

    def evaluated() -> float:
        engine.llama.forget(0, BATCH)
        began = time.perf_counter()
        engine.llama.evaluate(0, BATCH, [200])
        return time.perf_counter() - began

    began = time.perf_counter()
    engine.llama.use(name)
    set_in = time.perf_counter() - began
    first = evaluated()
    return 1000 * (set_in + first - median(evaluated() for _ in range(_WARM)))


def _spread(costs: list[float]) -> dict[str, float]:
    ordered = sorted(costs)
    return {
        "p50": round(median(ordered), 2),
        "p95": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 2),
    }


def _memory(options: AdapterOptions, files: list[Path]) -> dict[str, object]:
    """In a process that has done nothing else."""
    chosen = [file for one in dict.fromkeys(files) for file in ("--lora", str(one))]
    numbers = ["--loaded", str(options.loaded), "--threads", str(options.threads)]
    command = [sys.executable, __file__, "--memory-only", "--base", str(options.base)]
    done = subprocess.run(
        [*command, *chosen, *numbers],
        capture_output=True,
        check=True,
        text=True,
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def _grown(options: AdapterOptions, files: list[Path]) -> dict[str, object]:
    assert options.base
    engine = _open(options, options.base)
    _read(engine, BATCH)
    held = [_anonymous()]
    for number, file in enumerate(files):
        engine.add(f"x{number}", file)
        held.append(_anonymous())
    for number in range(len(files)):
        engine.llama.use(f"x{number}")
        _read(engine, BATCH)
    sizes = [file.stat().st_size / 2**20 for file in files]
    return {
        "without": held[0],
        "each": [round(after - before, 1) for before, after in pairwise(held)],
        "files": [round(size, 1) for size in sizes],
        "all_over_files": round((held[-1] - held[0]) / sum(sizes), 3),
        "more_once_used": round(_anonymous() - held[-1], 1),
    }


def _anonymous() -> float:
    found = memory(os.getpid())
    return found.anonymous if found else 0.0


def _progress(what: str, turn: int, rounds: int) -> None:
    print(f"\r{what} {turn + 1}/{rounds}  ", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
