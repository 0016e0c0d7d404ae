"""Which lines of other files are worth showing for a place, within a budget.

Five sources propose lines: what follows lines like the one above the cursor, in the file itself and
where someone has just been at work; the file's own imports that are out of sight; what the text
near the cursor names; the file that tests this one or is tested by it; and blocks that resemble the
text above the cursor. Each has its part of the budget; what one leaves the next ones may use.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import Indel

from budgetai_core.context.bm25 import words_of
from budgetai_core.context.index import Index
from budgetai_core.context.languages import Language, language_of
from budgetai_core.context.symbols import Definition, FileSymbols, file_symbols

_IDENTIFIER = re.compile(r"[A-Za-z_]\w{2,}")
# A name that many files define (main, run, get) says nothing about which one is meant.
_MAX_DEFINING_FILES = 3
# Names are looked for in so many lines, and words of similar blocks in these next to the cursor.
_NEAR_LINES = 40
_QUERY_ABOVE, _QUERY_BELOW = 12, 4
# At this many lines from the cursor a name counts half.
_NEAR = 8
_IMPORTED = 0.5
_MEMBERS = 12
_SHOWN_BY_THE_CLASS = {"field", "member"}
# The longest import statement, in lines.
_STATEMENT = 40
# A line is like another from this similarity on; that of the lines above them counts half. So many
# lines that follow are shown: the next one, and one that says where it ends.
_ALIKE, _ABOVE_COUNTS, _FOLLOWED_BY = 0.5, 0.5, 2
# So many of the most alike lines are compared by the lines above them, and so many lines of a file
# on either side of the cursor are looked at; so many are shown at most. Of a long line so many
# characters are compared, and no other file is searched that has more than so many: minified and
# generated ones would take seconds.
_COMPARED, _REACH_LINES, _SHOWN_ALIKE = 48, 5_000, 8
_COMPARED_CHARACTERS, _SEARCHED_CHARACTERS = 160, 400_000
# Similar blocks that are looked at, the lines that follow one and are shown with it, and the share
# of the query's words, by rarity, that one has at least.
_BLOCKS, _FOLLOWING, _LIKE = 12, 6, 0.2
# Lines of which so many are shown anyway make a model repeat them.
_SAME = 0.6
# Characters of a file that is many in one, and of the text by which a place in it is found again.
_LARGE_CHARACTERS, _ANCHOR_CHARACTERS = 400_000, 400
# Less room than this is not filled.
_MIN_ROOM_CHARACTERS = 24


@dataclass(frozen=True)
class Chunk:
    """Lines of another file, shown to the model under that file's path."""

    path: str
    text: str


class Excerpt(NamedTuple):
    """A proposal: what stands in the lines `first` to `last` of a file, counted from 0, without
    the last. The first `alike` of them are there because the prompt has them, too."""

    path: str
    first: int
    last: int
    text: str
    alike: int = 0


@dataclass(frozen=True)
class Query:
    """A place that lines are looked for: what the prompt shows around it, and all of its text.
    `cursor` is where it is in the text; None where `before` is followed by what is not known."""

    path: str
    before: str
    after: str
    text: str
    language: Language | None = None
    cursor: int | None = None

    @property
    def near(self) -> str:
        above = "\n".join(self.before.split("\n")[-_QUERY_ABOVE:])
        return above + "\n" + "\n".join(self.after.split("\n", _QUERY_BELOW)[:_QUERY_BELOW])


def retrieve(
    index: Index, query: Query, budget: int, sources: Collection[str] | None = None
) -> tuple[Chunk, ...]:
    """Return chunks of at most `budget` characters, sorted by path and line.

    The order does not depend on the ranking, so that one more chunk moves as few as possible.
    """
    wanted = [name for name in SOURCES if sources is None or name in sources]
    selection = Selection(query, budget)
    for name in wanted:
        share = 1.0 if name == wanted[-1] else _SHARES[name]
        selection.take(_PROPOSED_BY[name](index, query), round(share * budget))
    return selection.chunks()


class Selection:
    """What has been chosen so far, and the room that is left, in characters."""

    def __init__(self, query: Query, room: int) -> None:
        self._room = room
        self._shown = _stripped(query.before) | _stripped(query.after)
        self._chosen: defaultdict[str, list[Excerpt]] = defaultdict(list)

    def take(self, proposed: Iterable[Excerpt], most: int) -> None:
        """Take the proposals that fit into `most` characters and say something new, in their
        order."""
        room = min(most, self._room)
        for lines in proposed:
            if room < _MIN_ROOM_CHARACTERS:
                return
            cost = self._cost(lines)
            if cost <= room and self._new(lines):
                self._chosen[lines.path].append(lines)
                room -= cost
                self._room -= cost

    def _cost(self, lines: Excerpt) -> int:
        return len(lines.text) + 1 + (0 if self._chosen.get(lines.path) else len(lines.path) + 2)

    def _new(self, lines: Excerpt) -> bool:
        others = self._chosen.get(lines.path, ())
        if any(lines.first < other.last and other.first < lines.last for other in others):
            return False
        own = _stripped(lines.text.split("\n", lines.alike)[-1])
        return len(own & self._shown) < _SAME * max(len(own), 1)

    def chunks(self) -> tuple[Chunk, ...]:
        return tuple(
            Chunk(path, "".join(f"{lines.text}\n" for lines in sorted(snippets, key=_place)))
            for path, snippets in sorted(self._chosen.items())
            if snippets
        )


def _place(lines: Excerpt) -> int:
    return lines.first


def _stripped(text: str) -> set[str]:
    return {line for line in map(str.strip, text.split("\n")) if len(line) > 2}


def _imports(index: Index, query: Query) -> Iterator[Excerpt]:
    """Yield the imports of the file itself that are not shown: they name what may be used. Those of
    the repository's own names come first."""
    used = set(_IDENTIFIER.findall(f"{query.before} {query.after}"))
    proposed: dict[Excerpt, bool] = {}
    for names, lines in _imported(index, query):
        unused = [name for name in names if name not in used]
        if unused or not names:
            own = any(index.paths_defining(name) for name in unused)
            proposed[lines] = own or proposed.get(lines, False)
    yield from sorted(proposed, key=lambda lines: (not proposed[lines], lines.first))


def _imported(index: Index, query: Query) -> Iterator[tuple[tuple[str, ...], Excerpt]]:
    """Yield what the file imports, and the statement. The index may know one that has been deleted,
    or that is to be guessed: only what the document says counts."""
    source, facts = _known(index, query)
    lines = _lines(source)
    for statement in facts.imports:
        text, last = _bracketed(lines, statement.line)
        if text and "\n".join(lines[statement.line : last]) in query.text:
            yield statement.names, Excerpt(query.path, statement.line, last, text)


def _known(index: Index, query: Query) -> tuple[str, FileSymbols]:
    """Return a text of the file and its facts: those of the index, which has no new or held-out
    files."""
    if query.path in index:
        return index.text(query.path), index.facts(query.path)
    return query.text, _facts(query.language or language_of(query.path, query.text), query.text)


# The same few files are asked for at one place after the other.
@lru_cache(maxsize=32)
def _lines(text: str) -> list[str]:
    return text.split("\n")


@lru_cache(maxsize=4)
def _facts(language: Language | None, text: str) -> FileSymbols:
    return file_symbols(text, language)


def _bracketed(lines: Sequence[str], first: int) -> tuple[str, int]:
    """Return a statement that goes on while a bracket is open, on one line; and the line after
    it."""
    depth, last = 0, first
    for last in range(first, min(first + _STATEMENT, len(lines))):
        depth += sum(map(lines[last].count, "([{")) - sum(map(lines[last].count, ")]}"))
        if depth <= 0:
            break
    return " ".join(" ".join(lines[first : last + 1]).split()), last + 1


def _named(index: Index, query: Query) -> Iterator[Excerpt]:
    """Yield the definitions of names near the cursor, the nearest first, and of imported ones; of a
    class its members too."""
    large = _is_large(index, query)
    shown = _shown_lines(index, query) if large else range(0)
    for name in _ranked_names(index, query, shown if large else None):
        for path in _intended_files(index, query.path, name, own=large):
            for definition in index.of_path(path):
                own = path == query.path and definition.line in shown
                if definition.name == name and not own:
                    yield _signature(path, definition)
                    yield from _members(index, path, definition)


def _ranked_names(index: Index, query: Query, shown: range | None) -> list[str]:
    """Return the names that are used near the place, without those of the file itself; of a large
    one, whose lines in sight are `shown`, without those that it defines there."""
    scores: dict[str, float] = {}
    for names, _ in _imported(index, query):
        scores |= dict.fromkeys(names, _IMPORTED)
    above = query.before.split("\n")[-_NEAR_LINES:]
    below = query.after.split("\n")[:_QUERY_BELOW]
    for distance, line in (*enumerate(reversed(above)), *enumerate(below, _QUERY_ABOVE)):
        for name in _IDENTIFIER.findall(line):
            near = index.windows.rarity(name) / (1 + distance / _NEAR)
            scores[name] = max(scores.get(name, 0.0), near)
    own = {
        definition.name
        for definition in _known(index, query)[1].definitions
        if shown is None or definition.line in shown
    }
    return sorted(scores.keys() - own, key=lambda name: (-scores[name], name))


def _intended_files(index: Index, path: str, name: str, *, own: bool) -> list[str]:
    """Return the files whose definition of a name is meant: those that are imported, or all of
    few."""
    defining = index.paths_defining(name) - (set() if own else {path})
    imported = defining.intersection(index.imports(path))
    return sorted(imported or (defining if len(defining) <= _MAX_DEFINING_FILES else ()))


def _members(index: Index, path: str, owner: Definition) -> Iterator[Excerpt]:
    owned = (other for other in index.of_path(path) if other.owner == owner.name)
    methods = (other for other in owned if other.kind not in _SHOWN_BY_THE_CLASS)
    return (_signature(path, member) for member in islice(methods, _MEMBERS))


def _signature(path: str, definition: Definition) -> Excerpt:
    indent = "    " if definition.owner else ""
    return Excerpt(path, definition.line, definition.line + 1, indent + definition.signature)


def _siblings(index: Index, query: Query) -> Iterator[Excerpt]:
    """Yield definitions of the file that tests this one or is tested by it, of header or source."""
    for path in sorted(index.siblings(query.path)):
        for definition in index.of_path(path):
            yield _signature(path, definition)


def likeness(index: Index, query: Query) -> float:
    """Return how much the most alike of the places resembles that of the query from which
    `continuations` goes on: at most 1.5, 0 where there is none."""
    return next((place.similarity for place in _like_places(index, query)), 0.0)


def _continuations(index: Index, query: Query) -> Iterator[Excerpt]:
    """Yield lines like the one above the cursor with what follows them, the most alike first: those
    of the file itself that are out of sight, and of other places that were edited last. Where the
    cursor's own line is begun, lines that begin like it."""
    alike = 0 if _begun(query) else 1
    yielded: set[str] = set()
    for place in islice(_like_places(index, query), _COMPARED):
        if len(yielded) == _SHOWN_ALIKE:
            return
        excerpt = _cut(place.path, place.text, place.number, place.last)._replace(alike=alike)
        news = excerpt.text.split("\n", alike)[-1].strip()
        if news and news not in yielded and excerpt.text.count("\n") >= alike:
            yielded.add(news)
            yield excerpt


class _LikePlace(NamedTuple):
    """A line of a text that is like that of a place, by its number from 0, and the end of what is
    shown with it."""

    similarity: float
    path: str
    text: str
    number: int
    last: int


def _like_places(index: Index, query: Query) -> Iterator[_LikePlace]:
    """Yield where lines are like the last one that is written at the place, the most alike
    first."""
    written = [line.strip() for line in query.before.split("\n") if line.strip()]
    if not written:
        return
    last_line = _compared(written[-1])
    one_above = _compared(written[-2]) if len(written) > 1 else ""
    compared = len(last_line) if _begun(query) else None
    places: list[_LikePlace] = []
    for path, text, first, last in _searched(index, query):
        lines = _lines(text)
        for _, similarity, number in process.extract(
            last_line,
            {number: _compared(lines[number])[:compared] for number in range(first, last)},
            scorer=Indel.normalized_similarity,
            score_cutoff=_ALIKE,
            limit=_COMPARED,
        ):
            preceding = next(filter(None, map(_compared, reversed(lines[first:number]))), "")
            similarity += _ABOVE_COUNTS * Indel.normalized_similarity(preceding, one_above)
            end = min(number + 1 + _FOLLOWED_BY, last)
            places.append(_LikePlace(similarity, path, text, number, end))
    # The sort is stable: of two that are alike the one of the place edited last comes first.
    yield from sorted(places, key=lambda place: -place.similarity)


def _begun(query: Query) -> bool:
    """Return whether something is written in the cursor's own line."""
    return bool(query.before.rpartition("\n")[2].strip())


def _compared(line: str) -> str:
    return line.strip()[:_COMPARED_CHARACTERS]


def _searched(index: Index, query: Query) -> Iterator[tuple[str, str, int, int]]:
    """Yield path and text, and from which line to which to look: places edited last, the newest
    first, and what of the file itself is in front of what the prompt shows, and behind it."""
    for edited in index.recent:
        if edited.path != query.path and edited.path in index:
            text = index.text(edited.path)
            if len(text) <= _SEARCHED_CHARACTERS:
                last = min(edited.last + 1 + _FOLLOWED_BY, text.count("\n") + 1)
                yield edited.path, text, min(edited.first, last), last
    if query.cursor is None:
        return
    first = query.text.count("\n", 0, query.cursor - len(query.before))
    yield query.path, query.text, max(0, first - _REACH_LINES), first
    # Where nothing is shown behind the place, what is behind it is not to be known.
    if query.after.strip():
        count = query.text.count("\n") + 1
        shown = query.cursor + len(query.after)
        last = query.text.count("\n", 0, shown)
        # A line that is shown in part may be the cursor's own.
        last += not query.after.endswith("\n")
        yield query.path, query.text, last, min(last + _REACH_LINES, count)


def _similar(index: Index, query: Query) -> Iterator[Excerpt]:
    """Yield blocks of other files that resemble the lines at the cursor, with what follows them."""
    words = words_of(query.near)
    least = _LIKE * sum(index.windows.rarity(word) for word in words)
    large = _is_large(index, query)
    shown = _shown_lines(index, query) if large else range(0)
    for score, block in index.windows.search(
        words, _BLOCKS, lambda path: path != query.path or large
    ):
        if score < least:
            return
        last = block.last + _FOLLOWING
        if block.path != query.path or last <= shown.start or shown.stop <= block.first:
            yield _cut(block.path, index.text(block.path), block.first, last)


def _is_large(index: Index, query: Query) -> bool:
    """Return whether the query's own file is so large that most of it is out of sight: it is many
    files in one, and what stands elsewhere in it is shown as that of others is."""
    return len(index.text(query.path)) > _LARGE_CHARACTERS


def _shown_lines(index: Index, query: Query) -> range:
    """Return the lines of the query's own file, as the index has it, that the prompt shows around
    the place; none where they are not found."""
    text = index.text(query.path)
    head = query.before.partition("\n")[2][:_ANCHOR_CHARACTERS]
    tail = query.after.rpartition("\n")[0][-_ANCHOR_CHARACTERS:]
    start = text.find(head) if head.strip() else -1
    if start < 0:
        return range(0)
    reach = start + 2 * (len(query.before) + len(query.after)) + _ANCHOR_CHARACTERS
    at = text.find(tail, start, reach) if tail.strip() else -1
    end = start + len(query.before) + len(query.after) if at < 0 else at + len(tail)
    first = text.count("\n", 0, start)
    return range(first - 1, first + text.count("\n", start, end) + 2)


def _cut(path: str, text: str, first: int, last: int) -> Excerpt:
    lines = _lines(text)[first:last]
    return Excerpt(path, first, first + len(lines), "\n".join(lines).rstrip())


_PROPOSED_BY: dict[str, Callable[[Index, Query], Iterable[Excerpt]]] = {
    "continuations": _continuations,
    "imports": _imports,
    "names": _named,
    "siblings": _siblings,
    "similar": _similar,
}
SOURCES = tuple(_PROPOSED_BY)
# Parts of the budget; the last source that is asked has all that is left.
_SHARES = {"continuations": 0.7, "imports": 0.5, "names": 0.3, "siblings": 0.05, "similar": 1.0}
