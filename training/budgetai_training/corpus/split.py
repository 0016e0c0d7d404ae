"""Which files are learned and which are held out, so that nothing leaks from one to the other."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from budgetai_core.errors import OptionError
from budgetai_core.repository.added_lines import added_ranges, informative_lines
from budgetai_training.corpus.annotations import Note
from budgetai_training.corpus.dedup import RELATED, Sketches
from budgetai_training.corpus.records import HELD_OUT, TRAIN, CorpusFile, CorpusRow
from budgetai_training.corpus.screening import CorpusEntry

NOTHING_NEW = "nothing new"
HELD_OUT_SHARE = 0.1


@dataclass(frozen=True)
class SplitEntry:
    """An entry with its part of the corpus, and what of it is evaluated."""

    entry: CorpusEntry
    part: str
    fresh: tuple[tuple[int, int], ...] | None = None

    @property
    def is_trained_on(self) -> bool:
        return not self.entry.reason and self.part == TRAIN

    @property
    def is_held_out(self) -> bool:
        return not self.entry.reason and self.part == HELD_OUT

    @property
    def file(self) -> CorpusFile:
        return self.entry.file(self.fresh)

    @property
    def row(self) -> CorpusRow:
        return self.entry.row(self.part)


@dataclass(frozen=True)
class FixedSplit:
    """What a run that goes on holds out, and what has been learned already: names of files. `by`
    is what has decided it, for errors."""

    by: str
    held_out: frozenset[str]
    learned: frozenset[str] = frozenset()

    def holds(self, name: str, note: Note | None) -> bool:
        """Return whether a file is held out. Raises OptionError for a note that would make it
        leak."""
        wanted = note.part if note else ""
        if note and wanted == TRAIN and name in self.held_out:
            raise _contradiction(note, f"{name} is held out by {self.by}")
        if note and wanted == HELD_OUT and name in self.learned:
            raise _contradiction(note, f"{name} was learned by {self.by}, and cannot be held out")
        return name in self.held_out or wanted == HELD_OUT


def _contradiction(note: Note, what: str) -> OptionError:
    return OptionError(
        f"line {note.line} of the corpus: {what}",
        "Remove its part, or write exclude; --dry-run with the same options knows the parts",
    )


def by_file(
    entries: Sequence[CorpusEntry], seed: int, main: str, fixed: FixedSplit | None = None
) -> list[SplitEntry]:
    """Return a tenth of the files, families of related ones together, or what is `fixed`. What the
    user wrote counts, but no file is learned that is related to a held-out one."""
    order = {(entry.repository, entry.path): at for at, entry in enumerate(entries)}
    if fixed:
        # Of copies the first one stays, and that has to be the one that is held out.
        entries = sorted(entries, key=lambda e: e.name(main) not in fixed.held_out)
    entries, sketches, places = _without_copies(entries)
    kept = {place: at for at, place in places.items() if not entries[at].reason}
    if fixed:
        named = {place: entries[at] for place, at in kept.items()}
        held = {place for place, e in named.items() if fixed.holds(e.name(main), e.note)}
    else:
        held = _held(entries, kept, sketches.families(), seed, main)
    placed = []
    for at, entry in enumerate(entries):
        if entry.reason or places[at] in held:
            placed.append(SplitEntry(entry, HELD_OUT))
            continue
        near = next((other for other in sketches.like(places[at], RELATED) if other in held), None)
        if near is not None:
            entry = entry.without(f"relative of held-out {entries[kept[near]].path}")
        placed.append(SplitEntry(entry, TRAIN))
    return sorted(placed, key=lambda file: order[file.entry.repository, file.entry.path])


def _held(
    entries: Sequence[CorpusEntry],
    kept: dict[int, int],
    families: Sequence[int],
    seed: int,
    main: str,
) -> set[int]:
    """Return places of the sketches whose files are held out; `kept` leads from a place to its
    entry."""
    files = [entries[at].file() for at in kept.values()]
    drawn = _drawn_places(files, [families[place] for place in kept], seed, main)
    return {
        place
        for number, (place, at) in enumerate(kept.items())
        if _is_held(entries[at], number in drawn)
    }


def _is_held(entry: CorpusEntry, drawn: bool) -> bool:
    noted = entry.note.part if entry.note else ""
    return noted == HELD_OUT if noted else drawn


def _drawn_places(
    files: Sequence[CorpusFile], families: Sequence[int], seed: int, main: str
) -> set[int]:
    """Return places of files with about a tenth of the text of the repository `main`.

    `families` gives each file the number of its family: a family stays together, and is drawn
    whole, in an order that the seed and the names decide. A single family cannot be split: nothing
    is held out.
    """
    sizes: dict[int, int] = {}
    names: dict[int, str] = {}
    for file, family in zip(files, families, strict=True):
        if file.repository == main:
            sizes[family] = sizes.get(family, 0) + len(file.text)
            names.setdefault(family, file.path)
    chosen = set(_tenth(sizes, names, seed))
    return {place for place, family in enumerate(families) if family in chosen}


def _tenth(sizes: dict[int, int], names: dict[int, str], seed: int) -> list[int]:
    """Return families of about a tenth of the size of all, of at most a seventh."""
    if len(sizes) < 2:
        return []
    wanted = HELD_OUT_SHARE * sum(sizes.values())
    chosen: list[int] = []
    size = 0
    for family in sorted(sizes, key=lambda family: _drawn(names[family], seed)):
        if size < wanted and size + sizes[family] <= 1.5 * wanted:
            chosen.append(family)
            size += sizes[family]
    # Among a few large files none is a tenth; then the smallest has to do.
    return chosen or [min(sizes, key=lambda family: sizes[family])]


def _drawn(name: str, seed: int) -> bytes:
    """Return a draw by name and not by text: a later commit should hold out the same files."""
    return hashlib.sha256(f"{seed}{name}".encode("utf-8", "surrogatepass")).digest()


def by_time(learned: Sequence[CorpusEntry], later: Sequence[CorpusEntry]) -> list[SplitEntry]:
    """Learn all that was there at a revision, and hold out what files hold since then."""
    learned, _, _ = _without_copies(learned)
    name = later[0].repository if later else ""
    before = {entry.path: entry.text for entry in learned if entry.repository == name}
    known = informative_lines(entry.text for entry in learned if not entry.reason)
    placed = [SplitEntry(entry, TRAIN) for entry in learned]
    for entry in later:
        text = before.get(entry.path)
        fresh = added_ranges(entry.text, text or "", known) if not entry.reason else ()
        if fresh:
            placed.append(SplitEntry(entry, HELD_OUT, fresh))
        elif text is None:
            placed.append(SplitEntry(entry.without(entry.reason or NOTHING_NEW), ""))
    _check_parts(placed)
    return placed


def _check_parts(placed: Iterable[SplitEntry]) -> None:
    """Raise OptionError for a note that would move a file to another time."""
    for file in placed:
        note = file.entry.note
        if note and note.part and file.part and note.part != file.part:
            raise OptionError(
                f"line {note.line} of the corpus: {file.entry.path} cannot be {note.part}",
                "With --holdout since: the revision decides; write exclude to leave it out",
            )


def _without_copies(
    entries: Sequence[CorpusEntry],
) -> tuple[list[CorpusEntry], Sketches, dict[int, int]]:
    """Give near-duplicates their reason. Also the sketches of what had none, and where in them
    each entry is."""
    kept = [at for at, entry in enumerate(entries) if not entry.reason]
    sketches = Sketches([entries[at].text for at in kept])
    copies = sketches.first_copies([entries[at].is_forced for at in kept])
    decided = list(entries)
    for place, first in copies.items():
        reason = f"near-duplicate: {entries[kept[first]].path}"
        decided[kept[place]] = decided[kept[place]].without(reason)
    return decided, sketches, {at: place for place, at in enumerate(kept)}
