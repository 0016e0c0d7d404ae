"""How fast this machine runs a model, and what follows from it for prompts and answers."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from budgetai_core.context.window import Limits

_SIZES = (1, 2, 4, 8, 16)
_REPEATS = 3
# A prompt never seen may take so many times the warm target, at most: it is often evaluated ahead,
# and rarely full. Less context costs quality: with 577, 403 and 295 tokens on average 38, 34 and
# 29 % of 80 lines were exact (Qwen2.5-Coder-0.5B, untuned).
_COLD = 11.0
# A line may take twice the target, a block four times, or it is not worth its wait.
_LINE, _BLOCK = 2.0, 4.0
_SHORTEST_LINE, _SHORTEST_BLOCK, _LONGEST = 16, 40, 96
_CHARACTERS = 3.2
_LEAST_PROMPT = 256
# The part of a short prompt that is other files', and what is too little of them to be of use, in
# characters.
_FOREIGN, _LEAST_FOREIGN = 0.15, 200

MOST_PROMPT = round((Limits().before + Limits().after + Limits().chunks) / _CHARACTERS)
"""Tokens of the prompt that the trainer shows; longer ones are outside the tuned experience."""


@dataclass(frozen=True)
class SpeedProfile:
    """`prefill` in tokens per second; `batches` holds seconds for 1, 2, 4, 8 and 16 tokens.

    The defaults are two cores and 0.5B parameters: they count until something is measured.
    """

    prefill: float = 220.0
    batches: tuple[float, ...] = field(default=(0.023, 0.040, 0.057, 0.098, 0.154))

    def __post_init__(self) -> None:
        """Raises ValueError for what no machine can be: kept speeds may be broken."""
        if len(self.batches) != len(_SIZES) or not all(
            0 < value < math.inf for value in (self.prefill, *self.batches)
        ):
            raise ValueError(f"no speed: {self.prefill}, {self.batches}")

    @classmethod
    def of(cls, run: Callable[[int, int], float], batch: int) -> "SpeedProfile":
        """Measure with `run(position, count)`, which evaluates tokens and returns seconds.

        The least of several times counts: what else runs can only make them longer.
        """
        run(0, batch)
        full = min(run(batch * step, batch) for step in (1, 2))
        sizes = [min(run(batch * 3, size) for _ in range(_REPEATS)) for size in _SIZES]
        return cls(batch / full, tuple(sizes))

    @property
    def decode(self) -> float:
        """Tokens per second, one after another."""
        return 1.0 / self.batches[0]

    def cost(self, count: int) -> float:
        """Seconds for a batch of `count` tokens, between the measured sizes on a line."""
        for (low, start), (high, end) in zip(
            zip(_SIZES, self.batches, strict=True),
            zip(_SIZES[1:], self.batches[1:], strict=True),
            strict=False,
        ):
            if count <= high:
                return start + (end - start) * (count - low) / (high - low)
        return self.batches[-1] * count / _SIZES[-1]


@dataclass(frozen=True)
class Plan:
    """What a machine can do in time: how much context, how long an answer, whether blocks.

    `prompt` is the length of a prompt in tokens, `line` and `block` the longest answers; a `block`
    of 0 means lines alone.
    """

    prompt: int
    line: int
    block: int

    @classmethod
    def full(cls) -> "Plan":
        """All that is trained for, where the speed is not ours to measure."""
        return cls(MOST_PROMPT, _LONGEST, _LONGEST)

    @property
    def limits(self) -> Limits:
        """The prompt's length in characters: code has 3.2 of them for a token, or more.

        Where there is not time for all, the text around the cursor goes last: with 2,400 and 800
        characters of it 47 % of 60 lines were exact, with 1,400 and 400 of it and 900 of other
        files 37 %. A little of other files stays: without it, lines that need one are guesswork.
        """
        full, characters = Limits(), round(_CHARACTERS * self.prompt)
        around = full.before + full.after
        chunks = min(full.chunks, max(characters - around, round(_FOREIGN * characters)))
        chunks = chunks if chunks >= _LEAST_FOREIGN else 0
        share = min(1.0, (characters - chunks) / around)
        return replace(full.scaled(share), chunks=chunks)

    def __str__(self) -> str:
        block = f"blocks of up to {self.block}" if self.block else "no blocks"
        return f"prompts of {self.prompt} tokens, lines of up to {self.line}, {block}"


def plan(speed: SpeedProfile, latency: float) -> Plan:
    """From measured speed and the target for a warm request, in seconds."""
    decode_time = max(0.0, latency - speed.cost(4))
    line = round(_LINE * decode_time * speed.decode)
    block = round(_BLOCK * decode_time * speed.decode)
    return Plan(
        max(_LEAST_PROMPT, min(MOST_PROMPT, round(_COLD * latency * speed.prefill))),
        max(_SHORTEST_LINE, min(_LONGEST, line)),
        min(_LONGEST, block) if block >= _SHORTEST_BLOCK else 0,
    )
