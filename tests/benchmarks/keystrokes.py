"""What a user types and when: places in a repository's files, drawn from a seed.

A place is a run of two or three lines that are missing and get typed, key by key. The user takes
two places of a file, goes to the next file, and comes back to each file later. Gaps between keys
are lognormal with a median of 150 ms, but shorter than an editor's debounce of 200 ms, so that only
pauses make requests: half of the words end in one, of 300 ms or more; a new line starts with one to
think, a longer one after a jump. Nothing here depends on answers.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from budgetai_core.context.languages import language_of
from budgetai_core.evaluation.spans import MIN_LENGTH
from budgetai_core.repository import SourceFile

MAX_LENGTH = 48
_FIRST = 8
_APART = 24
_PER_VISIT = 2
_LAST_GAP = 0.15
# Seconds: the median, the spread of the logarithm, the least and the most.
_KEY = (0.15, 0.35, 0.06, 0.19)
_WORD_END = (0.6, 0.4, 0.3, 1.5)
_THINK = (1.0, 0.35, 0.6, 2.0)
_ARRIVE = (2.0, 0.35, 1.2, 3.5)
_TRAVEL = {"start": 2.0, "place": 1.2, "file": 2.0, "back": 2.0}


@dataclass(frozen=True)
class Press:
    """What one key brings (Enter brings the indentation along), and the time until the next."""

    text: str
    gap: float


@dataclass(frozen=True)
class Line:
    """A line to type. If `accepts`, a right offer is taken, whole or word by word; else the line is
    typed through."""

    number: int
    text: str
    accepts: bool
    presses: tuple[Press, ...]

    @property
    def body(self) -> str:
        return self.text.lstrip()


@dataclass(frozen=True)
class Place:
    """Lines in a row. `arrival` says how the user comes here: start, place, file or back."""

    path: str
    lines: tuple[Line, ...]
    arrival: str

    @property
    def travel(self) -> float:
        """Seconds on the way here, not in insert mode."""
        return _TRAVEL[self.arrival]


@dataclass(frozen=True)
class Plan:
    """The whole session. `files` holds the texts as they are in the repository."""

    files: dict[str, str]
    places: tuple[Place, ...]

    @property
    def lines(self) -> int:
        return sum(len(place.lines) for place in self.places)

    @property
    def presses(self) -> int:
        return sum(len(line.presses) for place in self.places for line in place.lines)

    @property
    def seconds(self) -> float:
        """How long the session takes if nothing is accepted."""
        lines = [line for place in self.places for line in place.lines]
        typing = sum(press.gap for line in lines for press in line.presses)
        return typing + sum(place.travel for place in self.places)

    def missing(self, path: str) -> set[int]:
        """Line numbers, from 0, that are not in the file when the session begins."""
        places = [place for place in self.places if place.path == path]
        return {line.number for place in places for line in place.lines}


def plan(sources: Sequence[SourceFile], *, lines: int, files: int, seed: int) -> Plan:
    """Draw a session of `lines` lines in `files` files; fewer where the repository is small."""
    rng = random.Random(seed)
    texts = {source.path: source.text for source in sources}
    runs = {path: _runs(path, text, rng) for path, text in sorted(texts.items())}
    wanted = math.ceil(lines / 2 / files)
    rich = [path for path in runs if len(runs[path]) >= wanted]
    rest = sorted(set(runs) - set(rich), key=lambda path: -len(runs[path]))
    chosen = (rng.sample(rich, min(files, len(rich))) + rest)[:files]
    stops = _cut(_stops({path: runs[path] for path in chosen}), lines)
    places = tuple(_place(stop, before, texts, rng) for stop, before in _arrivals(stops))
    return Plan({path: texts[path] for path in chosen if runs[path]}, places)


def _runs(path: str, text: str, rng: random.Random) -> list[tuple[int, int]]:
    """Runs (start, count) of two or three lines worth a guess, apart from one another, shuffled."""
    worth = [_worth_a_guess(line, path) for line in text.split("\n")]
    starts = [i for i in range(_FIRST, len(worth) - 3) if worth[i] and worth[i + 1]]
    rng.shuffle(starts)
    taken: list[tuple[int, int]] = []
    for start in starts:
        if all(abs(start - other) >= _APART for other, _ in taken):
            taken.append((start, 3 if worth[start + 2] and rng.random() < 0.5 else 2))
    return taken


def _worth_a_guess(line: str, path: str) -> bool:
    """The rule of context/holes, and short enough to type."""
    language = language_of(path)
    stripped = line.strip()
    comment = language.comment if language else "#"
    fits = MIN_LENGTH <= len(stripped) <= MAX_LENGTH and line == line.rstrip()
    return fits and not stripped.startswith((comment, "*", "/*", '"""'))


_Stop = tuple[str, int, int]


def _stops(runs: dict[str, list[tuple[int, int]]]) -> list[_Stop]:
    """Two places of each file, then two more of each, until there are no more."""
    stops: list[_Stop] = []
    rounds = max((len(found) for found in runs.values()), default=0)
    for first in range(0, rounds, _PER_VISIT):
        for path, found in runs.items():
            stops += [(path, *run) for run in found[first : first + _PER_VISIT]]
    return stops


def _cut(stops: list[_Stop], lines: int) -> list[_Stop]:
    """Exactly `lines` lines, if there are as many."""
    kept = []
    for path, start, count in stops:
        if lines > 0:
            kept.append((path, start, min(count, lines)))
        lines -= count
    return kept


def _arrivals(stops: list[_Stop]) -> Iterator[tuple[_Stop, str]]:
    seen: set[str] = set()
    for path, visit in groupby(stops, key=lambda stop: stop[0]):
        arrival = "back" if path in seen else "file" if seen else "start"
        seen.add(path)
        for stop in visit:
            yield stop, arrival
            arrival = "place"


def _place(stop: _Stop, arrival: str, texts: dict[str, str], rng: random.Random) -> Place:
    path, start, count = stop
    texts_of_lines = texts[path].split("\n")[start : start + count]
    lines = [
        Line(start + i, text, rng.random() < 0.5, tuple(presses(text, first=i == 0, rng=rng)))
        for i, text in enumerate(texts_of_lines)
    ]
    return Place(path, tuple(lines), arrival)


def presses(text: str, *, first: bool, rng: random.Random) -> list[Press]:
    """Enter with the line's own indentation, which an editor nearly always guesses; then keys.

    No pause comes before the next Enter: at a line's end nothing is missing.
    """
    body = text.lstrip()
    indentation = text[: len(text) - len(body)]
    keys = [Press("\n" + indentation, _draw(_ARRIVE if first else _THINK, rng))]
    for here, following in zip(body, body[1:] + " ", strict=True):
        ends = _in_word(here) and not _in_word(following) and rng.random() < 0.5
        keys.append(Press(here, _draw(_WORD_END if ends else _KEY, rng)))
    keys[-1] = replace(keys[-1], gap=min(keys[-1].gap, _LAST_GAP))
    return keys


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _draw(times: tuple[float, float, float, float], rng: random.Random) -> float:
    median, spread, least, most = times
    return min(max(rng.lognormvariate(math.log(median), spread), least), most)
