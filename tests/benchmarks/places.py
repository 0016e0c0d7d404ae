"""Places whose answer needs another file: what is missing holds a name that only others define.

The idea is that of CrossCodeEval (Ding et al. 2023): a model that sees the file alone can only
guess there. Here a name counts where few other files define it, an import ties the file to one of
these, and nothing near the cursor says it. Which imports lead where is judged by the words in them
alone, not by the index whose use is being measured. Languages whose files see each other without
an import (Go, Java in a package) have too few such places.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import PurePosixPath

from budgetai_core.context.index import Index
from budgetai_core.context.languages import language_of
from budgetai_core.context.tree import Node, nodes
from budgetai_core.evaluation.spans import MaskedSpan, worth_a_guess
from budgetai_core.repository.added_lines import Range

# More than any prompt here shows: the same places serve all of them.
ABOVE, BELOW = 3200, 1200
_SHORTEST, _LONGEST = 4, 120
_MOST_DEFINING = 3
# So many characters of a line are typed at least where the cursor is inside it.
_TYPED = 3
_IMPORT = re.compile("import|include|use_declaration|export_clause|package")
_WORD = re.compile(r"\w+")
# Names of several words, or with a capital: `name` and `info` may be anyone's.
_TELLING = re.compile(r"[A-Z]\w*[a-z]|\w+?(?:[A-Z]|_[a-zA-Z])")
# What binds a name, so that it is the file's own word: `x = `, `x: `, `x, y = `, `for x in`.
_BOUND = re.compile(r"\s*(?:,\s*\w+\s*)*(?:=(?![=>])|\??:|\bin\b)")


@dataclass(frozen=True)
class Place:
    """A hole, the name in it that decides, and the other files that define it."""

    span: MaskedSpan
    name: str
    defined_in: tuple[str, ...]

    def named_in(self, text: str) -> bool:
        """Whether a text has the name, as a word."""
        return self.name in _WORD.findall(text)


@dataclass(frozen=True)
class Use:
    """The first use of another file's name in a line: `start` of the line, and `at` of the name,
    in characters of the text."""

    path: str
    text: str
    start: int
    at: int
    name: str

    @property
    def line(self) -> str:
        return self.text[self.start :].partition("\n")[0]


def places(
    texts: Iterable[tuple[str, str]],
    index: Index,
    count: int,
    *,
    per_file: int,
    seed: int,
    within: Mapping[str, Sequence[Range]] | None = None,
) -> list[Place]:
    """At most `count` places, spread over the files. A third of them misses a whole line's text, a
    third the part right of a place inside it, a third begins with the name. The same arguments
    give the same places. `within` has the character ranges to stay in, by path."""
    rng = random.Random(seed)
    found = _different(use for path, text in sorted(texts) for use in uses(path, text, index))
    by_file: defaultdict[str, list[Use]] = defaultdict(list)
    for use in found:
        if within is None or any(a <= use.start < b for a, b in within.get(use.path, ())):
            by_file[use.path].append(use)
    drawn = [rng.sample(some, min(per_file, len(some))) for some in by_file.values()]
    rng.shuffle(drawn)
    in_turn = (use for turn in zip_longest(*drawn) for use in turn if use is not None)
    chosen = [use for use, _ in zip(in_turn, range(count), strict=False)]
    return [_place(use, index, number, rng) for number, use in enumerate(chosen)]


def _different(found: Iterator[Use]) -> list[Use]:
    """One of each line: tests like to say the same."""
    return list({use.line.strip(): use for use in found}.values())


def uses(path: str, text: str, index: Index) -> Iterator[Use]:
    """The lines of a file that need another one, and the names for which they do."""
    language = language_of(path)
    tree = list(nodes(text, language))
    imports = [node for node in tree if _IMPORT.search(node.type)]
    tied = set(chain.from_iterable(_WORD.findall(text[n.start : n.end]) for n in imports))
    imported = {at for node in imports for at in range(node.start, node.end)}
    lines: set[int] = set()
    for node in tree:
        start = text.rfind("\n", 0, node.start) + 1
        if start in lines or node.start in imported or not _foreign(node, path, text, index, tied):
            continue
        use = Use(path, text, start, node.start, text[node.start : node.end])
        if worth_a_guess(use.line, language) and _unsaid(use):
            lines.add(start)
            yield use


def _foreign(node: Node, path: str, text: str, index: Index, tied: set[str]) -> bool:
    """Whether a node names what a file at the other end of an import defines, and nothing here."""
    if not node.type.endswith("identifier") or node.end - node.start < _SHORTEST:
        return False
    name = text[node.start : node.end]
    defining = index.paths_defining(name)
    if path in defining or not 0 < len(defining) <= _MOST_DEFINING:
        return False
    if not _TELLING.match(name) or _BOUND.match(text, node.end, node.end + 80):
        return False
    return any(_leads(tied, other, index) for other in defining)


def _leads(tied: set[str], path: str, index: Index) -> bool:
    """Whether words of imports name a file, or something that it defines."""
    file = PurePosixPath(path)
    module = file.parent.name if file.stem in ("__init__", "index", "mod") else file.stem
    return module in tied or any(found.name in tied for found in index.of_path(path))


def _unsaid(use: Use) -> bool:
    """Whether the missing text is of a usual length and nothing around it has the name."""
    end = use.start + len(use.line)
    near = use.text[max(0, use.start - ABOVE) : use.at] + " " + use.text[end : end + BELOW]
    return len(use.line.strip()) <= _LONGEST and use.name not in _WORD.findall(near)


def _place(use: Use, index: Index, number: int, rng: random.Random) -> Place:
    line = use.line
    column = len(line) - len(line.lstrip())
    last = use.at - use.start
    kind = "line"
    if number % 3 and last >= column + _TYPED:
        kind = "end"
        column = last if number % 3 == 1 else rng.randint(column + _TYPED, last)
    cursor = use.start + column
    after = use.text[use.start + len(line) :]
    span = MaskedSpan(use.path, use.text[:cursor], line[column:].rstrip(), after, kind)
    return Place(span, use.name, tuple(sorted(index.paths_defining(use.name))))
