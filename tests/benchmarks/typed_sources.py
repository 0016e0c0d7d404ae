"""What a source of the prompt's chunks is worth on lines as they were typed.

    python tests/benchmarks/typed_sources.py --repo PATH --commits since:REV --model FILE

Each line of later commits is asked for twice at its beginning, with all sources and without those
of `--without`: what greedy decoding says before anything is trimmed or hidden. Nothing is in the
cache, as after a jump. Places are taken in an order that the seed draws, so that a run that is
ended (Ctrl-C) has judged a fair sample, and tells it.
"""

import contextlib
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from budgetai_core.command import parse, print_json, run
from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Prompt, build
from budgetai_core.context.retrieval import SOURCES
from budgetai_core.errors import OptionError, RepositoryError
from budgetai_core.evaluation.metrics import by_cluster, first_line
from budgetai_core.options import option
from budgetai_core.repository.commits import Replay
from budgetai_server.evaluation.options import EvalOptions
from budgetai_server.evaluation.typed import TypedSet, put, put_as_typed, typed_set
from budgetai_server.inference.local import LocalEngine
from budgetai_server.inference.profile import SpeedProfile, TokenBudget, token_budget
from budgetai_server.options import ServerOptions

_ANSWER_TOKENS = 48


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Whose lines are asked for, of which model."""

    repo: Path = option(Path(), "the repository", unit="folder")
    commits: str = option("", "lines of the commits since a revision or a date", unit="since:rev")
    model: Path = option(Path(), "a GGUF file", unit="file")
    without: str = option("continuations", "sources that are left out once", unit="name,…")
    tokens: int = option(
        0, "of the prompts; 0 for what two cores and 0.5B parameters allow", low=0, high=4000
    )
    lines: int = option(150, "lines at most", low=1)
    seed: int = option(0, "draws the order of the places")
    threads: int = option(0, "of the model; 0 for the processor's cores", low=0, high=256)
    json: bool = option(False, "print the result as JSON")


@dataclass(frozen=True)
class Place:
    """A line that is missing, and its prompts with all sources and without some."""

    commit: str
    expected: str
    prompts: tuple[Prompt, Prompt]


def main() -> int:
    return run("typed_sources", _main)


def _main() -> int:
    options = parse("typed_sources", "What a source of chunks is worth.", SourceOptions)
    left_out = set(options.without.split(","))
    if unknown := left_out - set(SOURCES):
        raise OptionError(
            f"--without {','.join(sorted(unknown))} is not a source",
            f"Name some of {', '.join(SOURCES)}",
        )
    wanted = EvalOptions(repo=options.repo, commits=options.commits, holes=options.lines)
    places = list(_places(typed_set(wanted, []), options.tokens, set(SOURCES) - left_out))
    if not places:
        raise RepositoryError(f"{options.repo} has no lines to type", "Name earlier --commits")
    random.Random(options.seed).shuffle(places)
    engine = LocalEngine(options.model, threads=options.threads, speculate=False)
    answers: list[tuple[Place, str, str]] = []
    with contextlib.suppress(KeyboardInterrupt):
        for place in places:
            full, without = place.prompts
            said = _said(engine, full)
            answers.append((place, said, said if without == full else _said(engine, without)))
            print(f"\r{len(answers)} of {len(places)} lines", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    result = _result(answers)
    if options.json:
        print_json(result)
    else:
        for name, value in result.items():
            print(f"{name:32} {value}")
    return 0


def _places(lines: TypedSet, tokens: int, fewer: set[str]) -> Iterator[Place]:
    budget = TokenBudget(tokens, 1, 1) if tokens else token_budget(SpeedProfile(), _target())
    replay, index = Replay(lines.root), Index()
    for commit in lines.commits:
        for path, text in replay.go_to(commit.parent):
            put(index, path, text, replay.language(path))
        index.recent = ()
        before: dict[str, str | None] = {}
        for line in commit.lines:
            for path, text in (*commit.earlier(line), (line.path, line.before + line.after)):
                before.setdefault(path, index.text(path) if path in index else None)
                put_as_typed(index, path, text, replay.language(path))
            if not line.new_file:
                snapshot = line.snapshot(lines.root.name)
                prompts = (
                    build(snapshot, index, budget.limits),
                    build(snapshot, index, budget.limits, sources=fewer),
                )
                yield Place(commit.commit, line.expected, prompts)
        for path, old in before.items():
            put(index, path, old, replay.language(path))


def _target() -> float:
    return ServerOptions().latency_ms / 1000


def _said(engine: LocalEngine, prompt: Prompt) -> str:
    for slot in engine.cache.sequences.all:
        engine.cache.cut(slot, 0)
    text = ""
    for piece in engine.generate(prompt, _ANSWER_TOKENS, lambda: False):
        text += piece.text
        if "\n" in text.lstrip("\n"):
            break
    return first_line(text)


def _result(answers: list[tuple[Place, str, str]]) -> dict[str, object]:
    commits = [place.commit for place, _, _ in answers]
    right = [(full == place.expected, less == place.expected) for place, full, less in answers]
    alike = [
        (_similarity(full, place.expected), _similarity(less, place.expected))
        for place, full, less in answers
    ]
    held = [
        [any(place.expected in chunk.text for chunk in prompt.chunks) for prompt in place.prompts]
        for place, _, _ in answers
    ]
    return {
        "lines": len(answers),
        "in a chunk, without and with": [sum(less for _, less in held), sum(f for f, _ in held)],
        "right, without and with": [sum(less for _, less in right), sum(full for full, _ in right)],
        "became right, became wrong": [
            sum(full > less for full, less in right),
            sum(full < less for full, less in right),
        ],
        "difference of exact lines": by_cluster([float(f) - float(w) for f, w in right], commits),
        "similarity, without and with": [
            sum(less for _, less in alike) / max(1, len(alike)),
            sum(full for full, _ in alike) / max(1, len(alike)),
        ],
        "difference of similarity": by_cluster([full - less for full, less in alike], commits),
    }


def _similarity(text: str, expected: str) -> float:
    return Levenshtein.normalized_similarity(text, expected)


if __name__ == "__main__":
    sys.exit(main())
