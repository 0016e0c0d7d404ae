"""The story of a completion: snapshot → prompt → pieces of text → what is shown."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from budgetai_core.context import prompt as prompts
from budgetai_core.context.index import Index
from budgetai_core.context.languages import language_of
from budgetai_core.context.prompt import Prompt, Snapshot
from budgetai_server.completion.generation import Generation
from budgetai_server.completion.postprocess import (
    CursorContext,
    Postprocessed,
    first_line_end,
    is_degenerate,
    postprocess,
    to_last_word,
    within,
)
from budgetai_server.inference.engine import Engine, Usage

# The lines after the one that is shown are decoded ahead: typing on finds them in the cache.
_AHEAD_TOKENS = 48
_AHEAD_LINES = 3
# Characters around the cursor that decide what is shown: as many as a prompt shows, not a whole
# file, which may be long.
_AROUND = 4000


@dataclass(frozen=True)
class CompletionPolicy:
    """How long answers are, in tokens, and when one is kept back.

    A `block` of 0 gives lines alone; `repair` sees to it that what is shown breaks no syntax.
    `min_confidence` is a probability from 0 to 1, a mean over the first tokens.
    """

    line: int = 96
    block: int = 96
    min_confidence: float = 0.0
    repair: bool = True

    @property
    def limit(self) -> int:
        return max(self.line, self.block) + _AHEAD_TOKENS


@dataclass(frozen=True)
class Completion:
    """`text` goes in at the cursor, in the place of `replaces` characters right of it; empty when
    there is nothing worth showing."""

    text: str
    usage: Usage = field(default_factory=Usage)
    confidence: float | None = None
    replaces: int = 0


def complete(
    engine: Engine,
    snapshot: Snapshot,
    index: Index | None,
    rules: CompletionPolicy | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Completion:
    """Complete at the cursor, and decode nothing ahead. Raises Cancelled when `cancelled` becomes
    true."""
    rules = rules or CompletionPolicy()
    answer = Generation(snapshot)
    found: list[Completion] = []

    def enough() -> bool:
        decided = render(answer, snapshot, rules)
        found.extend([decided] if decided else [])
        return decided is not None

    generate(engine, answer, index, rules, cancelled, enough)
    return found[0] if found else render(answer, snapshot, rules) or Completion("", answer.usage)


def generate(
    engine: Engine,
    answer: Generation,
    index: Index | None,
    rules: CompletionPolicy,
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
        answer.ended = is_degenerate(answer.after, answer.text)
        if answer.ended or enough():
            return
    # The limit is ours, not the text's: a place near the end will be asked anew.
    answer.ended = answer.usage.answer_tokens < rules.limit


def lookahead_reached(answer: Generation) -> bool:
    """Whether as many lines are decoded as are worth it before anyone asks for them."""
    return answer.text.count("\n") > _AHEAD_LINES and answer.text.strip() != ""


def render(answer: Generation, snapshot: Snapshot, rules: CompletionPolicy) -> Completion | None:
    """What is shown at a place inside an answer; None while that is not decided.

    An answer is shown in parts, one after the other. Each is decided at its own beginning, so that
    typing along it does not change it.
    """
    # The model's thread may add to the answer meanwhile: what is final is read before the text.
    ended, text, typed = answer.ended, answer.text, answer.typed(snapshot)
    if typed is None:
        return None
    parts = _Parts(answer, snapshot, rules, text, ended)
    start = said = 0
    while True:
        part, ahead = parts.part(snapshot.cursor - len(typed) + start, said), typed[start:]
        if part is None:
            return None
        if part.text.startswith(ahead) and (part.text != ahead or not ahead):
            return _gated(answer, said, ahead, part, snapshot, rules)
        if not part.text or part.used is None or not ahead.startswith(part.text):
            break
        start, said = start + len(part.text), said + part.used
    # What was typed is not what was shown, but may still be what was said.
    anew = parts.part(snapshot.cursor, len(typed)) if text.startswith(typed) else None
    return _gated(answer, len(typed), "", anew, snapshot, rules) if anew else None


@dataclass(frozen=True)
class _Parts:
    """An answer as it is now, to be shown in parts in a text that holds some of it."""

    answer: Generation
    snapshot: Snapshot
    rules: CompletionPolicy
    text: str
    ended: bool

    def part(self, place: int, said: int) -> Postprocessed | None:
        """What is shown at a place of the text of the answer from `said` on; None while that is
        not decided."""
        gap = self._gap(place)
        rest = self.text[said:]
        show = partial(postprocess, gap, block=self.rules.block > 0, repair=self.rules.repair)
        spent = self._spent(gap, rest, said)
        if spent is None:
            return show(rest, whole=self.ended)
        # The limit counts from the place, however much more has been said meanwhile.
        return show(rest[:spent], whole=False) or show(to_last_word(rest[:spent]), whole=True)

    def _gap(self, place: int) -> CursorContext:
        text, cursor = self.snapshot.text, self.snapshot.cursor
        before = text[max(0, place - _AROUND) : place]
        return CursorContext(
            before, text[cursor : cursor + _AROUND], language_of(self.snapshot.path)
        )

    def _spent(self, gap: CursorContext, rest: str, said: int) -> int | None:
        """Where the tokens end that may be spent on what is shown; None while some are left, or
        are not needed. A line that is complete is shown, however few a block may have."""
        line, block = self.answer.reach(said, self.rules.line), self.rules.block
        several = self.answer.reach(said, block) if block else None
        if block and gap.opened is not None:
            return several and several - said
        first = first_line_end(rest)
        if line is not None and (first is None or first >= line - said):
            return line - said
        return max(several - said, first + 1) if several and first is not None else None


def _gated(
    answer: Generation,
    said: int,
    ahead: str,
    part: Postprocessed,
    snapshot: Snapshot,
    rules: CompletionPolicy,
) -> Completion:
    """The rest of a part of which `ahead` is typed. What was sure enough at its beginning is shown
    to its end."""
    here = said + len(ahead)
    doubtful = _doubtful(answer, said, rules) and _doubtful(answer, here, rules)
    text = part.text[len(ahead) :]
    replaced = snapshot.text[snapshot.cursor : snapshot.cursor + part.replaces]
    if doubtful or text == replaced or not within(replaced, text):
        return Completion("", answer.usage, answer.confidence(here))
    return Completion(text, answer.usage, answer.confidence(here), part.replaces)


def _doubtful(answer: Generation, offset: int, rules: CompletionPolicy) -> bool:
    confidence = answer.confidence(offset)
    return confidence is not None and confidence < rules.min_confidence
