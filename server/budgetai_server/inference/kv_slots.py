"""Which KV sequence takes a prompt: what is in memory is reused, what is oldest makes way.

Pure bookkeeping over token ids; it mirrors what llama.cpp holds and never asks it.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from budgetai_core.context.common_prefix import common_length

Logits = npt.NDArray[np.float32]

# A sequence that shares less than this with a prompt holds another place, worth keeping.
_SAME_PLACE = 0.5
# Copying a sequence costs some milliseconds: evaluating so many tokens costs more.
_MIN_COPIED_TOKENS = 16
_MAX_MARKS = 2
# A cursor that moves down by a few lines takes so many tokens at most from the text after it, and
# so many new ones at most stand where the rest is joined.
_MAX_GAP_TOKENS, _MAX_JOINT_TOKENS = 120, 3
# So many tokens in a row have to be the same for the rest to be used.
_MIN_AGREEING_TOKENS = 24


@dataclass
class KVSlot:
    """The tokens that one sequence holds, evaluated in this order.

    `marks` are logits after the first n tokens, kept from earlier prompts: while a word is typed
    its prompt stays the same, and needs no evaluation at all. `used` grows with use. Tokens from
    `exact` on have seen others that have been taken out since. The first `full` were evaluated in
    full batches, which end at multiples of their size; see KVCache. What was evaluated with one
    `adapter` is of no use to another.
    """

    number: int
    tokens: list[int] = field(default_factory=list)
    marks: dict[int, Logits] = field(default_factory=dict)
    used: int = 0
    exact: int = sys.maxsize
    full: int = 0
    adapter: str = ""

    @property
    def spliced(self) -> bool:
        return self.exact < sys.maxsize

    def common(self, prompt: Sequence[int], adapter: str = "", *, exact: bool = False) -> int:
        """Return how many tokens the sequence and a prompt for an adapter begin with alike; if
        `exact`, only those that were evaluated with all of them in front."""
        common = common_length(self.tokens, prompt) if adapter == self.adapter else 0
        return min(common, self.exact) if exact else common

    def cut(self, length: int) -> None:
        """Keep the first `length` tokens."""
        self.exact = self.exact if length > self.exact else sys.maxsize
        self.full = min(self.full, length)
        del self.tokens[length:]
        self.marks = {place: mark for place, mark in self.marks.items() if place <= length}

    def mark(self, logits: Logits) -> None:
        """Remember the logits (vocabulary,) after all tokens held now."""
        self.marks.pop(len(self.tokens), None)
        self.marks[len(self.tokens)] = logits.copy()
        while len(self.marks) > _MAX_MARKS:
            del self.marks[next(iter(self.marks))]


class KVSlots:
    """A fixed number of sequences for all adapters, the least recently used one given away first.
    An `adapter` is named by what the owner calls it; "" is the model without any."""

    def __init__(self, count: int) -> None:
        self.all = [KVSlot(number) for number in range(count)]
        self._clock = 0

    def take(
        self, prompt: Sequence[int], adapter: str = "", *, exact: bool = False
    ) -> tuple[KVSlot, KVSlot | None]:
        """Return the sequence to evaluate a prompt in, still with what it holds, and one to copy
        into it first, if there is one that begins more like the prompt. What it holds may be
        another adapter's, and is then to be dropped.

        That is the sequence that begins most like the prompt, if it holds the same place;
        otherwise an empty one, or the one not used for longest.
        """

        def likeness(slot: KVSlot) -> tuple[int, bool, int]:
            return slot.common(prompt, adapter, exact=exact), not slot.spliced, slot.used

        best = max(self.all, key=likeness)
        source = None
        shared = best.common(prompt, adapter, exact=exact)
        if shared < _SAME_PLACE * min(len(prompt), len(best.tokens)) or not shared:
            target = min(self.all, key=lambda slot: (bool(slot.tokens), slot.used))
            if shared >= target.common(prompt, adapter, exact=exact) + _MIN_COPIED_TOKENS:
                source = best
            best = target
        self._clock += 1
        best.used = self._clock
        return best, source

    def similar(
        self, prompt: Sequence[int], adapter: str = ""
    ) -> tuple[KVSlot, tuple[int, int, int]] | None:
        """Return a sequence that a splice brings further than any does now, and the splice."""
        best = max(slot.common(prompt, adapter) for slot in self.all)
        if best >= len(prompt) / 2:
            return None
        for slot in sorted(self.all, key=lambda slot: -slot.used):
            if slot.adapter != adapter:
                continue
            if fitting := splice(slot.tokens, prompt):
                place, gone, new = fitting
                joined = [*prompt[: place + new], *slot.tokens[place + gone :]]
                if common_length(joined, prompt) > len(prompt) / 2:
                    return slot, fitting
        return None


def splice(cached: Sequence[int], prompt: Sequence[int]) -> tuple[int, int, int] | None:
    """Return where tokens can be taken out of a sequence so that what follows them fits a prompt
    again: the place, how many tokens go, and how many new ones would stand there.

    None where nothing fits, or too little to be worth it.
    """
    place = common_length(cached, prompt)
    for gone in range(1, min(_MAX_GAP_TOKENS, len(cached) - place) + 1):
        for new in range(min(_MAX_JOINT_TOKENS, gone) + 1):
            ahead = prompt[place + new : place + new + _MIN_AGREEING_TOKENS]
            if (
                len(ahead) == _MIN_AGREEING_TOKENS
                and ahead == cached[place + gone : place + gone + _MIN_AGREEING_TOKENS]
            ):
                return place, gone, new
    return None
