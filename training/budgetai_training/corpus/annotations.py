"""corpus.jsonl: one line for each file, written for people to edit, and read back."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

from budgetai_core.artifacts.atomic_write import replaced
from budgetai_core.artifacts.typed_json import structured
from budgetai_core.errors import OptionError
from budgetai_training.corpus.records import CorpusRow

INCLUDE: Final = "include"
EXCLUDE: Final = "exclude"
MAX_WEIGHT = 100

# Repository, path and revision.
Key = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class _Line:
    """What is read of a line; the rest of it is for people."""

    repository: str
    path: str
    revision: str = ""
    decision: Literal["include", "exclude"] = INCLUDE
    part: Literal["", "train", "held-out"] = ""
    weight: float = 1.0
    reason: str = ""


@dataclass(frozen=True)
class Note:
    """What the user wants of one file. `line` is its line in the file of notes, `reason` what
    spoke against the file when it was written. A note that was `moved` from another state of the
    file leaves it out or weighs it, and insists on nothing."""

    line: int
    include: bool
    weight: float
    part: str
    reason: str = ""
    moved: bool = False


@dataclass(frozen=True)
class Notes:
    """The notes of a corpus, by repository, path and revision."""

    exact: dict[Key, Note] = field(default_factory=dict)

    def of(self, repository: str, path: str, revision: str) -> Note | None:
        """Return the note on a file; where the revision has moved on since, or was another
        option's, the one on the file as it was, one that leaves it out before others."""
        if note := self.exact.get((repository, path, revision)):
            return note
        others = self._by_path.get((repository, path), [])
        alike = [note for then, note in others if bool(then) == bool(revision)]
        candidates = sorted(alike or [note for _, note in others], key=lambda note: note.include)
        return replace(candidates[0], part="", moved=True) if candidates else None

    @cached_property
    def _by_path(self) -> dict[tuple[str, str], list[tuple[str, Note]]]:
        notes: dict[tuple[str, str], list[tuple[str, Note]]] = {}
        for (repository, path, revision), note in self.exact.items():
            notes.setdefault((repository, path), []).append((revision, note))
        return notes


def write(rows: Iterable[CorpusRow], file: Path) -> None:
    with replaced(file) as temporary, temporary.open("w", encoding="utf-8") as lines:
        for row in rows:
            values = asdict(row)
            values["decision"] = EXCLUDE if row.reason else INCLUDE
            # Names that are not Unicode are escaped, and come back as they were.
            lines.write(json.dumps(values) + "\n")


def read(file: Path) -> Notes:
    """Return the notes in a file. Raises OptionError with the number of a line that makes no
    sense."""
    notes: dict[Key, Note] = {}
    for number, line in _lines(file):
        values = _object(line, f"{file} line {number}")
        key, note = _note(values, number, f"{file} line {number}")
        if key in notes:
            raise OptionError(
                f"{file} line {number}: {key[1]} stands on line {notes[key].line} already",
                "Keep one of the two",
            )
        notes[key] = note
    return Notes(notes)


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(
            f"--corpus {file} cannot be read: {type(error).__name__}",
            "Give a file that budgetai-train --dry-run wrote",
        ) from None
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise OptionError(
            f"{where} is not a JSON object", "Each line is one, as --dry-run wrote it"
        )
    return values


def _note(values: dict[str, Any], line: int, where: str) -> tuple[Key, Note]:
    try:
        row = structured(_Line, values)
    except ValueError as error:
        raise OptionError(f"{where}: {error}", "Write each line as --dry-run wrote it") from None
    if not 0 < row.weight <= MAX_WEIGHT:
        raise OptionError(
            f"{where}: weight cannot be {json.dumps(row.weight)}",
            f"Use a number above 0, at most {MAX_WEIGHT}; to leave a file out write exclude",
        )
    note = Note(line, row.decision == INCLUDE, row.weight, row.part, row.reason)
    return (row.repository, row.path, row.revision), note
