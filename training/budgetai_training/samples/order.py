"""The order of samples in a pass."""

import random
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeVar

from budgetai_training.corpus.files import CorpusFile
from budgetai_training.samples.imports import Graph, import_graph

T = TypeVar("T")

# Within this share of a pass samples change places.
BAND = 0.2


def by_dependency(files: Sequence[CorpusFile]) -> list[CorpusFile]:
    """Imported files before those that import them, as far as imports tell; otherwise in the order
    of repositories and paths. Of a cycle, the file that is reached first comes last."""
    ordered = []
    for _, group in groupby(sorted(files, key=_place), key=lambda file: file.repository):
        own = {file.path: file for file in group}
        graph = import_graph(own.values())
        ordered += [own[path] for path in _leaves_first(list(own), graph) if path in own]
    return ordered


def _place(file: CorpusFile) -> tuple[str, str]:
    return file.repository, file.path


def banded(items: Sequence[T], rng: random.Random) -> list[T]:
    """Shuffled, but nothing comes before what stands more than a band earlier."""
    width = BAND * len(items)
    keys = [place + rng.random() * width for place in range(len(items))]
    return [items[place] for place in sorted(range(len(items)), key=lambda place: keys[place])]


def _leaves_first(names: Sequence[str], graph: Graph) -> Iterator[str]:
    """Depth first without recursion; an edge back to a name on the way is left out."""
    seen: set[str] = set()
    for name in names:
        way = [] if name in seen else [(name, iter(graph.get(name, ())))]
        seen.add(name)
        while way:
            here, targets = way[-1]
            target = next((target for target in targets if target not in seen), None)
            if target is None:
                way.pop()
                yield here
            else:
                seen.add(target)
                way.append((target, iter(graph.get(target, ()))))
