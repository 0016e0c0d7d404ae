"""Masked spans of held-out files: what a model is evaluated on, for each kind of span and each
language."""

import math
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import cycle

from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Snapshot, build
from budgetai_core.evaluation.spans import worth_a_guess
from budgetai_training.corpus.records import CorpusFile
from budgetai_training.hyperparameters.span_kinds import NODES
from budgetai_training.samples.node_ends import NodeEnds, Span, lines_up
from budgetai_training.samples.sample import Sample
from budgetai_training.samples.windows import line_span

# Without "newline": an editor's cursor on a line has that line's newline behind it.
SPAN_KINDS = ("line", "end", "inside", *NODES)


def span_samples(
    files: Sequence[CorpusFile], indexes: Mapping[str, Index], seed: str, count: int
) -> list[Sample]:
    """Return at most `count` places where a span has been taken out of a file, in an order drawn
    from the seed in which kinds take turns, and files as well as they have spans of the kind.

    The prompt is the server's at the span; BEFORE is the text in front of it, and the answer. In
    files that name fresh ranges, answers lie inside them.
    """
    rng = random.Random(seed)
    files = rng.sample(files, len(files))
    stock: dict[str, list[tuple[int, list[Span]]]] = {kind: [] for kind in SPAN_KINDS}
    for number, file in enumerate(files):
        for kind, spans in _spans(file, rng).items():
            if spans:
                stock[kind].append((number, rng.sample(spans, len(spans))))
    drawn = _drawn(stock, rng)
    return [
        _sample(files[number], indexes, kind, span)
        for _, (number, kind, span) in zip(range(count), drawn, strict=False)
    ]


def _spans(file: CorpusFile, rng: random.Random) -> dict[str, list[Span]]:
    """Return what can be taken out of a file, by kind."""
    language = file.language
    node_ends = NodeEnds(file.text, language)
    by_kind = {kind: list(node_ends.of_kind(kind)) for kind in NODES}
    for kind in ("line", "end", "inside"):
        spans = (
            line_span(line, kind, rng)
            for line in lines_up(file.text, 0, len(file.text))
            if worth_a_guess(file.text[line.text : line.end], language)
        )
        by_kind[kind] = [Span(end, start) for start, end in spans]
    if file.fresh is None:
        return by_kind
    ranges = sorted(file.fresh)
    return {kind: [t for t in spans if _inside(t, ranges)] for kind, spans in by_kind.items()}


def _inside(span: Span, ranges: Sequence[tuple[int, int]]) -> bool:
    """Return whether a span lies in one of the sorted ranges, which have no character in common."""
    place = bisect_right(ranges, (span.start, math.inf)) - 1
    return place >= 0 and span.end <= ranges[place][1]


def _drawn(
    stock: Mapping[str, list[tuple[int, list[Span]]]], rng: random.Random
) -> Iterator[tuple[int, str, Span]]:
    """Yield kinds in turn; of each, the file that has been used least. No place is used twice."""
    used: Counter[int] = Counter()
    taken: set[tuple[int, Span]] = set()
    kinds = rng.sample(sorted(stock), len(stock))
    for kind in cycle(kinds):
        if not any(stock.values()):
            return
        # An empty list of spans is left out when its turn comes.
        while stock[kind]:
            number, spans = min(stock[kind], key=lambda entry: used[entry[0]])
            if not spans:
                stock[kind].remove((number, spans))
                continue
            span = spans.pop()
            if (number, span) not in taken:
                taken.add((number, span))
                used[number] += 1
                yield number, kind, span
                break


def _sample(file: CorpusFile, indexes: Mapping[str, Index], kind: str, span: Span) -> Sample:
    """Build the prompt from a text without the answer: nothing shown may depend on it."""
    text = file.text[: span.start] + file.text[span.end :]
    place = Snapshot(file.repository, file.source, text, span.start, declared=file.language)
    prompt = build(place, indexes[file.repository])
    answer = file.text[span.start : span.end]
    learned = replace(prompt, before=prompt.before + answer)
    return Sample(file, learned, kind, len(answer))
