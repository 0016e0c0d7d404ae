"""The edits of one editor, grouped as a person groups them: what was changed until the keys have
rested. Nothing is looked at while a key is pressed.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from budgetai_core.context.common_prefix import common_length
from budgetai_core.repository.line_diff import hunks
from budgetai_server.next_edit.edit_rules import LineEdit

SETTLED_SECONDS = 1.0
# More than that at once is pasted, formatted, or came with another branch.
MAX_CHANGED_CHARACTERS = 20_000
# Documents of more are left alone, as they are by completions.
MAX_DOCUMENT_CHARACTERS = 4_000_000
# Settled states of a document that are known again when the user goes back to them.
_KEPT_STATES = 100


@dataclass(frozen=True)
class Settled:
    """What became of a document since it last rested: its edits, or the return to a state that it
    had after the edit of a number, `back_to`. `number` is that of the last edit."""

    edits: tuple[LineEdit, ...] = ()
    back_to: int | None = None


@dataclass
class _Followed:
    text: str
    changed: float | None = None
    states: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_KEPT_STATES))


class EditSession:
    """Documents, and what is done to them. Times are seconds of any one clock; `count` is how many
    edits there have been."""

    def __init__(self) -> None:
        self._followed: dict[str, _Followed] = {}
        self.count = 0

    def open(self, name: str, text: str) -> None:
        """Follow a document from a text on."""
        if len(text) <= MAX_DOCUMENT_CHARACTERS:
            self._followed[name] = _Followed(text)

    def close(self, name: str) -> None:
        self._followed.pop(name, None)

    def touch(self, name: str, now: float) -> None:
        """Note that a document was changed."""
        if followed := self._followed.pop(name, None):
            followed.changed = now
            self._followed[name] = followed

    @property
    def touched(self) -> tuple[str, ...]:
        """The documents that were changed since they last rested, the last one at the end."""
        return tuple(name for name, f in self._followed.items() if f.changed is not None)

    def rest(self, name: str) -> None:
        """Take a document for rested."""
        if followed := self._followed.get(name):
            followed.changed = -math.inf

    def rests_in(self, name: str, now: float) -> float:
        """Return the seconds until a document will have rested, if it is not changed again."""
        followed = self._followed.get(name)
        if followed is None or followed.changed is None:
            return 0.0
        return max(0.0, followed.changed + SETTLED_SECONDS - now)

    def had(self, name: str, text: str) -> bool:
        """Return whether a document had a text before."""
        followed = self._followed.get(name)
        return followed is not None and any(state == hash(text) for state, _ in followed.states)

    def settle(self, name: str, text: str) -> Settled:
        """Return what was done to a document since it last rested; it has `text` now."""
        followed = self._followed.get(name)
        if followed is None or len(text) > MAX_DOCUMENT_CHARACTERS:
            self._followed.pop(name, None)
            self.open(name, text)
            return Settled()
        before, followed.text, followed.changed = followed.text, text, None
        if before == text:
            return Settled()
        here = hash(text)
        known = next((number for state, number in followed.states if state == here), None)
        if known is not None:
            while followed.states and followed.states.pop()[0] != here:
                pass
            return Settled(back_to=known)
        followed.states.append((hash(before), self.count))
        edits = tuple(edits_between(name, before, text))
        self.count += len(edits)
        return Settled(edits)


def edits_between(name: str, before: str, after: str) -> Iterator[LineEdit]:
    """Yield the edits that lead from one text to another, from top to bottom; none where the texts
    differ over too long a stretch."""
    head = common_length(before, after)
    tail = common_length(before[head:][::-1], after[head:][::-1])
    if max(len(before), len(after)) - head - tail > MAX_CHANGED_CHARACTERS:
        return
    start = before.rfind("\n", 0, head) + 1
    old_end = before.find("\n", len(before) - tail)
    old_end = len(before) if old_end < 0 else old_end
    new_end = len(after) - (len(before) - old_end)
    old, new = before[start:old_end].split("\n"), after[start:new_end].split("\n")
    first_line = after.count("\n", 0, start)
    above = before[before.rfind("\n", 0, max(start - 1, 0)) + 1 : max(start - 1, 0)]
    below = before[old_end + 1 :].partition("\n")[0] if old_end < len(before) else ""
    for low, high, new_low, new_high in hunks(old, new):
        yield LineEdit(
            name,
            first_line + new_low,
            tuple(old[low:high]),
            tuple(new[new_low:new_high]),
            new[new_low - 1] if new_low else above,
            new[new_high] if new_high < len(new) else below,
        )
