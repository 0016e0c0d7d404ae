"""From what became of items to the rows of the store, and whether what was accepted has stayed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from budgetai_server.completion.acceptance import Outcome
from budgetai_server.workspace.usage.store import EditRow, Row, UsageStore

# Seconds after which an accepted item is looked for.
KEPT_AFTER = 30.0


@dataclass(frozen=True)
class _Written:
    """The last row that was written, and the item it is of."""

    number: int
    row: int


class UsageRecorder:
    """Follows items from being shown to being over. Without a file nothing is kept.

    `text_of` gives the text of an open document, None for one that is closed. It is used in the
    event loop alone.
    """

    def __init__(
        self,
        file: Path | None,
        text_of: Callable[[str], str | None],
        kept_after: float = KEPT_AFTER,
    ) -> None:
        self._store = UsageStore(file) if file else None
        self._text_of = text_of
        self._kept_after = kept_after
        self._waits: dict[int, tuple[str, float]] = {}
        self._last: _Written | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        # Of next edits that are shown, the row of each by its number.
        self._edits: dict[int, int] = {}

    def record_shown(self, number: int, language: str, seconds: float) -> None:
        """Note an item shown in a language; the first time counts that it was waited for."""
        if self._store:
            self._waits.setdefault(number, (language, seconds * 1000))

    def record_outcome(self, outcome: Outcome) -> None:
        """Note what became of an item; a second time for the same item corrects the first."""
        if self._store is None:
            return
        if self._last and self._last.number == outcome.number:
            self._store.settle(self._last.row, outcome.fate, None)
        else:
            self._write(self._store, outcome)
        if outcome.fate == "accepted" and self._last:
            self._look_later(self._store, self._last.row, outcome)

    def record_edit(self, number: int, language: str, lines: int, seconds: float) -> None:
        """Note a next edit that is shown."""
        row = self._store and self._store.add_edit(EditRow(language, seconds * 1000, lines))
        if row:
            self._edits = {number: row}

    def record_edit_fate(self, number: int, fate: str) -> None:
        """Note that a next edit was "accepted" or "dismissed"."""
        row = self._edits.pop(number, None)
        if self._store and row:
            self._store.settle_edit(row, fate)

    def _write(self, store: UsageStore, outcome: Outcome) -> None:
        language, latency = self._waits.pop(outcome.number, ("", 0.0))
        text = outcome.text
        row = store.add(Row(language, latency, len(text), text.count("\n") + 1, outcome.fate))
        self._last = _Written(outcome.number, row) if row is not None else None

    def _look_later(self, store: UsageStore, row: int, outcome: Outcome) -> None:
        """Look later whether it has stayed: whether its text stands there as often as at first."""
        text = outcome.text.strip()
        before = self._count(outcome.document, text)

        def look() -> None:
            self._timers.discard(timer)
            now = self._count(outcome.document, text)
            if before and now is not None:
                store.settle(row, outcome.fate, now >= before)

        timer = asyncio.get_running_loop().call_later(self._kept_after, look)
        self._timers.add(timer)

    def _count(self, document: str, text: str) -> int | None:
        source = self._text_of(document)
        return source.count(text) if source is not None and text else None

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        if self._store:
            self._store.close()
