"""Cross-file chunks: signatures that other files define and the text near the cursor names."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass

from budgetai_server.context.index import Index

_IDENTIFIER = re.compile(r"[A-Za-z_]\w{2,}")
# A name that many files define (main, run, get) says nothing about which one is meant.
_MAX_DEFINING_FILES = 3


@dataclass(frozen=True)
class Chunk:
    """Lines of another file, shown to the model under that file's path."""

    path: str
    text: str


def chunks(index: Index, path: str, text: str, budget: int) -> tuple[Chunk, ...]:
    """At most `budget` characters of signatures named in `text`, sorted by path and line.

    The order does not depend on the ranking, so that one more chunk moves as few as possible.
    """
    chosen: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for name in _ranked_names(index, path, text):
        for other in sorted(index.paths_defining(name)):
            for definition in index.of_path(other):
                cost = len(definition.signature) + 1 + (0 if other in chosen else len(other) + 2)
                if definition.name == name and cost <= budget:
                    chosen[other].append((definition.line, definition.signature))
                    budget -= cost
    return tuple(
        Chunk(other, "".join(f"{signature}\n" for _, signature in sorted(chosen[other])))
        for other in sorted(chosen)
    )


def _ranked_names(index: Index, path: str, text: str) -> list[str]:
    own = {definition.name for definition in index.of_path(path)}
    counts = Counter(_IDENTIFIER.findall(text))
    known = [
        name
        for name in counts
        if name not in own and 0 < len(index.paths_defining(name) - {path}) <= _MAX_DEFINING_FILES
    ]
    return sorted(known, key=lambda name: (-counts[name], name))
