"""What both kinds of servers have in common: the seam between them, healing by text, the cut.

A dialect is one server as it was found at the first connection: its model, its markers, the size
of its context. When a server comes back after a failure, it is looked at anew.
"""

import re
from collections.abc import Callable, Generator, Iterator
from itertools import chain
from typing import Any, Protocol

from budgetai_core.context.prompt import Prompt
from budgetai_server.inference.engine import Piece, Usage
from budgetai_server.inference.remote.transport import Check

# As for a model in this process: what is kept free behind a prompt, and how a cut moves.
_SPARE = 64
_MIN_BEFORE = 64
_CUT_STEP = 128

# Taken where a server does not say how much it can hold.
CONTEXT = 4096

# The last word with the space in front of it, else the last signs, else the white space.
_LAST_PART = re.compile(r" ?\w{1,48}\Z| ?[^\w\s]{1,3}\Z|\s{1,64}\Z")


Pieces = Generator[Piece, None, None]


class ServerProtocol(Protocol):
    """How one server is spoken to."""

    model: str

    def ask(self, prompt: Prompt, limit: int, cancelled: Check, usage: Usage) -> Pieces:
        """Do as Engine.generate says. Closing it closes the connection."""

    def warm(self, prompt: Prompt, cancelled: Check) -> None:
        """Do as Engine.warm says."""


def room_for(context: int, limit: int) -> int:
    """Return how many tokens of a context a prompt may take when `limit` tokens are to follow."""
    return context - min(limit, context // 2) - _SPARE


def fit(
    prompt: Prompt, room: int, encode: Callable[[Prompt], tuple[list[int], list[int]]]
) -> tuple[list[int], list[int]]:
    """Return token ids in front of BEFORE, and of BEFORE, cut to `room` tokens.

    The shown parts go first, then the oldest of the text before the cursor.
    """
    head, before = encode(prompt)
    if len(head) > room - _MIN_BEFORE:
        head, before = encode(bare(prompt))
    excess = len(head) + len(before) - room
    if excess > 0:
        # In steps, so that typing on does not move the start with every key.
        before = before[-(-excess // _CUT_STEP) * _CUT_STEP :]
    return head, before


def bare(prompt: Prompt) -> Prompt:
    return Prompt(prompt.repository, prompt.path, (), "", prompt.before)


def last_part(before: str) -> tuple[str, str]:
    """Return BEFORE without its last word, and that word: what a tokenizer may have merged with
    what comes next. For servers that cannot be held to bytes."""
    match = _LAST_PART.search(before)
    taken = match.group() if match else ""
    return before[: len(before) - len(taken)], taken


def going_on(pieces: Iterator[Piece], taken: str) -> Iterator[Piece] | None:
    """Return what comes behind `taken` in an answer; None if the answer does not begin with it."""
    text = ""
    for piece in pieces:
        text += piece.text
        if text.startswith(taken):
            # Its probability is that of the taken part too, which the user has decided.
            return chain([Piece(text[len(taken) :])], pieces)
        if not taken.startswith(text):
            return None
    return None


def number(value: Any) -> int | None:
    """Return a count out of JSON; None if it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def ids_of(answer: Any) -> list[int] | None:
    """Return the token ids of a /tokenize answer; None if it holds none."""
    tokens = answer.get("tokens") if isinstance(answer, dict) else None
    if not isinstance(tokens, list) or any(number(token) is None for token in tokens):
        return None
    return tokens
