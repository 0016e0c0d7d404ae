"""What the model has generated, kept: typing along a suggestion is answered without the model.

A generation is the text after one place, while it grows and afterwards. It also serves every place
inside of it, as long as the text around it is the same.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from budgetai_core.context import prompt as prompts
from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_server.completion.postprocess import is_degenerate
from budgetai_server.inference.engine import Engine, Piece, Usage

T = TypeVar("T")

_MAX_KEPT = 64
_MAX_KEPT_CHARACTERS = 8_000_000
_CLOSERS = ")]}\"'`\n\t "
_MAX_CLOSERS = 40


@dataclass
class Generation:
    """The model's text after a place. Grows on the model's thread, is read on any.

    `ended` means that no more text will come, whoever asks: the model ended, or a stop rule.
    `prompt` is what the model was shown, once it was, and `engine` whose text it is.
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

    def add(self, piece: Piece) -> None:
        """Take in the next token's text. Only the model's thread calls it."""
        self._logprobs.append(piece.logprob)
        self._ends.append(len(self.text) + len(piece.text))
        self.text += piece.text

    def typed(self, snapshot: Snapshot) -> str | None:
        """Return what has been typed since at its place; None for another place or text."""
        here, there = self.snapshot, snapshot
        if (here.repository, here.path) != (there.repository, there.path):
            return None
        if there.cursor < here.cursor or not self._same_after(there):
            return None
        same = there.text.startswith(self.before)
        return there.text[here.cursor : there.cursor] if same else None

    def _same_after(self, there: Snapshot) -> bool:
        """Return whether the text right of the cursor is the same, but for closers: editors put
        them in behind an opener, and let them be typed over."""
        added = len(there.text) - there.cursor - len(self.after)
        if abs(added) > _MAX_CLOSERS:
            return False
        closers = there.text[there.cursor : there.cursor + added] or self.after[: -added or 0]
        known = self.after[max(0, -added) :]
        return not closers.strip(_CLOSERS) and there.text.endswith(known)

    def may_agree(self, snapshot: Snapshot) -> bool:
        """Return whether nothing generated so far contradicts what has been typed."""
        typed = self.typed(snapshot)
        return typed is not None and (typed.startswith(self.text) or self.text.startswith(typed))

    def end_of(self, offset: int, tokens: int) -> int | None:
        """Return where the first `tokens` behind a character offset end; None while there are
        fewer."""
        ends = [end for end in self._ends if end > offset]
        return ends[max(0, tokens - 1)] if len(ends) >= max(1, tokens) else None

    def confidence(self, offset: int) -> float | None:
        """Return the geometric mean of the probabilities of the first measured tokens from a
        character offset on; None where none was measured."""
        measured: list[float] = []
        for logprob, end in zip(self._logprobs, self._ends, strict=True):
            if end > offset:
                if logprob is None:
                    break
                measured.append(logprob)
        return math.exp(math.fsum(measured) / len(measured)) if measured else None


@dataclass(frozen=True)
class StopPolicy:
    """When generating stops although the model has not ended: after `max_tokens`, and, where
    nobody waits for it, with `lookahead_lines` more than the first. Those are decoded ahead: typing
    on finds them in the cache."""

    max_tokens: int
    lookahead_lines: int = 3

    def lookahead_reached(self, generation: Generation) -> bool:
        """Return whether as many lines are there as are worth it before anyone asks for them."""
        text = generation.text
        return text.count("\n") > self.lookahead_lines and text.strip() != ""


def generate(
    engine: Engine,
    generation: Generation,
    index: Index | None,
    stop: StopPolicy,
    cancelled: Callable[[], bool],
    enough: Callable[[], bool],
    last: Prompt | None = None,
) -> None:
    """Let the model write until it ends, the text degenerates, the limit is reached, or `enough`,
    which is asked after each token. `last` is an earlier prompt, as for prompt.build. Raises
    Cancelled, and leaves what has been generated."""
    generation.prompt = prompts.build(generation.snapshot, index, engine.limits, last)
    for piece in engine.generate(generation.prompt, stop.max_tokens, cancelled, generation.usage):
        generation.add(piece)
        generation.ended = is_degenerate(generation.after, generation.text)
        if generation.ended or enough():
            return
    # The limit is ours, not the text's: a place near the end will be asked anew.
    generation.ended = generation.usage.answer_tokens < stop.max_tokens


class GenerationCache:
    """The newest generations of one model. A new model starts with none."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Generation] = OrderedDict()

    def add(self, generation: Generation) -> None:
        self._kept[id(generation)] = generation
        while len(self._kept) > 1 and (
            len(self._kept) > _MAX_KEPT
            or sum(len(kept.snapshot.text) for kept in self._kept.values()) > _MAX_KEPT_CHARACTERS
        ):
            self._kept.popitem(last=False)

    def first(self, read: Callable[[Generation], T | None]) -> T | None:
        """Return what `read` makes of the newest generation of which it makes anything."""
        for key, generation in reversed(list(self._kept.items())):
            result = read(generation)
            if result is not None:
                self._kept.move_to_end(key)
                return result
        return None
