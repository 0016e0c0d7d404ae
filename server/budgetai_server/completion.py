"""The story of a completion: snapshot → prompt → tokens → the text that is shown."""

import codecs
from collections.abc import Callable
from dataclasses import dataclass, field

from budgetai_server.context import prompt as prompts
from budgetai_server.context.index import Index
from budgetai_server.context.languages import language_of
from budgetai_server.context.prompt import Prompt, Snapshot
from budgetai_server.engine import Engine, Usage
from budgetai_server.trim import block_end_by_indent, first_line_end, opened_block, shown

# Tokens kept free behind a prompt, so that the answer and one more keystroke fit into the cache.
_SPARE = 64
_MIN_BEFORE = 64


@dataclass(frozen=True)
class Completion:
    """`text` goes in at the cursor; empty when there is nothing worth showing."""

    text: str
    usage: Usage = field(default_factory=Usage)


def complete(
    engine: Engine,
    snapshot: Snapshot,
    index: Index | None,
    *,
    answer_tokens: int = 96,
    multiline: bool = True,
    cancelled: Callable[[], bool] = lambda: False,
) -> Completion:
    """Complete at the cursor. Raises engine.Cancelled when `cancelled` becomes true."""
    language = language_of(snapshot.path)
    parts = prompts.build(snapshot, index)
    opener = opened_block(parts.before, parts.after, language) if multiline else None
    ids, begin_with = _tokens(engine, parts, answer_tokens)
    if not ids:
        return Completion("")
    usage = Usage()
    answer = ""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in engine.generate(ids, begin_with, answer_tokens, cancelled, usage):
        answer += decoder.decode(piece)
        if _decided(parts.before, answer, opener):
            break
    return Completion(shown(parts.before, parts.after, answer, opener, language), usage)


def _decided(before: str, answer: str, opener: int | None) -> bool:
    if opener is None:
        return first_line_end(answer) is not None
    return block_end_by_indent(before, answer) is not None


def _tokens(engine: Engine, parts: Prompt, answer_tokens: int) -> tuple[list[int], bytes]:
    """The prompt's tokens, cut to the context, and the bytes the answer has to begin with.

    Characters are a good measure of tokens but for rare scripts; there the shown parts go first,
    then the oldest of the text before the cursor.
    """
    head, before = prompts.encode(
        parts, engine.markers, engine.tokenize, beginning=engine.beginning
    )
    room = engine.context_tokens - answer_tokens - _SPARE
    if len(head) > room - _MIN_BEFORE:
        bare = Prompt(parts.repository, parts.path, (), "", parts.before)
        head, before = prompts.encode(
            bare, engine.markers, engine.tokenize, beginning=engine.beginning
        )
    excess = len(head) + len(before) - room
    if excess > 0:
        # In steps, so that typing on does not move the start with every key.
        before = before[-(-excess // 128) * 128 :]
    kept, begin_with = engine.vocabulary.take_back(before)
    return head + kept, begin_with
