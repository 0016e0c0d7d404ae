"""What a prompt costs before the model sees it: the index of a large repository, typed in.

    python tests/benchmarks/context_cost.py --repo FOLDER --lines 100000

Files are taken from the repository until there are so many lines. Then lines are typed anew at
places all over it, key by key, and each key's prompt is timed: with the prompt of the key before,
as the server has it; without, as when chunks are chosen anew; and the first one at a place. What
the index takes for an edited file is timed apart: it is not on the way to an answer.
"""

import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from conditions import limits_of
from markdown_table import table

from budgetai_core import repository
from budgetai_core.command import parse, print_json, run
from budgetai_core.context import prompt as prompts
from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_core.errors import OptionError, RepositoryError
from budgetai_core.evaluation.metrics import percentile
from budgetai_core.evaluation.spans import MaskedSpan, mask_spans
from budgetai_core.options import option

T = TypeVar("T")

_NOT_COUNTED = 10
_CLOCKS = {"wall": time.perf_counter, "cpu": time.thread_time}
_MEANINGS = {
    "place": "the first prompt at a place",
    "key": "a key's prompt",
    "anew": "a key's prompt, with chunks chosen anew",
    "edit": "the index, for an edited file",
}


@dataclass(frozen=True, kw_only=True)
class CostOptions:
    """Which repository, and how much is typed."""

    repo: Path | None = option(None, "a repository with enough lines", unit="folder")
    lines: int = option(100_000, "lines of it that are taken")
    places: int = option(200, "places that are typed at")
    limits: str = option("", "BEFORE,AFTER,CHUNKS in characters; without it, the server's")
    clock: str = option(
        "wall",
        "wall time, or the processor's alone, which busy neighbours do not lengthen",
        choices=tuple(_CLOCKS),
    )
    seed: int = option(0, "seed of the choice of files and places")
    json: bool = option(False, "print the result as JSON")


def main() -> int:
    return run("context_cost", _main)


def _main() -> int:
    options = parse("context_cost", "Time the building of prompts.", CostOptions)
    if options.repo is None:
        raise OptionError("--repo names no folder", "Give it a large repository")
    texts = dict(_taken(options.repo, options.lines, options.seed))
    lines = sum(text.count("\n") for text in texts.values())
    print(f"{len(texts)} files, {lines} lines", file=sys.stderr)
    timer = Timer(options.clock)
    index = timer("build", lambda: Index(texts.items()))
    typist = Typist(options.repo.resolve().name, index, options.limits, timer)
    for number, span in enumerate(mask_spans(texts.items(), options.places, options.seed)):
        if number == _NOT_COUNTED:
            timer.forget()
        typist.type(span)
        index.update(span.path, texts[span.path])
    seconds = timer.seconds.pop("build")[0]
    known = {"clock": options.clock, "lines": lines, "files": len(texts)}
    found = known | {"build_seconds": seconds, "ms": timer.summary()}
    print_json(found) if options.json else print(_table(found))
    return 0


def _taken(folder: Path, lines: int, seed: int) -> Iterator[tuple[str, str]]:
    """Files in any order, until there are so many lines. Raises RepositoryError."""
    files, _ = repository.sources(repository.open_repository(folder))
    random.Random(seed).shuffle(files)
    for file in files:
        yield file.path, file.text
        lines -= file.text.count("\n")
        if lines <= 0:
            return
    raise RepositoryError(f"{folder} lacks {lines} lines", "Name a larger --repo, or fewer --lines")


class Timer:
    """Seconds by name, of one of the clocks."""

    def __init__(self, clock: str) -> None:
        self._now = _CLOCKS[clock]
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)

    def __call__(self, name: str, work: Callable[[], T]) -> T:
        began = self._now()
        found = work()
        self.seconds[name].append(self._now() - began)
        return found

    def forget(self) -> None:
        """What has been timed so far but the build: memory had to be touched, caches filled."""
        for name in _MEANINGS:
            self.seconds.pop(name, None)

    def summary(self) -> dict[str, dict[str, float]]:
        """Percentiles in milliseconds."""
        return {
            name: {
                f"p{round(100 * share)}": 1000 * percentile(some, share) for share in (0.5, 0.95)
            }
            | {"count": len(some)}
            for name, some in self.seconds.items()
        }


class Typist:
    """Types what is missing at places, and has each prompt timed."""

    def __init__(self, name: str, index: Index, limits: str, timer: Timer) -> None:
        self._name = name
        self._index = index
        self._limits = limits_of(limits)
        self._timer = timer

    def type(self, span: MaskedSpan) -> None:
        start, last = len(span.before), None
        for typed in range(len(span.expected)):
            text = span.before + span.expected[:typed] + span.after
            snapshot = Snapshot(self._name, span.path, text, start + typed)
            if not typed:
                self._timer("edit", partial(self._index.update, span.path, text))
                last = self._built("place", snapshot, None)
                continue
            last = self._built("key", snapshot, last)
            self._built("anew", snapshot, None)

    def _built(self, name: str, snapshot: Snapshot, last: Prompt | None) -> Prompt:
        work = partial(prompts.build, snapshot, self._index, self._limits, last)
        return self._timer(name, work)


def _table(found: dict[str, Any]) -> str:
    rows = [
        (_MEANINGS[name], f"{cost['p50']:.2f}", f"{cost['p95']:.2f}", cost["count"])
        for name, cost in found["ms"].items()
    ]
    rate = found["lines"] / found["build_seconds"]
    head = f"{found['lines']:,} lines in {found['files']} files, read at {rate:,.0f} lines a second"
    return "\n".join([head, "", *table(("", "p50 ms", "p95 ms", "times"), rows)])


if __name__ == "__main__":
    sys.exit(main())
