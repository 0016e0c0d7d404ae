"""What became of the suggestions that were shown, told from how the text changes. No IO.

The protocol has no word for an accepted one. But it is put in by one change, whole or up to the end
of a word or a line, where typing puts in a character at a time. An editor that gathers a few keys
into one change is mistaken for an accepted word at times. An editor that runs a suggestion's
command when it is accepted says so for certain.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from budgetai_core.context.prompt import Snapshot
from budgetai_server.completion.text_edit import Suggestion

# One character that a change puts in has been typed.
_MIN_ACCEPTED_CHARACTERS = 2


@dataclass
class Counts:
    """Each suggestion that is over counts once: as accepted when its last piece was put in by a
    change of its own, as partly accepted when some other piece was, and else as dismissed."""

    shown: int = 0
    accepted: int = 0
    partly_accepted: int = 0
    dismissed: int = 0


@dataclass(frozen=True)
class Outcome:
    """What became of a suggestion in a document. `fate` is the name of one of the `Counts`."""

    number: int
    document: str
    text: str
    fate: str


class Recorder(Protocol):
    """A record of what became of suggestions."""

    def record_shown(self, number: int, language: str, seconds: float) -> None:
        """Record that a suggestion is shown in a file, for which the editor has waited some
        seconds."""

    def record_outcome(self, outcome: Outcome) -> None:
        """Record that it is shown no longer. A second outcome of the same number corrects the
        first."""


@dataclass(frozen=True)
class _Shown:
    """`text` was suggested at `start` of a document, in the place of `replaced`; `seen` characters
    of it stand there now. `taken` says that a change of their own has put some of them there."""

    number: int
    before: str
    text: str
    replaced: str
    after: str
    seen: int = 0
    taken: bool = False

    def there(self, text: str) -> int | None:
        """Return how many characters of it stand in a text; None if something else does."""
        size = len(text) - len(self.before) - len(self.after)
        if size < 0 or not (text.startswith(self.before) and text.endswith(self.after)):
            return None
        between = text[len(self.before) : len(self.before) + size]
        if between == self.text:
            return len(between)
        begun = between.removesuffix(self.replaced)
        kept = len(begun) + len(self.replaced) == len(between)
        return len(begun) if kept and self.text.startswith(begun) else None

    def rest(self, snapshot: Snapshot) -> str:
        """Return what is still to come at a place inside it; empty for any other place."""
        there = self.there(snapshot.text)
        inside = there is not None and snapshot.cursor == len(self.before) + there
        return self.text[there:] if inside else ""

    def takes(self, there: int) -> bool:
        """Return whether a change has put in a piece as accepting does: several characters, up to
        the end of a word, of a line or of all."""
        around = self.text[there - 1 : there + 1].replace("_", "a")
        cut_word = len(around) > 1 and around.isalnum()
        # With the last key that was missing, what it takes the place of belongs to it too.
        known = len(self.replaced) if there == len(self.text) else 0
        return there - self.seen - known >= _MIN_ACCEPTED_CHARACTERS and not cut_word


class Acceptance:
    """The suggestion that each document shows, and counts of all. Line ends of texts are \\n.

    `over` is called with what became of each, again where that turns out to be another thing.
    """

    def __init__(self, over: Callable[[Outcome], None] = lambda outcome: None) -> None:
        self.counts = Counts()
        self._tell = over
        self._shown: dict[str, _Shown] = {}
        self._last: Outcome | None = None

    def record_shown(self, document: str, snapshot: Snapshot, suggestion: Suggestion) -> int:
        """Take in that a suggestion is shown at a place, and return its number. One that says what
        was still to come there of the last one is not a new one."""
        before, after = snapshot.text[: snapshot.cursor], snapshot.text[snapshot.cursor :]
        replaced, after = after[: suggestion.replaces], after[suggestion.replaces :]
        last = self._shown.get(document)
        rest = last.rest(snapshot) if last else ""
        if last and rest and (rest.startswith(suggestion.text) or suggestion.text.startswith(rest)):
            text = last.text.removesuffix(rest) + suggestion.text
            kept = replace(last, text=text, replaced=replaced, after=after)
            self._shown[document] = kept
            return kept.number
        self._over(document)
        self.counts.shown += 1
        number = self.counts.shown
        self._shown[document] = _Shown(number, before, suggestion.text, replaced, after)
        return number

    def rest(self, document: str, snapshot: Snapshot) -> Suggestion | None:
        """Return what is still to come of what is shown at a place inside it, so that it stays as
        it is while it is typed or accepted in part."""
        shown = self._shown.get(document)
        rest = shown.rest(snapshot) if shown else ""
        return Suggestion(rest, replaces=len(shown.replaced)) if shown and rest else None

    def change(self, document: str, text: str) -> None:
        """Follow a change of the document's text."""
        shown = self._shown.get(document)
        there = shown.there(text) if shown else None
        if shown is None or there is None:
            self._over(document)
            return
        takes = shown.takes(there)
        self._shown[document] = replace(shown, seen=there, taken=shown.taken or takes)
        if there == len(shown.text):
            self._over(document, whole=takes)

    def confirm(self, number: int) -> None:
        """Count a suggestion that the editor says was put in whole, however its text has changed
        since."""
        for document, shown in self._shown.items():
            if shown.number == number:
                self._over(document, whole=True)
                return
        last = self._last
        if last and last.number == number and last.fate != "accepted":
            self._count(last.fate, -1)
            self._ended(replace(last, fate="accepted"))

    def close(self, document: str) -> None:
        self._over(document)

    def _over(self, document: str, *, whole: bool = False) -> None:
        if shown := self._shown.pop(document, None):
            partly = "partly_accepted" if shown.taken else "dismissed"
            fate = "accepted" if whole else partly
            self._ended(Outcome(shown.number, document, shown.text, fate))

    def _ended(self, outcome: Outcome) -> None:
        self._last = outcome
        self._count(outcome.fate, 1)
        self._tell(outcome)

    def _count(self, fate: str, by: int) -> None:
        setattr(self.counts, fate, getattr(self.counts, fate) + by)
