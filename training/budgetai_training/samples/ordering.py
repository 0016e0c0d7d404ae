"""The order of samples in an epoch."""

import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from posixpath import dirname
from typing import TypeVar

from budgetai_core.context.imports import targets
from budgetai_core.context.path_suffixes import PathSuffixes
from budgetai_core.context.symbols import Import, file_symbols
from budgetai_training.corpus.records import CorpusFile

T = TypeVar("T")

Graph = Mapping[str, Collection[str]]
"""Imported names by importing name: paths, and folders (ending in a slash) for what imports all
files of a folder at once."""

# Within this share of an epoch samples change places.
BAND = 0.2


def by_dependency(files: Sequence[CorpusFile]) -> list[CorpusFile]:
    """Return imported files before those that import them, as far as imports tell; otherwise in the
    order of repositories and paths. Of a cycle, the file that is reached first comes last."""
    ordered = []
    for _, group in groupby(
        sorted(files, key=lambda file: file.key), key=lambda file: file.repository
    ):
        own = {file.path: file for file in group}
        graph = import_graph(own.values())
        ordered += [own[path] for path in _leaves_first(list(own), graph) if path in own]
    return ordered


def banded(items: Sequence[T], rng: random.Random) -> list[T]:
    """Shuffle, but so that nothing comes before what stands more than a band earlier."""
    width = BAND * len(items)
    keys = [place + rng.random() * width for place in range(len(items))]
    return [items[place] for place in sorted(range(len(items)), key=lambda place: keys[place])]


def import_graph(files: Iterable[CorpusFile]) -> Graph:
    """Return the imports among files of one repository."""
    by_path = {file.path: file for file in files}
    paths = PathSuffixes(by_path)
    graph = {path: sorted(targets(_imports(file), path, paths)) for path, file in by_path.items()}
    for path in sorted(by_path):
        graph.setdefault(f"{dirname(path)}/", []).append(path)
    return graph


def _imports(file: CorpusFile) -> Iterator[Import]:
    """Yield the imports that order files: Python's inside a function only break a cycle."""
    language = file.language
    lines = file.text.split("\n") if language and language.name == "python" else []
    for statement in file_symbols(file.text, language).imports:
        if not lines or lines[statement.line][:1] not in (" ", "\t"):
            yield statement


def _leaves_first(names: Sequence[str], graph: Graph) -> Iterator[str]:
    """Go depth first without recursion; an edge back to a name on the way is left out."""
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
