"""Batch sizes: what prompts cost by them, and whether the same place gives the same answer.

    python tests/benchmarks/batch_size.py --repo PATH --model FILE.gguf --sizes 32,48,63,64,128

llama.cpp's attention on a CPU takes another kernel from 64 tokens a batch on, and some matrix
products take another for a few tokens than for many. A prompt that is read whole and one whose
head was in the cache are cut into other batches, so their logits may differ.

Each prompt is read whole with every size in turn, in a new order each round: processor time of the
one thread, relative to `--against`. Then it is read in two parts, cut at several places, and typed
token by token at its end: how often the logits are the same to the bit, and how often the best
token is. Last, its end is checked as a draft of five tokens.
"""

import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from budgetai_core.command import parse, print_json, run
from budgetai_core.context import prompt as prompts
from budgetai_core.context.index import Index
from budgetai_core.errors import OptionError
from budgetai_core.evaluation.spans import mask_spans
from budgetai_core.llama import model as llama
from budgetai_core.options import option
from budgetai_core.repository import open_repository, sources

DRAFT = 5
TYPED = 24


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """What is read, and in which portions."""

    repo: Path = option(Path(), "the repository the prompts are of", unit="folder")
    model: Path | None = option(None, "GGUF file")
    sizes: str = option("32,48,63,64,128", "batch sizes to compare", unit="tokens")
    against: int = option(64, "batch size that the others are compared with", unit="tokens")
    places: int = option(8, "prompts")
    rounds: int = option(5, "rounds of alternation")
    seed: int = option(0, "seed of the choice of places")


class Reader:
    """A model with a context for batches of one size."""

    def __init__(self, path: Path, size: int) -> None:
        self.size = size
        # The size of the context's buffers is taken from there.
        llama.BATCH = size
        self.llama = llama.Llama(
            path,
            context_tokens=2048,
            sequences=1,
            threads=1,
            gpu_layers=0,
            stopped=lambda: False,
        )

    def read(self, ids: Sequence[int], start: int = 0, *, size: int = 0) -> llama.Logits:
        """Read a prompt from `start` on; the cache holds what is before. Returns the logits."""
        size = size or self.size
        self.llama.forget(0, start)
        for place in range(start, len(ids), size):
            self.llama.evaluate(0, place, ids[place : place + size])
        return self.llama.logits().copy()


def main() -> int:
    return run("batch_size", _main)


def _main() -> int:
    options = parse("batch_size", "Compare batch sizes of the prompt.", BatchOptions)
    if options.model is None:
        raise OptionError("--model names no file", "Give it a GGUF file")
    sizes = sorted({options.against, *map(int, options.sizes.split(","))})
    readers = {size: Reader(options.model, size) for size in sizes}
    asked = _prompts(options, readers[options.against])
    seconds: dict[int, list[float]] = {size: [] for size in sizes}
    for number in range(options.rounds):
        print(f"\rround {number + 1}/{options.rounds}", end="", file=sys.stderr, flush=True)
        for ids in asked:
            for size in random.sample(sizes, len(sizes)):
                began = time.thread_time()
                readers[size].read(ids)
                seconds[size].append(time.thread_time() - began)
    print(file=sys.stderr)
    tokens = sum(map(len, asked)) * options.rounds
    base = seconds[options.against]
    rows = []
    for size in sizes:
        ratios = [a / b for a, b in zip(seconds[size], base, strict=True)]
        row = {
            "size": size,
            "ms_per_token": round(1000 * sum(seconds[size]) / tokens, 3),
            "ratio": round(median(ratios), 3),
        }
        rows.append(row | _agreement(readers[size], asked))
    print_json({"model": options.model.name, "prompts": len(asked), "sizes": rows})
    return 0


def _prompts(options: BatchOptions, reader: Reader) -> list[list[int]]:
    root = open_repository(options.repo)
    texts = [(file.path, file.text) for file in sources(root)[0]]
    index = Index(texts)
    markers = prompts.find_markers(_marker(reader.llama))
    asked = []
    for span in mask_spans(texts, options.places, options.seed):
        prompt = prompts.build(span.snapshot(root.name), index)
        head, before = prompts.encode(prompt, markers, reader.llama.tokenize)
        asked.append([*head, *before][-2000:])
    return asked


def _marker(model: llama.Llama):  # type: ignore[no-untyped-def]
    def find(name: str) -> int | None:
        ids = model.tokenize(name, special=True)
        return ids[0] if len(ids) == 1 else None

    return find


def _agreement(reader: Reader, asked: Sequence[Sequence[int]]) -> dict[str, str]:
    """How often logits and best token are those of the prompt read whole."""
    pairs: dict[str, list[tuple[llama.Logits, llama.Logits]]] = {
        "head_cached": [], "typed": [], "draft": [],
    }  # fmt: skip
    for ids in asked:
        whole = reader.read(ids)
        for head in (len(ids) - 10, len(ids) - 40, len(ids) // 2, len(ids) // 3):
            reader.read(ids[:head])
            pairs["head_cached"].append((whole, reader.read(ids, head)))
        reader.read(ids[:-TYPED])
        pairs["typed"].append((whole, reader.read(ids, len(ids) - TYPED, size=1)))
        reader.read(ids[:-DRAFT])
        pairs["draft"].append((whole, reader.read(ids, len(ids) - DRAFT)))
    return {
        name: f"{sum(np.array_equal(a, b) for a, b in both)} the same to the bit, "
        f"{sum(int(a.argmax()) == int(b.argmax()) for a, b in both)} the same best token, "
        f"of {len(both)}"
        for name, both in pairs.items()
    }


if __name__ == "__main__":
    sys.exit(main())
