"""What became of shown items, on disk: numbers alone, no code, and nothing of it is sent anywhere.

One SQLite file for a repository, readable by the user alone. It can be deleted at any time. A fault
of the disk loses rows and stops nothing.
"""

import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from budgetai_core.artifacts.atomic_write import private

T = TypeVar("T")
log = logging.getLogger(__name__)

_KEPT_DAYS = 90
_DAY = 86_400
# The event loop waits for it.
_BUSY_SECONDS = 0.2
_TABLE = """CREATE TABLE IF NOT EXISTS items (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, language TEXT NOT NULL, latency_ms REAL NOT NULL,
    characters INTEGER NOT NULL, lines INTEGER NOT NULL, fate TEXT NOT NULL, kept INTEGER)"""
_EDITS = """CREATE TABLE IF NOT EXISTS next_edits (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, language TEXT NOT NULL, latency_ms REAL NOT NULL,
    lines INTEGER NOT NULL, fate TEXT NOT NULL)"""
_COLUMNS = "language, latency_ms, characters, lines, fate, kept"


@dataclass(frozen=True)
class Row:
    """An item that is over. `latency_ms` is what the editor waited for it; `kept` says whether an
    accepted one was still in the document a while later, None where nobody could look."""

    language: str
    latency_ms: float
    characters: int
    lines: int
    fate: str
    kept: bool | None = None


@dataclass(frozen=True)
class EditRow:
    """A next edit that was shown. Its fate is "accepted", "dismissed", or empty where the user went
    on with something else."""

    language: str
    latency_ms: float
    lines: int
    fate: str = ""


class UsageStore:
    """The file at a path, made when there is something to write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None

    def add(self, row: Row) -> int | None:
        """Write a row; returns its id, None where it cannot be written."""
        values = (int(time.time()), *astuple(row))
        insert = f"INSERT INTO items (at, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        return self._try(lambda database: database.execute(insert, values).lastrowid)

    def settle(self, row: int, fate: str, kept: bool | None) -> None:
        """Note what has become known of a row since."""
        update = "UPDATE items SET fate = ?, kept = ? WHERE id = ?"
        self._try(lambda database: database.execute(update, (fate, kept, row)))

    def add_edit(self, row: EditRow) -> int | None:
        """Write the row of a next edit; returns its id, None where it cannot be written."""
        insert = (
            "INSERT INTO next_edits (at, language, latency_ms, lines, fate) VALUES (?, ?, ?, ?, ?)"
        )
        values = (int(time.time()), *astuple(row))
        return self._try(lambda database: database.execute(insert, values).lastrowid)

    def settle_edit(self, row: int, fate: str) -> None:
        """Note what became of a next edit."""
        update = "UPDATE next_edits SET fate = ? WHERE id = ?"
        self._try(lambda database: database.execute(update, (fate, row)))

    def close(self) -> None:
        if self._database:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None

    def _try(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        try:
            if self._database is None:
                self._database = _opened(self._path)
            with self._database as database:
                return work(database)
        except (sqlite3.Error, OSError) as error:
            log.debug("usage is not written: %s", type(error).__name__)
            return None


def read(path: Path) -> list[Row]:
    """Return all rows of a store, oldest first; none where there is none, or a broken one."""
    rows = _rows(path, f"SELECT {_COLUMNS} FROM items ORDER BY id")
    return [replace(Row(*row), kept=None if kept is None else bool(kept)) for *row, kept in rows]


def read_edits(path: Path) -> list[EditRow]:
    """Return the rows of next edits, as `read` does those of completions."""
    rows = _rows(path, "SELECT language, latency_ms, lines, fate FROM next_edits ORDER BY id")
    return [EditRow(*row) for row in rows]


def _rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    if not path.is_file():
        return []
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()
    except sqlite3.Error:
        return []


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(private(path), timeout=_BUSY_SECONDS)
    with database:
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA journal_mode = WAL")
        oldest = int(time.time()) - _KEPT_DAYS * _DAY
        for create, table in ((_TABLE, "items"), (_EDITS, "next_edits")):
            database.execute(create)
            database.execute(f"DELETE FROM {table} WHERE at < ?", (oldest,))
    return database
