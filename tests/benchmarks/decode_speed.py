"""Decode speed: our loop against llama-bench, and speculation on against off.

    python tests/benchmarks/decode_speed.py --repo PATH --model FILE.gguf --bench PATH/llama-bench

Places are cut from the repository and prompted as the server does; each gives 64 greedy tokens. In
each round come llama-bench (`-p 0 -n 64`, at an empty cache and at the depth of our prompts), our
loop without drafts, and our loop with them, on the round's share of the places. Drafts come from
the prompt and from the repository without the text that is missing at the places.

The first token of an answer needs no evaluation beyond the prompt's, so n tokens count as n - 1.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from budgetai_core.command import parse, print_json, run
from budgetai_core.context import prompt as prompts
from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Prompt
from budgetai_core.errors import BudgetAIError, OptionError
from budgetai_core.evaluation.spans import MaskedSpan, mask_spans
from budgetai_core.options import option
from budgetai_core.repository import SourceFile, open_repository, sources
from budgetai_server.inference.engine import Usage
from budgetai_server.inference.local import LocalEngine

TOKENS = 64


@dataclass(frozen=True, kw_only=True)
class SpeedOptions:
    """What generates, and where."""

    repo: Path = option(Path(), "the repository the places are cut from", unit="folder")
    model: Path | None = option(None, "GGUF file")
    bench: Path | None = option(None, "llama-bench; without it, only speculation is compared")
    places: int = option(30, "places, shared out over the rounds")
    rounds: int = option(3, "rounds of alternation")
    seed: int = option(0, "seed of the choice of places")
    threads: int = option(0, "threads; 0 takes the server's default")
    context: int = option(2048, "context size", unit="tokens")


def main() -> int:
    return run("decode_speed", _main)


def _main() -> int:
    options = parse("decode_speed", "Measure tokens a second.", SpeedOptions)
    if options.model is None:
        raise OptionError("--model names no file", "Give it a GGUF file")
    root = open_repository(options.repo)
    files, _ = sources(root)
    texts = [(file.path, file.text) for file in files]
    spans = mask_spans(texts, options.places, options.seed)
    index = Index(texts)
    asked = [prompts.build(span.snapshot(root.name), index) for span in spans]
    plain, drafting = (_engine(options, speculate) for speculate in (False, True))
    drafting.learn(_without(files, spans))
    rounds = []
    for number in range(options.rounds):
        print(f"\rround {number + 1}/{options.rounds}", end="", file=sys.stderr, flush=True)
        rounds.append(_round(options, plain, drafting, asked[number :: options.rounds]))
    print(file=sys.stderr)
    setting = {"model": options.model.name, "threads": plain.threads, "places": len(asked)}
    print_json(setting | _summary(rounds))
    return 0


def _engine(options: SpeedOptions, speculate: bool) -> LocalEngine:
    assert options.model is not None
    engine = LocalEngine(
        options.model,
        context_tokens=options.context,
        threads=options.threads,
        speculate=speculate,
    )
    # As the server does after loading: how long drafts may be depends on the machine.
    engine.measure()
    return engine


def _without(files: Iterable[SourceFile], spans: Sequence[MaskedSpan]) -> list[str]:
    """The texts without what is missing at the holes."""
    texts = []
    for file in files:
        missing = {(len(h.before), len(h.expected)) for h in spans if h.path == file.path}
        text = file.text
        for start, length in sorted(missing, reverse=True):
            text = text[:start] + text[start + length :]
        texts.append(text)
    return texts


def _round(
    options: SpeedOptions, plain: LocalEngine, drafting: LocalEngine, asked: Sequence[Prompt]
) -> dict[str, Any]:
    without, with_drafts = ([_generated(e, p) for p in asked] for e in (plain, drafting))
    depth = round(median(usage.prompt_tokens for usage, _ in without))
    same = [a == b for (_, a), (_, b) in zip(without, with_drafts, strict=True)]
    return {
        "depth": depth,
        "llama_bench": _llama_bench(options, plain.threads, (0, depth)) if options.bench else {},
        "plain": _rate([usage for usage, _ in without]),
        "speculating": _rate([usage for usage, _ in with_drafts]),
        "drafted": sum(usage.drafted for usage, _ in with_drafts),
        "accepted": sum(usage.accepted for usage, _ in with_drafts),
        "same_answers": sum(same) / len(same),
    }


def _generated(engine: LocalEngine, prompt: Prompt) -> tuple[Usage, str]:
    usage = Usage()
    pieces = engine.generate(prompt, TOKENS, lambda: False, usage)
    return usage, "".join(piece.text for piece in pieces)


def _rate(usages: Sequence[Usage]) -> float:
    tokens = sum(max(usage.answer_tokens - 1, 0) for usage in usages)
    return tokens / sum(usage.answer_seconds for usage in usages)


def _llama_bench(options: SpeedOptions, threads: int, depths: Iterable[int]) -> dict[str, float]:
    """Tokens a second at each depth."""
    command = [str(options.bench), "-m", str(options.model), "-p", "0", "-n", str(TOKENS)]
    command += ["-t", str(threads), "-r", "1", "-o", "json"]
    command += ["-d", ",".join(str(depth) for depth in depths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BudgetAIError(f"llama-bench fails: {done.stderr[-300:]}")
    return {str(row["n_depth"]): row["avg_ts"] for row in json.loads(done.stdout)}


def _summary(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the rounds; every ratio is taken inside a round."""
    found: dict[str, Any] = {
        "plain_tokens_per_second": median(r["plain"] for r in rounds),
        "speculating_tokens_per_second": median(r["speculating"] for r in rounds),
        "speculating_over_plain": median(r["speculating"] / r["plain"] for r in rounds),
        "accepted_share": sum(r["accepted"] for r in rounds)
        / max(sum(r["drafted"] for r in rounds), 1),
        "same_answers": sum(r["same_answers"] for r in rounds) / len(rounds),
        "rounds": list(rounds),
    }
    if rounds[0]["llama_bench"]:
        empty = [r["plain"] / r["llama_bench"]["0"] for r in rounds]
        deep = [r["plain"] / r["llama_bench"][str(r["depth"])] for r in rounds]
        found["plain_over_llama_bench"] = median(empty)
        found["plain_over_llama_bench_at_depth"] = median(deep)
    return found


if __name__ == "__main__":
    sys.exit(main())
