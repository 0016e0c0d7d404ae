"""Counting the files of a corpus for the tables of the page."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from budgetai_training.report.schema import FileRow, Part

PARTS: dict[Part, str] = {"train": "to learn", "held-out": "held out", "out": "left out"}


@dataclass(frozen=True)
class Tally:
    """Sums over files that have something in common."""

    name: str
    part: str
    files: int
    lines: int
    characters: int
    held_out: int


@dataclass(frozen=True)
class Secrets:
    """How many secrets of a kind were replaced, and in how many files."""

    kind: str
    found: int
    files: int


def by_part(rows: Iterable[FileRow]) -> dict[str, list[FileRow]]:
    """Return rows in the words of PARTS; those with secrets stand first, they deserve a look."""
    parts: dict[str, list[FileRow]] = {word: [] for word in PARTS.values()}
    for row in rows:
        parts[PARTS[row.part]].append(row)
    return {
        word: sorted(members, key=lambda row: not row.secrets) for word, members in parts.items()
    }


def by_reason(rows: Iterable[FileRow]) -> list[Tally]:
    """Return files by what became of them and why, what is used first, the frequent before the
    rare.

    What stands after a colon is about a single file, and is not counted by.
    """
    order = list(PARTS.values())
    tallies = _tallies((row, (row.reason.partition(":")[0], PARTS[row.part])) for row in rows)
    return sorted(tallies, key=lambda t: (order.index(t.part), -t.files, t.name))


def by_language(rows: Iterable[FileRow]) -> list[Tally]:
    """Return what is used of each language, the largest first."""
    used = (row for row in rows if row.part != "out")
    tallies = _tallies((row, (row.language or "other", "")) for row in used)
    return sorted(tallies, key=lambda t: (-t.characters, t.name))


def by_secret(rows: Iterable[FileRow]) -> list[Secrets]:
    numbers: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        for kind, number in row.secrets.items():
            numbers[kind].append(number)
    every = [Secrets(kind, sum(counts), len(counts)) for kind, counts in numbers.items()]
    return sorted(every, key=lambda s: (-s.found, s.kind))


def _tallies(keyed: Iterable[tuple[FileRow, tuple[str, str]]]) -> list[Tally]:
    groups: dict[tuple[str, str], list[FileRow]] = defaultdict(list)
    for row, key in keyed:
        groups[key].append(row)
    return [_tally(name, part, rows) for (name, part), rows in groups.items()]


def _tally(name: str, part: str, rows: Sequence[FileRow]) -> Tally:
    return Tally(
        name=name,
        part=part,
        files=len(rows),
        lines=sum(row.lines for row in rows),
        characters=sum(row.characters for row in rows),
        held_out=sum(row.part == "held-out" for row in rows),
    )
