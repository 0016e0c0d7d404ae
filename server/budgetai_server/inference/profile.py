"""How fast this machine runs a model, and what follows from it for prompts and answers.

Measured speeds are kept per model and machine, so that only the first start measures:

<home>/speeds.json      {key: {"prefill": tokens/s, "batches": [seconds, …]}}
"""

import contextlib
import hashlib
import json
import math
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from budgetai_core.artifacts.atomic_write import write_json
from budgetai_core.artifacts.layout import home
from budgetai_core.context.window import WindowLimits

# llama.cpp takes other ways through a matrix at 2, 5 and 9 tokens: the time jumps there.
_SIZES = (1, 2, 4, 5, 8, 9, 16)
_REPEATS = 3
# A prompt never seen may take so many times the warm target, at most: it is often evaluated ahead,
# and rarely full. Less context costs quality: with 577, 403 and 295 tokens on average 38, 34 and
# 29 % of 80 lines were exact (Qwen2.5-Coder-0.5B, untuned).
_COLD_TARGETS = 11.0
# A line may take twice the target, a block four times, or it is not worth its wait.
_LINE_TARGETS, _BLOCK_TARGETS = 2.0, 4.0
_MIN_LINE_TOKENS, _MIN_BLOCK_TOKENS, _MAX_ANSWER_TOKENS = 16, 40, 96
_CHARACTERS_PER_TOKEN = 3.2
_MIN_PROMPT_TOKENS = 256
# The part of a short prompt that is other files', and what is too little of them to be of use, in
# characters.
_CHUNKS_SHARE, _MIN_CHUNK_CHARACTERS = 0.15, 200

MAX_PROMPT_TOKENS = round(WindowLimits().characters / _CHARACTERS_PER_TOKEN)
"""Tokens of the prompt that the trainer shows; longer ones are outside the tuned experience."""


# Text that has so many times the tokens of usual code is cut to them.
_DENSE = 1.25


def max_prompt_tokens(characters: int) -> int:
    """Return how many tokens a prompt of so many characters may have. Time is spent on tokens, and
    3,200 characters are 1,000 of them in usual code, and up to 3,000 in Chinese or in numbers."""
    return round(_DENSE * characters / _CHARACTERS_PER_TOKEN)


@dataclass(frozen=True)
class SpeedProfile:
    """`prefill` in tokens per second; `batches` holds seconds for 1, 2, 4, 5, 8, 9 and 16 tokens.

    The defaults are two cores and 0.5B parameters: they count until something is measured.
    """

    prefill: float = 220.0
    batches: tuple[float, ...] = field(default=(0.023, 0.040, 0.057, 0.067, 0.098, 0.105, 0.154))

    def __post_init__(self) -> None:
        """Raise ValueError for what no machine can be: kept speeds may be broken."""
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
        """Return seconds for a batch of `count` tokens, between the measured sizes on a line."""
        for (low, start), (high, end) in zip(
            zip(_SIZES, self.batches, strict=True),
            zip(_SIZES[1:], self.batches[1:], strict=True),
            strict=False,
        ):
            if count <= high:
                return start + (end - start) * (count - low) / (high - low)
        return self.batches[-1] * count / _SIZES[-1]


def speed_key(model: Path, *details: object) -> str:
    """Return a name for a model file on this machine; `details` are what else its speed depends
    on."""
    stat = model.stat()
    parts = (model.name, stat.st_size, platform.node(), platform.processor(), *details)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def kept_speed(key: str) -> SpeedProfile | None:
    """Return what was kept under a key; None where nothing was, or nothing that a machine can
    be."""
    try:
        kept = _speeds()[key]
        return SpeedProfile(float(kept["prefill"]), tuple(map(float, kept["batches"])))
    except (KeyError, TypeError, ValueError):
        return None


def keep_speed(key: str, speed: SpeedProfile) -> None:
    """Keep a speed. A home that cannot be written costs the next start a measurement, no more."""
    try:
        home().mkdir(parents=True, exist_ok=True)
        write_json(home() / "speeds.json", _speeds() | {key: asdict(speed)})
    except OSError:
        pass


def forget_speeds() -> None:
    """Forget what was measured of this machine, so that the next start measures it."""
    with contextlib.suppress(OSError):
        (home() / "speeds.json").unlink()


def _speeds() -> dict[str, Any]:
    try:
        speeds = json.loads((home() / "speeds.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return speeds if isinstance(speeds, dict) else {}


@dataclass(frozen=True)
class TokenBudget:
    """What a machine can do in time: how much context, how long an answer, whether blocks.

    `prompt` is the length of a prompt in tokens, `line` and `block` the longest answers; a `block`
    of 0 means lines alone.
    """

    prompt: int
    line: int
    block: int

    @classmethod
    def full(cls) -> "TokenBudget":
        """Return all that is trained for, where the speed is not ours to measure."""
        return cls(MAX_PROMPT_TOKENS, _MAX_ANSWER_TOKENS, _MAX_ANSWER_TOKENS)

    @property
    def limits(self) -> WindowLimits:
        """The prompt's length in characters: code has 3.2 of them for a token, or more.

        Where there is not time for all, the text around the cursor goes last: with 2,400 and 800
        characters of it 47 % of 60 lines were exact, with 1,400 and 400 of it and 900 of other
        files 37 %. A little of other files stays: without it, lines that need one are guesswork.
        """
        full, characters = WindowLimits(), round(_CHARACTERS_PER_TOKEN * self.prompt)
        around = full.before + full.after
        chunks = min(full.chunks, max(characters - around, round(_CHUNKS_SHARE * characters)))
        chunks = chunks if chunks >= _MIN_CHUNK_CHARACTERS else 0
        share = min(1.0, (characters - chunks) / around)
        return replace(full.scaled(share), chunks=chunks)

    def __str__(self) -> str:
        block = f"blocks of up to {self.block}" if self.block else "no blocks"
        return f"prompts of {self.prompt} tokens, lines of up to {self.line}, {block}"


def token_budget(speed: SpeedProfile, latency: float) -> TokenBudget:
    """Return what fits measured speed and the target for a warm request, in seconds."""
    decode_time = max(0.0, latency - speed.cost(4))
    line = round(_LINE_TARGETS * decode_time * speed.decode)
    block = round(_BLOCK_TARGETS * decode_time * speed.decode)
    return TokenBudget(
        max(
            _MIN_PROMPT_TOKENS,
            min(MAX_PROMPT_TOKENS, round(_COLD_TARGETS * latency * speed.prefill)),
        ),
        max(_MIN_LINE_TOKENS, min(_MAX_ANSWER_TOKENS, line)),
        min(_MAX_ANSWER_TOKENS, block) if block >= _MIN_BLOCK_TOKENS else 0,
    )
