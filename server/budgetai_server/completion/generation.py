"""What the model has said, kept: typing along a shown completion is answered without the model.

An answer is the text after one place, while it is said and afterwards. It also answers every
place inside of it, as long as the text around it is the same.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_server.inference.engine import Engine, Piece, Usage

_MOST_ANSWERS = 64
_MOST_CHARACTERS = 8_000_000
_CLOSERS = ")]}\"'`\n\t "
_MOST_CLOSERS = 40


@dataclass
class Generation:
    """The model's text after a place. Grows on the model's thread, is read on any.

    `ended` means that no more text will come, whoever asks: the model ended, or a stop rule.
    `prompt` is what the model was shown, once it was, and `engine` who says it.
    """

    snapshot: Snapshot
    text: str = ""
    ended: bool = False
    prompt: Prompt | None = None
    engine: Engine | None = None
    usage: Usage = field(default_factory=Usage)
    _ends: list[int] = field(default_factory=list)
    _logprobs: list[float | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.before = self.snapshot.text[: self.snapshot.cursor]
        self.after = self.snapshot.text[self.snapshot.cursor :]

    @property
    def size(self) -> int:
        return len(self.before) + len(self.after)

    def add(self, piece: Piece) -> None:
        """Take in the next token's text. Only the model's thread calls it."""
        self._logprobs.append(piece.logprob)
        self._ends.append(len(self.text) + len(piece.text))
        self.text += piece.text

    def typed(self, snapshot: Snapshot) -> str | None:
        """What has been typed since at the answer's place; None for another place or text."""
        here, there = self.snapshot, snapshot
        if (here.repository, here.path) != (there.repository, there.path):
            return None
        if there.cursor < here.cursor or not self._same_after(there):
            return None
        same = there.text.startswith(self.before)
        return there.text[here.cursor : there.cursor] if same else None

    def _same_after(self, there: Snapshot) -> bool:
        """Whether the text right of the cursor is the same, but for closers: editors put them in
        behind an opener, and let them be typed over."""
        added = len(there.text) - there.cursor - len(self.after)
        if abs(added) > _MOST_CLOSERS:
            return False
        closers = there.text[there.cursor : there.cursor + added] or self.after[: -added or 0]
        known = self.after[max(0, -added) :]
        return not closers.strip(_CLOSERS) and there.text.endswith(known)

    def may_agree(self, snapshot: Snapshot) -> bool:
        """Whether nothing said so far contradicts what has been typed."""
        typed = self.typed(snapshot)
        return typed is not None and (typed.startswith(self.text) or self.text.startswith(typed))

    def reach(self, offset: int, count: int) -> int | None:
        """Where the first `count` tokens behind an offset end; None while there are fewer."""
        ends = [end for end in self._ends if end > offset]
        return ends[max(0, count - 1)] if len(ends) >= max(1, count) else None

    def confidence(self, offset: int) -> float | None:
        """The geometric mean of the probabilities of the first measured tokens from an offset on;
        None where none was measured."""
        measured: list[float] = []
        for logprob, end in zip(self._logprobs, self._ends, strict=True):
            if end > offset:
                if logprob is None:
                    break
                measured.append(logprob)
        return math.exp(math.fsum(measured) / len(measured)) if measured else None


class GenerationCache:
    """The newest answers of one model. A new model starts with none."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Generation] = OrderedDict()

    def add(self, answer: Generation) -> None:
        self._kept[id(answer)] = answer
        while len(self._kept) > _MOST_ANSWERS or self._characters() > _MOST_CHARACTERS:
            if len(self._kept) == 1:
                break
            self._kept.popitem(last=False)

    def _characters(self) -> int:
        return sum(answer.size for answer in self._kept.values())

    def find(self, good: Callable[[Generation], bool]) -> Generation | None:
        """The newest answer that is good for something."""
        for key, answer in reversed(list(self._kept.items())):
            if good(answer):
                self._kept.move_to_end(key)
                return answer
        return None
