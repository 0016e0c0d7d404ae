"""How often the tree itself says what line comes next: no model is asked.

    python tests/benchmarks/line_candidates.py --repo PATH --commits since:REV [--lines 500]

For each line as it was typed, the lines that stand in the tree behind a line like the one above it
are its candidates, ranked by how many lines around the place agree. What is counted bounds what
lines of the repository can add to a model: the right one has to be among them, and to be told from
the others.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from budgetai_core.command import parse, print_json, run
from budgetai_core.errors import RepositoryError
from budgetai_core.evaluation.typed_lines import TypedLine
from budgetai_core.options import option
from budgetai_core.repository.commits import Replay
from budgetai_server.evaluation.options import EvalOptions
from budgetai_server.evaluation.typed import TypedSet, typed_set

_MAX_ABOVE, _MAX_BELOW = 12, 6
# From here on a candidate is sure: this share of the places says it, and so many at least.
_PURE, _MIN_PLACES = 0.8, 2


@dataclass(frozen=True, kw_only=True)
class CandidateOptions:
    """Whose lines are looked at."""

    repo: Path = option(Path(), "the repository", unit="folder")
    commits: str = option("", "lines of the commits since a revision or a date", unit="since:rev")
    lines: int = option(500, "lines at most", low=1)
    json: bool = option(False, "print the result as JSON")


class Tree:
    """The lines of a tree that hold anything, by file, without their indentation."""

    def __init__(self) -> None:
        self.texts: dict[str, str | None] = {}
        self._lines: dict[str, list[str]] = {}
        self._files: defaultdict[str, set[str]] = defaultdict(set)

    def put(self, path: str, text: str | None) -> None:
        for line in set(self._lines.pop(path, ())):
            self._files[line].discard(path)
        self.texts[path] = text
        if text is not None:
            self._lines[path] = _held(text)
            for line in set(self._lines[path]):
                self._files[line].add(path)

    def __contains__(self, line: str) -> bool:
        return bool(self._files.get(line))

    def candidates(self, line: TypedLine) -> dict[str, tuple[int, int]]:
        """Return by text at how many places it follows a line like the one above, and how many
        lines around the best of them agree."""
        above, below = _held(line.before.rpartition("\n")[0]), _held(line.after)
        rows: dict[str, tuple[int, int]] = {}
        ending = line.path.rpartition(".")[2]
        for path in self._files.get(above[-1], ()) if above else ():
            lines = self._lines[path]
            for place, text in enumerate(lines[:-1]):
                here = path == line.path and place == len(above) - 1
                if text != above[-1] or here or path.rpartition(".")[2] != ending:
                    continue
                agreeing = _agree(reversed(lines[: place + 1]), reversed(above), _MAX_ABOVE)
                agreeing += _agree(iter(lines[place + 2 :]), iter(below), _MAX_BELOW)
                count, best = rows.get(lines[place + 1], (0, 0))
                rows[lines[place + 1]] = count + 1, max(best, agreeing)
        return rows


def _held(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _agree(ours: Iterator[str], theirs: Iterator[str], limit: int) -> int:
    count = 0
    for one, other in zip(ours, theirs, strict=False):
        if one != other or count == limit:
            break
        count += 1
    return count


def main() -> int:
    return run("line_candidates", _main)


def _main() -> int:
    options = parse("line_candidates", "What the tree says comes next.", CandidateOptions)
    wanted = EvalOptions(repo=options.repo, commits=options.commits, holes=options.lines)
    counts = _counts(typed_set(wanted, []))
    if not counts:
        raise RepositoryError(f"{options.repo} has no lines to type", "Name earlier --commits")
    if options.json:
        print_json(counts)
    else:
        for name, count in counts.items():
            print(f"{name:42} {count:5}  {count / counts['lines']:6.1%}")
    return 0


def _counts(lines: TypedSet) -> dict[str, int]:
    tree, replay = Tree(), Replay(lines.root)
    counts: defaultdict[str, int] = defaultdict(int)
    for commit in lines.commits:
        for path, text in replay.go_to(commit.parent):
            tree.put(path, text)
        before: dict[str, str | None] = {}
        for line in commit.lines:
            for path, text in (*commit.earlier(line), (line.path, line.before + line.after)):
                before.setdefault(path, tree.texts.get(path))
                tree.put(path, text)
            if not line.new_file:
                _count(tree, line, counts)
        for path, text in before.items():
            tree.put(path, text)
    return dict(counts)


def _count(tree: Tree, line: TypedLine, counts: defaultdict[str, int]) -> None:
    rows = tree.candidates(line)
    best = max(rows, key=lambda text: (rows[text][1], rows[text][0]), default="")
    places = sum(count for count, _ in rows.values())
    sure = bool(rows) and rows[best][0] >= max(_MIN_PLACES, _PURE * places)
    counts["lines"] += 1
    counts["stands in the tree"] += line.expected in tree
    counts["has candidates"] += bool(rows)
    counts["is among them"] += line.expected in rows
    counts["is the best of them"] += line.expected == best
    counts["the best is sure"] += sure
    counts["the best is sure, and right"] += sure and line.expected == best


if __name__ == "__main__":
    sys.exit(main())
