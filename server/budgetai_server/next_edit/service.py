"""The next edit for an editor: what was edited is learned once the keys rest, and one edit is shown
at a time, for the very text that it was made for."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from budgetai_core.context.languages import Language
from budgetai_server.next_edit.edit_session import EditSession
from budgetai_server.next_edit.proposer import Documents, NextEdits, Proposal


class EditRecorder(Protocol):
    """A record of the next edits that were shown, and of what became of them."""

    def record_edit(self, number: int, language: str, lines: int, seconds: float) -> None:
        """Record that an edit is shown, which took some seconds to make."""

    def record_edit_fate(self, number: int, fate: str) -> None:
        """Record that it was "accepted" or "dismissed"; what is neither was passed over."""


@dataclass(frozen=True)
class ShownEdit:
    """A proposal by its number. `made` is what the document becomes by it."""

    number: int
    proposal: Proposal
    made: str


class NextEditService:
    """One editor's documents by name: a path in the workspace, or else a URI.

    `holding` finds other files that hold a text, those near to a document first.
    """

    def __init__(
        self,
        language: Callable[[str, str], Language | None],
        recorder: EditRecorder,
        holding: Callable[[str, str], Iterable[tuple[str, str]]] = lambda text, near: (),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._language, self._recorder, self._holding = language, recorder, holding
        self._clock, self._sleep = clock, sleep
        self._session = EditSession()
        self._edits = NextEdits(language)
        # As they were when the keys rested; and how those are read that were changed since.
        self._texts: dict[str, str] = {}
        self._read: dict[str, Callable[[], str]] = {}
        # Where the last edit ended: the document, and the line behind it.
        self._last: tuple[str, int] | None = None
        self._shown: ShownEdit | None = None
        # What the user has said to be taken, whose text may come later.
        self._taken: ShownEdit | None = None
        # What was asked last, and how often a document had come, gone or changed.
        self._asked = ("", -1)
        self._changes = self._number = 0

    def changed(self, name: str, read: Callable[[], str]) -> None:
        """Take note of a document that was opened or changed; `read` returns its text. It is called
        when the keys rest: a key in a large document would wait for it."""
        self._changes += 1
        if name not in self._texts:
            self._texts[name] = read()
            self._session.open(name, self._texts[name])
            return
        self._read[name] = read
        self._session.touch(name, self._clock())
        shown, self._taken = self._shown or self._taken, None
        if shown and shown.proposal.document == name and shown.made == read():
            # It was taken, and what comes next is wanted at once.
            self._end_shown("accepted")
            self._session.rest(name)

    def closed(self, name: str) -> None:
        self._texts.pop(name, None)
        self._read.pop(name, None)
        self._changes += 1
        self._session.close(name)
        if self._shown and self._shown.proposal.document == name:
            self._shown = None

    async def next_edit(self, name: str) -> ShownEdit | None:
        """Return the next edit for who works in a document; None where there is none, and where a
        document is changed before the keys have rested."""
        if name not in self._texts:
            return None
        before = self._changes
        while wait := self._session.rests_in(name, self._clock()):
            await self._sleep(wait)
            if self._changes != before:
                return None
        if self._asked == (name, before):
            return self._shown
        self._asked, self._shown = (name, before), None
        if self._settle():
            return None
        began = time.perf_counter()
        self._shown = self._make(name)
        if self._shown:
            proposal = self._shown.proposal
            language = self._language(proposal.document, "")
            self._recorder.record_edit(
                self._shown.number,
                language.name if language else "",
                max(len(proposal.old), len(proposal.new)),
                time.perf_counter() - began,
            )
        return self._shown

    def accepted(self, number: int) -> None:
        """Take note that the user has taken an edit."""
        if self._shown and self._shown.number == number:
            self._taken = self._shown
            self._end_shown("accepted")

    def dismissed(self, number: int) -> None:
        """Take note that the user wants none of an edit. It does not come again."""
        if self._shown and self._shown.number == number:
            self._end_shown("dismissed")

    def _end_shown(self, fate: str) -> None:
        if self._shown:
            self._recorder.record_edit_fate(self._shown.number, fate)
            self._shown = None

    def _settle(self) -> bool:
        """Learn what was done since the keys last rested. Return whether it was undone."""
        undone = False
        for name in self._session.touched:
            self._texts[name] = text = self._read.pop(name)()
            settled = self._session.settle(name, text)
            if settled.back_to is not None:
                self._edits.forget_after(settled.back_to)
                self._last, undone = None, True
            for edit in settled.edits:
                self._edits.record(edit, text)
                self._last, undone = (name, edit.end), False
        return undone

    def _make(self, name: str) -> ShownEdit | None:
        if self._last is None or self._last[0] not in self._texts:
            return None
        where, line = self._last
        # Who has gone to another document looks from its top.
        line = line if where == name else 0
        documents = Documents(self._texts, self._holding)
        proposal = self._edits.propose(name, line, documents)
        if proposal is None:
            return None
        text = self._texts.get(proposal.document)
        made = "" if text is None else _applied(proposal, text)
        if text is not None and self._session.had(proposal.document, made):
            # It would bring back what the user has changed.
            return None
        self._number += 1
        return ShownEdit(self._number, proposal, made)


def _applied(proposal: Proposal, text: str) -> str:
    lines = text.split("\n")
    return "\n".join([*lines[: proposal.first], *proposal.new, *lines[proposal.last :]])
