"""From generated text to the suggestion that is shown at a place. Pure."""

from dataclasses import dataclass, replace
from functools import partial

from budgetai_core.context.prompt import Snapshot
from budgetai_server.completion.generation import Generation, StopPolicy
from budgetai_server.completion.postprocess import (
    CursorContext,
    Postprocessed,
    first_line_end,
    postprocess,
    postprocess_lines,
    to_last_word,
    within,
)
from budgetai_server.completion.text_edit import Suggestion

# Tokens of the lines after the one that is shown.
_LOOKAHEAD_TOKENS = 48
# Characters around the cursor that decide what is shown: as many as a prompt shows, not a whole
# file, which may be long.
_CONTEXT_CHARACTERS = 4000


@dataclass(frozen=True, kw_only=True)
class CompletionPolicy:
    """How long suggestions are, in tokens, and when one is kept back.

    A `block` of 0 gives lines alone; one that is not there within `block_seconds` of a request
    leaves its place to its first line. `repair` sees to it that what is shown breaks no syntax.
    `min_confidence` is a probability from 0 to 1, a mean over the first tokens.
    """

    line: int = 96
    block: int = 96
    block_seconds: float = 0.3
    min_confidence: float = 0.0
    repair: bool = True

    @property
    def stop(self) -> StopPolicy:
        """When the model stops that writes for these suggestions."""
        return StopPolicy(max(self.line, self.block) + _LOOKAHEAD_TOKENS)

    @property
    def lines_alone(self) -> "CompletionPolicy":
        """The policy that shows of each block its first line."""
        return replace(self, block=0)

    def doubts(self, generation: Generation, offset: int) -> bool:
        """Return whether the model was too unsure of its text from a character offset on."""
        confidence = generation.confidence(offset)
        return confidence is not None and confidence < self.min_confidence


def render(
    generation: Generation, snapshot: Snapshot, policy: CompletionPolicy, *, growing: bool = False
) -> Suggestion | None:
    """Return what is shown at a place inside a generation; None while that is not decided.

    A generation is shown in parts, one after the other. Each is decided at its own beginning, so
    that typing along it does not change it. Of one that is not decided, the whole lines are shown
    to those who are shown more of it while it is `growing`.
    """
    # The model's thread may add to it meanwhile: what is final is read before the text.
    ended, text, typed = generation.ended, generation.text, generation.typed(snapshot)
    if typed is None:
        return None
    renderer = _Renderer(generation, snapshot, policy, text, ended, growing)
    # Offsets in what was typed, and in the text, at which a part begins.
    start = offset = 0
    while True:
        part = renderer.part(snapshot.cursor - len(typed) + start, offset)
        ahead = typed[start:]
        if part is None:
            return None
        if part.text.startswith(ahead) and (part.text != ahead or not ahead):
            return renderer.suggestion(part, offset, ahead)
        if not part.text or part.used is None or not ahead.startswith(part.text):
            break
        start, offset = start + len(part.text), offset + part.used
    # What was typed is not what was shown, but may still be what was generated.
    anew = renderer.part(snapshot.cursor, len(typed)) if text.startswith(typed) else None
    return renderer.suggestion(anew, len(typed), "") if anew else None


def render_within(
    generation: Generation, snapshot: Snapshot, policy: CompletionPolicy, waited: float
) -> Suggestion | None:
    """Return what is shown to a request that has waited so many seconds: a line that is there beats
    a block that is not."""
    suggestion = render(generation, snapshot, policy)
    if suggestion is None and policy.block and waited >= policy.block_seconds:
        return render(generation, snapshot, policy.lines_alone)
    return suggestion


@dataclass(frozen=True)
class _Renderer:
    """A generation as it is now, to be shown in parts in a text that holds some of it."""

    generation: Generation
    snapshot: Snapshot
    policy: CompletionPolicy
    text: str
    ended: bool
    growing: bool = False

    def part(self, place: int, offset: int) -> Postprocessed | None:
        """Return what is shown at a place of the document, of the text from `offset` on; None
        while that is not decided."""
        cursor, document = self.snapshot.cursor, self.snapshot.text
        context = CursorContext(
            document[max(0, place - _CONTEXT_CHARACTERS) : place],
            document[cursor : cursor + _CONTEXT_CHARACTERS],
            self.snapshot.language,
        )
        rest = self.text[offset:]
        show = partial(postprocess, context, block=self.policy.block > 0, repair=self.policy.repair)
        limit = self._limit(context, rest, offset)
        if limit is None:
            shown = show(rest, whole=self.ended)
            if shown is None and self.growing:
                return postprocess_lines(context, rest, repair=self.policy.repair)
            return shown
        # The limit counts from the place, however much more has been generated meanwhile.
        return show(rest[:limit], whole=False) or show(to_last_word(rest[:limit]), whole=True)

    def _limit(self, context: CursorContext, rest: str, offset: int) -> int | None:
        """Return the characters of `rest` that may be spent on what is shown; None while tokens
        are left, or not needed. A line that is complete is shown, however few a block may have."""
        line, block = self.generation.end_of(offset, self.policy.line), self.policy.block
        block_end = self.generation.end_of(offset, block) if block else None
        if block and context.opened is not None:
            return block_end and block_end - offset
        first = first_line_end(rest)
        if line is not None and (first is None or first >= line - offset):
            return line - offset
        return max(block_end - offset, first + 1) if block_end and first is not None else None

    def suggestion(self, part: Postprocessed, offset: int, ahead: str) -> Suggestion:
        """Return the rest of the part that begins at `offset`, of which `ahead` is typed; empty
        where the model was unsure. What was sure enough at its beginning is shown to its end."""
        generation, here = self.generation, offset + len(ahead)
        doubtful = self.policy.doubts(generation, offset) and self.policy.doubts(generation, here)
        text, cursor = part.text[len(ahead) :], self.snapshot.cursor
        replaced = self.snapshot.text[cursor : cursor + part.replaces]
        confidence = generation.confidence(here)
        if doubtful or text == replaced or not within(replaced, text):
            return Suggestion("", generation.usage, confidence)
        return Suggestion(text, generation.usage, confidence, part.replaces)
