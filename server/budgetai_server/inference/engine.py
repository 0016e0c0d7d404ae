"""The seam: what a completion needs of a model, wherever the model runs.

A prompt in its parts goes in, pieces of text come out, one after another. Tokens, caches and
sockets stay behind the seam.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from budgetai_core.context.prompt import Prompt
from budgetai_core.context.window import WindowLimits


class Cancelled(Exception):
    """The work is no longer wanted. What was evaluated stays in the cache."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The text of one token; it may be empty while a character is not complete.

    `logprob` is the natural logarithm of the token's probability; None where it was not measured.
    """

    text: str
    logprob: float | None = None


@dataclass
class Usage:
    """What one generation cost: token counts, and seconds.

    `drafted` tokens were proposed without the model, `accepted` ones were what it would have said.
    `prompt_seconds` end when the first token can be chosen, `answer_seconds` start there;
    `model_seconds` were spent inside llama.cpp, or waiting for a server. `spliced` says that parts
    of the prompt were evaluated when others stood before them.
    """

    prompt_tokens: int = 0
    evaluated_tokens: int = 0
    answer_tokens: int = 0
    drafted: int = 0
    accepted: int = 0
    prompt_seconds: float = 0.0
    answer_seconds: float = 0.0
    model_seconds: float = 0.0
    spliced: bool = False


class Engine(Protocol):
    """One model. Not thread-safe: one thread calls `generate` and `warm`."""

    @property
    def name(self) -> str:
        """What is served, for messages; unique enough to key a cache."""

    @property
    def state(self) -> str:
        """ready, or what keeps it from answering: connecting, or "down: " and the reason. May be
        read from any thread."""

    @property
    def ahead(self) -> bool:
        """Whether prompts are evaluated before anyone asks: not where others share the model."""

    @property
    def limits(self) -> WindowLimits:
        """How much text a prompt may show."""

    def generate(
        self, prompt: Prompt, limit: int, cancelled: Callable[[], bool], usage: Usage
    ) -> Iterator[Piece]:
        """Yield what the model says after `prompt.before`, greedily, at most `limit` tokens.

        Ends where the model ends the text. Raises Cancelled soon after `cancelled` becomes true,
        and ModelError when the model cannot be reached or cannot go on. May be closed at any time.
        """

    def warm(self, prompt: Prompt, cancelled: Callable[[], bool], usage: Usage) -> None:
        """Evaluate a prompt ahead of its request, and exactly. Raises as `generate` does."""

    def learn(self, texts: Iterable[str]) -> None:
        """Take in the repository's code as a source of drafts. May be called from any thread."""

    def close(self) -> None: ...
