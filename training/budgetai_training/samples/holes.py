"""Holes in held-out files: what a model is judged by, for each kind of hole and each language."""

import math
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import cycle

from budgetai_core.context.index import Index
from budgetai_core.context.languages import language_of
from budgetai_core.context.prompt import Snapshot, build
from budgetai_core.evaluation.spans import worth_a_guess
from budgetai_training.corpus.records import CorpusFile
from budgetai_training.hyperparameters.span_kinds import NODES
from budgetai_training.samples.node_ends import NodeEnds, Thing, lines_up
from budgetai_training.samples.sample import Sample
from budgetai_training.samples.windows import line_hole

# Without "newline": an editor's cursor on a line has that line's newline behind it.
HOLE_KINDS = ("line", "end", "inside", *NODES)


def hole_samples(
    files: Sequence[CorpusFile], indexes: Mapping[str, Index], seed: str, count: int
) -> list[Sample]:
    """At most `count` places where a thing has been taken out of a file, in an order drawn from
    the seed in which kinds take turns, and files as well as they have holes of the kind.

    The prompt is the server's at the hole; BEFORE is the text in front of it, and the answer. In
    files that name fresh ranges, answers lie inside them.
    """
    rng = random.Random(seed)
    files = rng.sample(files, len(files))
    stock: dict[str, list[tuple[int, list[Thing]]]] = {kind: [] for kind in HOLE_KINDS}
    for number, file in enumerate(files):
        for kind, things in _things(file, rng).items():
            if things:
                stock[kind].append((number, rng.sample(things, len(things))))
    drawn = _drawn(stock, rng)
    return [
        _sample(files[number], indexes, kind, thing)
        for _, (number, kind, thing) in zip(range(count), drawn, strict=False)
    ]


def _things(file: CorpusFile, rng: random.Random) -> dict[str, list[Thing]]:
    """What can be taken out of a file, by kind."""
    language = language_of(file.path)
    outline = NodeEnds(file.text, language)
    by_kind = {kind: list(outline.of_kind(kind)) for kind in NODES}
    for kind in ("line", "end", "inside"):
        holes = (
            line_hole(line, kind, rng)
            for line in lines_up(file.text, 0, len(file.text))
            if worth_a_guess(file.text[line.text : line.end], language)
        )
        by_kind[kind] = [Thing(end, start) for start, end in holes]
    if file.fresh is None:
        return by_kind
    ranges = sorted(file.fresh)
    return {kind: [t for t in things if _inside(t, ranges)] for kind, things in by_kind.items()}


def _inside(thing: Thing, ranges: Sequence[tuple[int, int]]) -> bool:
    """Whether a thing lies in one of the sorted ranges, which have no character in common."""
    place = bisect_right(ranges, (thing.start, math.inf)) - 1
    return place >= 0 and thing.end <= ranges[place][1]


def _drawn(
    stock: Mapping[str, list[tuple[int, list[Thing]]]], rng: random.Random
) -> Iterator[tuple[int, str, Thing]]:
    """Kinds in turn; of each, the file that has been used least. No place is used twice."""
    used: Counter[int] = Counter()
    taken: set[tuple[int, Thing]] = set()
    kinds = rng.sample(sorted(stock), len(stock))
    for kind in cycle(kinds):
        if not any(stock.values()):
            return
        # An empty list of things is left out when its turn comes.
        while stock[kind]:
            number, things = min(stock[kind], key=lambda entry: used[entry[0]])
            if not things:
                stock[kind].remove((number, things))
                continue
            thing = things.pop()
            if (number, thing) not in taken:
                taken.add((number, thing))
                used[number] += 1
                yield number, kind, thing
                break


def _sample(file: CorpusFile, indexes: Mapping[str, Index], kind: str, thing: Thing) -> Sample:
    """The prompt is built from a text without the answer: nothing shown may depend on it."""
    text = file.text[: thing.start] + file.text[thing.end :]
    place = Snapshot(file.repository, file.path, text, thing.start)
    prompt = build(place, indexes[file.repository])
    answer = file.text[thing.start : thing.end]
    learned = replace(prompt, before=prompt.before + answer)
    return Sample(file, learned, kind, len(answer))
