"""Which KV sequence takes a prompt: what is in memory is reused, what is oldest makes way.

Pure bookkeeping over token ids; it mirrors what llama.cpp holds and never asks it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float32]

# A sequence that shares less than this with a prompt holds another place, worth keeping.
_SAME_PLACE = 0.5
# Copying a sequence costs some milliseconds: evaluating so many tokens costs more.
_WORTH_COPYING = 16
_MARKS = 4


@dataclass
class Held:
    """The tokens that one sequence holds, evaluated in this order.

    `marks` are logits after the first n tokens, kept from earlier prompts: while a word is typed
    its prompt stays the same, and needs no evaluation at all. `used` grows with use.
    """

    number: int
    tokens: list[int] = field(default_factory=list)
    marks: dict[int, Logits] = field(default_factory=dict)
    used: int = 0

    def common(self, prompt: Sequence[int]) -> int:
        """How many tokens the sequence and a prompt begin with alike."""
        return common_length(self.tokens, prompt)

    def cut(self, length: int) -> None:
        """Keep the first `length` tokens."""
        del self.tokens[length:]
        self.marks = {place: mark for place, mark in self.marks.items() if place <= length}

    def mark(self, logits: Logits) -> None:
        """Remember the logits after all tokens held now."""
        self.marks.pop(len(self.tokens), None)
        self.marks[len(self.tokens)] = logits.copy()
        while len(self.marks) > _MARKS:
            del self.marks[next(iter(self.marks))]


class Sequences:
    """A fixed number of sequences, the least recently used one given away first."""

    def __init__(self, count: int) -> None:
        self.all = [Held(number) for number in range(count)]
        self._clock = 0

    def take(self, prompt: Sequence[int]) -> tuple[Held, Held | None]:
        """The sequence to evaluate a prompt in, still with what it holds, and one to copy into it
        first, if there is one that begins more like the prompt.

        That is the sequence that begins most like the prompt, if it holds the same place;
        otherwise an empty one, or the one not used for longest.
        """
        best = max(self.all, key=lambda held: (held.common(prompt), held.used))
        source = None
        shared = best.common(prompt)
        if shared < _SAME_PLACE * min(len(prompt), len(best.tokens)) or not best.tokens:
            target = min(self.all, key=lambda held: (bool(held.tokens), held.used))
            if shared >= target.common(prompt) + _WORTH_COPYING:
                source = best
            best = target
        self._clock += 1
        best.used = self._clock
        return best, source


def common_length(a: Sequence[int], b: Sequence[int]) -> int:
    """The length of the longest common beginning."""
    low, high = 0, min(len(a), len(b))
    # Comparing slices is done in C: a prompt has a thousand tokens, and each key compares.
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
