"""The story of a completion: snapshot → prompt → pieces of text → what is shown."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from budgetai_server.answers import Answer
from budgetai_server.context import prompt as prompts
from budgetai_server.context.index import Index
from budgetai_server.context.languages import language_of
from budgetai_server.context.prompt import Prompt, Snapshot
from budgetai_server.inference.engine import Engine, Usage
from budgetai_server.trim import (
    block_end_by_indent,
    first_line_end,
    opened_block,
    shown,
    to_last_word,
    wanders,
)

# The lines after the one that is shown are decoded ahead: typing on finds them in the cache.
_AHEAD_TOKENS = 48
_AHEAD_LINES = 3
# Characters around the cursor that decide what is shown: as many as a prompt shows, not a whole
# file, which may be long.
_PARSED = 4000


@dataclass(frozen=True)
class Rules:
    """How long answers are, in tokens, and when one is kept back.

    A `block` of 0 gives lines alone. `min_confidence` is a probability from 0 to 1, `max_entropy`
    in nats; both are means over the first tokens.
    """

    line: int = 96
    block: int = 96
    min_confidence: float = 0.0
    max_entropy: float = math.inf

    @property
    def limit(self) -> int:
        return max(self.line, self.block) + _AHEAD_TOKENS


@dataclass(frozen=True)
class Completion:
    """`text` goes in at the cursor; empty when there is nothing worth showing."""

    text: str
    usage: Usage = field(default_factory=Usage)
    confidence: float | None = None


def complete(
    engine: Engine,
    snapshot: Snapshot,
    index: Index | None,
    rules: Rules | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Completion:
    """Complete at the cursor, and decode nothing ahead. Raises Cancelled when `cancelled` becomes
    true."""
    rules = rules or Rules()
    answer = Answer(snapshot)
    found: list[Completion] = []

    def enough() -> bool:
        decided = offer(answer, snapshot, rules)
        found.extend([decided] if decided else [])
        return decided is not None

    say(engine, answer, index, rules, cancelled, enough)
    return found[0] if found else offer(answer, snapshot, rules) or Completion("", answer.usage)


def say(
    engine: Engine,
    answer: Answer,
    index: Index | None,
    rules: Rules,
    cancelled: Callable[[], bool],
    enough: Callable[[], bool],
    last: Prompt | None = None,
) -> None:
    """Let the model say an answer, until it ends, a stop rule holds, or `enough`, which is asked
    after each token. `last` is an earlier prompt, as for prompt.build. Raises Cancelled, and
    leaves what has been said."""
    answer.prompt = prompts.build(answer.snapshot, index, engine.limits, last)
    for piece in engine.generate(answer.prompt, rules.limit, cancelled, answer.usage):
        answer.add(piece)
        answer.ended = wanders(answer.after, answer.text)
        if answer.ended or enough():
            return
    # The limit is ours, not the text's: a place near the end will be asked anew.
    answer.ended = answer.usage.answer_tokens < rules.limit


def far_enough(answer: Answer) -> bool:
    """Whether as many lines are decoded as are worth it before anyone asks for them."""
    return answer.text.count("\n") > _AHEAD_LINES and answer.text.strip() != ""


def offer(answer: Answer, snapshot: Snapshot, rules: Rules) -> Completion | None:
    """What is shown at a place inside an answer; None while that is not decided."""
    # The model's thread may add to the answer meanwhile: what is final is read before the text.
    ended, text, typed = answer.ended, answer.text, answer.typed(snapshot)
    if typed is None or not text.startswith(typed):
        return None
    rest = text[len(typed) :]
    before = snapshot.text[max(0, snapshot.cursor - _PARSED) : snapshot.cursor]
    after = answer.after[:_PARSED]
    language = language_of(snapshot.path)
    opener = opened_block(before, after, language) if rules.block else None
    if not (ended or _decided(before, rest, opener)):
        if answer.tokens_after(len(typed)) < (rules.line if opener is None else rules.block):
            return None
        rest = to_last_word(rest)
    return _gated(answer, len(typed), shown(before, after, rest, opener, language), rules)


def _decided(before: str, rest: str, opener: int | None) -> bool:
    if opener is None:
        return first_line_end(rest) is not None
    return block_end_by_indent(before, rest) is not None


def _gated(answer: Answer, typed: int, text: str, rules: Rules) -> Completion:
    confidence = answer.confidence(typed)
    entropy = answer.entropy(typed)
    doubtful = confidence is not None and confidence < rules.min_confidence
    doubtful = doubtful or (entropy is not None and entropy > rules.max_entropy)
    return Completion("" if doubtful else text, answer.usage, confidence)
