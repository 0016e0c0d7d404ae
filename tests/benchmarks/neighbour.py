"""Processes on the same cores: how decoding suffers, with OpenMP's threads spinning or not.

    python tests/benchmarks/neighbour.py [--model FILE.gguf] [--tokens 24]

Each setting runs one process alone, then two and four at once, on all cores. 300,000 turns are
what GNU's OpenMP waits by itself; the server sets 1,000.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_core.command import parse, print_json, run
from budgetai_core.options import option

SPINS = (300_000, 1_000, 0)
_TEXT = "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n"


@dataclass(frozen=True, kw_only=True)
class NeighbourOptions:
    """What decodes, and how much."""

    model: Path | None = option(None, "GGUF file; without it, the embedded base")
    tokens: int = option(24, "tokens each process decodes")
    decode_only: bool = option(False, "be one of the processes: decode, and print milliseconds")


def main() -> int:
    return run("neighbour", _main)


def _main() -> int:
    options = parse("neighbour", "Decode beside a second process.", NeighbourOptions)
    model = options.model or resolve(EMBEDDED).path
    assert model is not None
    if options.decode_only:
        print(_decode(model, options.tokens))
        return 0
    rows = []
    for spins in SPINS:
        found = {count: _processes(model, options.tokens, spins, count) for count in (1, 2, 4)}
        rows.append({"spins": spins, "ms_a_token": found})
    print_json({"model": model.name, "tokens": options.tokens, "rows": rows})
    return 0


def _processes(model: Path, tokens: int, spins: int, count: int) -> list[float]:
    """Milliseconds a token of `count` processes that run at the same time."""
    command = [sys.executable, __file__, "--decode-only", "--model", str(model)]
    started = [
        subprocess.Popen(
            [*command, "--tokens", str(tokens)],
            env=os.environ | {"GOMP_SPINCOUNT": str(spins)},
            stdout=subprocess.PIPE,
        )
        for _ in range(count)
    ]
    return [json.loads(process.communicate()[0]) for process in started]


def _decode(model: Path, tokens: int) -> float:
    from budgetai_server.inference.local import LocalEngine

    engine = LocalEngine(model, speculate=False)
    ids = engine.tokenize(_TEXT)
    for _ in engine.generate_after(ids, b"", 2):
        pass
    began = time.perf_counter()
    said = sum(1 for _ in engine.generate_after(ids, b"", tokens))
    return round((time.perf_counter() - began) / max(said, 1) * 1000, 1)


if __name__ == "__main__":
    sys.exit(main())
