"""Facts of texts as text, and on disk by content: a text that was seen before is not parsed.

One SQLite file for a repository, in the user's data folder and readable by the user alone. It
can be lost at any time; two servers may use it at once.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import fields
from functools import cache
from hashlib import blake2b
from importlib import metadata, resources
from operator import attrgetter
from pathlib import Path
from sys import intern
from typing import Any, TypeVar

from budgetai_core.artifacts.atomic_write import private
from budgetai_core.context.languages import LANGUAGES
from budgetai_core.context.symbols import Definition, FileSymbols, Import

T = TypeVar("T")

_SCHEMA = 1
_KEPT_DAYS = 30
_DAY = 86_400
_BUSY_SECONDS = 10
# Writes are gathered: a transaction costs more than what is written.
_MAX_UNWRITTEN = 256
# Longer texts are signatures, each of which stands once.
_MAX_NAME = 40
_TABLE = """CREATE TABLE IF NOT EXISTS texts (
    key BLOB PRIMARY KEY, facts TEXT NOT NULL, seen INTEGER NOT NULL)"""
_GET = "SELECT facts FROM texts WHERE key = ?"
_PUT = "INSERT OR REPLACE INTO texts (key, facts, seen) VALUES (?, ?, ?)"
_SEEN = "UPDATE texts SET seen = ? WHERE key = ? AND seen < ?"


_definition_row = attrgetter(*(field.name for field in fields(Definition)))
_import_row = attrgetter(*(field.name for field in fields(Import)))


def encode(facts: FileSymbols) -> str:
    """Return JSON: definitions and imports as rows of their fields."""
    definitions = [_definition_row(definition) for definition in facts.definitions]
    imports = [_import_row(imported) for imported in facts.imports]
    rows = (definitions, imports)
    return json.dumps(rows, separators=(",", ":"))


def decode(text: str) -> FileSymbols | None:
    """Return what `encode` was given; None for what it never wrote."""
    try:
        # Earlier versions also kept the names that a file uses.
        definitions, imports, *_ = json.loads(text)
        return FileSymbols(
            tuple(Definition(*_values(row)) for row in definitions),
            tuple(Import(*_values(row)) for row in imports),
        )
    except (ValueError, TypeError, RecursionError):
        return None


def _values(row: Iterable[Any]) -> Iterator[Any]:
    for value in row:
        if isinstance(value, list):
            yield tuple(map(intern, value))
        elif isinstance(value, str) and len(value) <= _MAX_NAME:
            # The same names and kinds stand in many files.
            yield intern(value)
        else:
            yield value


@cache
def fingerprint() -> bytes:
    """Return changes with everything that facts depend on: the core's code, its queries and
    tables, the grammars."""
    digest = blake2b(digest_size=16)
    core = resources.files("budgetai_core.context")
    folders = [core, *(folder for name in ("data", "queries") if (folder := core / name).is_dir())]
    files = [file for folder in folders for file in folder.iterdir()]
    for file in sorted(files, key=lambda file: file.name):
        if file.name.endswith((".py", ".scm", ".tsv")):
            digest.update(file.read_bytes())
    grammars = {language.grammar[0] for language in LANGUAGES if language.grammar}
    for name in sorted({"tree_sitter", *grammars}):
        digest.update(f"{name} {_version(name)};".encode())
    return digest.digest()


def _version(module: str) -> str:
    try:
        return metadata.version(module.replace("_", "-"))
    except metadata.PackageNotFoundError:
        return ""


class ParseCache:
    """Facts as text by a key of their content. `reused` and `added` count what was asked for and
    there, and what was not.

    No fault of the disk is one of the caller's: a file that is broken is thrown away, and where
    none can be kept, memory stands in for it.
    """

    def __init__(self, path: Path) -> None:
        self.reused = self.added = 0
        self._path = path
        self._today = int(time.time()) // _DAY
        self._new: dict[bytes, str] = {}
        self._seen: set[bytes] = set()
        self._fingerprint = fingerprint()
        self._broken = 0
        self._database = self._open()

    def key(self, data: bytes, kind: str) -> bytes:
        """Return the hash of the bytes of a file and whatever else decides what is made of them."""
        head = self._fingerprint + kind.encode("utf-8", "replace")[:48]
        return blake2b(data, key=head, digest_size=16).digest()

    def get(self, key: bytes) -> str | None:
        if key in self._new:
            return self._new[key]
        row = self._try(lambda: self._database.execute(_GET, (key,)).fetchone())
        if not row or not isinstance(row[0], str):
            return None
        self.reused += 1
        self._seen.add(key)
        return row[0]

    def put(self, key: bytes, facts: str) -> None:
        self.added += 1
        self._new[key] = facts
        if len(self._new) >= _MAX_UNWRITTEN:
            self._write()

    def flush(self, *, prune: bool = False) -> None:
        """Write what is new; with `prune` also which day it is for what was used, and drop what
        has not been for long."""
        self._write()
        if prune:
            self._try(self._prune)
            self._seen = set()

    def close(self) -> None:
        self._write()
        self._try(self._database.close)

    def _write(self) -> None:
        rows = [(key, facts, self._today) for key, facts in self._new.items()]

        def work() -> None:
            with self._database as database:
                database.executemany(_PUT, rows)

        if rows:
            self._try(work)
            self._new = {}

    def _prune(self) -> None:
        with self._database as database:
            seen = ((self._today, key, self._today) for key in self._seen)
            database.executemany(_SEEN, seen)
            database.execute("DELETE FROM texts WHERE seen < ?", (self._today - _KEPT_DAYS,))

    def _try(self, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except sqlite3.Error as error:
            self._recover(error)
            return None

    def _recover(self, error: sqlite3.Error) -> None:
        """Begin anew: in memory, where the disk is full, or another server is slow."""
        with suppress(sqlite3.Error):
            self._database.close()
        self._broken += 1
        if self._broken > 1 or isinstance(error, sqlite3.OperationalError):
            self._database = _connect(":memory:")
        else:
            self._throw_away()
            self._database = self._open()

    def _open(self) -> sqlite3.Connection:
        for _ in range(2):
            try:
                # What SQLite puts beside it has the same mode.
                return _connect(str(private(self._path)))
            except (sqlite3.Error, OSError) as error:
                if isinstance(error, OSError | sqlite3.OperationalError):
                    break
                self._throw_away()
        return _connect(":memory:")

    def _throw_away(self) -> None:
        for ending in ("", "-wal", "-shm"):
            with suppress(OSError):
                self._path.with_name(self._path.name + ending).unlink()


def _connect(name: str) -> sqlite3.Connection:
    """Open the store. Raises sqlite3.Error, DatabaseError itself where the file is broken or of
    another schema."""
    # Calls come one after another, but not all from the same thread.
    database = sqlite3.connect(name, timeout=_BUSY_SECONDS, check_same_thread=False)
    try:
        database.execute("PRAGMA synchronous = NORMAL")
        (schema,) = database.execute("PRAGMA user_version").fetchone()
        if schema not in (0, _SCHEMA):
            raise sqlite3.DatabaseError(f"schema {schema}")
        if schema == 0:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(_TABLE)
            database.execute(f"PRAGMA user_version = {_SCHEMA}")
    except BaseException:
        database.close()
        raise
    return database
