"""Batch sizes: what prompts cost by them, and whether the same place gives the same answer.

    python tests/benchmarks/batch_size.py --repo PATH --model FILE.gguf --sizes 63,64,128

llama.cpp's attention on a CPU takes another kernel from 64 tokens a batch on, and some matrix
products take another for a few tokens than for many. So what was held already may change the
logits of a prompt; the server's KV cache cuts its batches so that it does not where it can.

Each prompt is read whole with every size in turn, in a new order each round: processor time of the
one thread, relative to `--against`. Then its head is read first, cut at several places, or it is
typed token by token at its end: how often the logits are the same to the bit, how often the best
token is, and how many tokens that evaluates. Last, five tokens are checked at once, as a draft, and
one by one.
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
from budgetai_server.inference import kv_cache
from budgetai_server.inference.engine import Usage
from budgetai_server.inference.kv_cache import KVCache

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
    length: int = option(600, "longest prompt, by its end", unit="tokens")
    rounds: int = option(5, "rounds of alternation")
    seed: int = option(0, "seed of the choice of places")


class Reader:
    """The server's KV cache with batches of one size."""

    def __init__(self, path: Path, size: int) -> None:
        self.size = size
        # The size of the context's buffers is taken from there.
        llama.BATCH = size
        self.cache = KVCache(path, context_tokens=2048, sequences=1, threads=1, gpu_layers=0)
        self.llama = self.cache.llama
        self.evaluated = 0

    def read(self, ids: Sequence[int], *, fresh: bool = True) -> llama.Logits:
        """Return the logits behind a prompt; unless `fresh`, what is held is used."""
        kv_cache.BATCH = self.size
        if fresh:
            self.cache.cut(self.cache.sequences.all[0], 0)
        usage = Usage()
        _, logits = self.cache.prepare(list(ids), usage)
        self.evaluated += usage.evaluated_tokens
        return logits.copy()

    def write(self, ids: Sequence[int], portion: int) -> llama.Logits:
        """Return the logits behind tokens that follow what is held, `portion` evaluated at once."""
        slot = self.cache.sequences.all[0]
        for start in range(0, len(ids), portion):
            self.cache.extend(slot, list(ids[start : start + portion]), Usage(), outputs=1)
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
        asked.append([*head, *before][-options.length :])
    return asked


def _marker(model: llama.Llama):  # type: ignore[no-untyped-def]
    def find(name: str) -> int | None:
        ids = model.tokenize(name, special=True)
        return ids[0] if len(ids) == 1 else None

    return find


def _agreement(reader: Reader, asked: Sequence[Sequence[int]]) -> dict[str, str | int]:
    """How often logits and best token are those of the prompt read whole."""
    pairs: dict[str, list[tuple[llama.Logits, llama.Logits]]] = {
        "head_cached": [], "typed": [], "draft": [],
    }  # fmt: skip
    typed = 0
    for ids in asked:
        whole = reader.read(ids)
        for head in (len(ids) - 10, len(ids) - 40, len(ids) // 2, len(ids) // 3):
            reader.read(ids[:head])
            pairs["head_cached"].append((whole, reader.read(ids, fresh=False)))
        reader.read(ids[:-TYPED])
        before = reader.evaluated
        for missing in range(TYPED - 1, -1, -1):
            logits = reader.read(ids[: len(ids) - missing], fresh=False)
        typed += reader.evaluated - before
        pairs["typed"].append((whole, logits))
        drafts = []
        for portion in (1, DRAFT):
            reader.read(ids[:-DRAFT])
            drafts.append(reader.write(ids[-DRAFT:], portion))
        pairs["draft"].append((drafts[0], drafts[1]))
    agreement: dict[str, str | int] = {
        name: f"{sum(np.array_equal(a, b) for a, b in both)} the same to the bit, "
        f"{sum(int(a.argmax()) == int(b.argmax()) for a, b in both)} the same best token, "
        f"of {len(both)}"
        for name, both in pairs.items()
    }
    return agreement | {"tokens_typed": TYPED * len(asked), "tokens_evaluated": typed}


if __name__ == "__main__":
    sys.exit(main())
