"""From a raw answer to what is shown of it."""

from dataclasses import dataclass
from functools import lru_cache

from budgetai_core.repository.secrets import looks_secret
from budgetai_server.completion.postprocess.brackets import OPENERS, brackets
from budgetai_server.completion.postprocess.cursor_context import CursorContext
from budgetai_server.completion.postprocess.filters import (
    drop_repetition,
    without_echo,
    worth_showing,
)
from budgetai_server.completion.postprocess.indentation import reindented
from budgetai_server.completion.postprocess.overlap import Edit, edit, within
from budgetai_server.completion.postprocess.repair import repaired
from budgetai_server.completion.postprocess.stop import stop_position

# Characters; some hundred tokens say less, and what is longer costs too much to look at.
_MAX_CHARACTERS = 4000


@dataclass(frozen=True)
class Postprocessed:
    """`text` goes in at the cursor and takes the place of `replaces` characters right of it; empty
    where nothing is worth showing.

    `used` is the number of characters of the raw answer that it stands for, where the answer goes
    on behind it; None where it says something else than the answer did.
    """

    text: str = ""
    replaces: int = 0
    used: int | None = None


def postprocess(
    context: CursorContext, answer: str, *, whole: bool, block: bool = True, repair: bool = True
) -> Postprocessed | None:
    """Return what is shown of an answer; None while that is not decided, which it is once `whole`.

    `block` allows more than a line. Without `repair` the answer is cut, and nothing else is done
    for the sake of the syntax. Never raises, and depends on the arguments alone.
    """
    answer = answer[:_MAX_CHARACTERS]
    stop = stop_position(context, answer, block=block)
    if stop is None and not whole:
        return None
    kept = answer[:stop].rstrip()
    goes_on = not block and stop is not None
    # A line alone may be the head of a body that is still to be written.
    is_head = not (block or goes_on) and _ends_in_opener(context, kept)
    return _finished(context, kept, repair and not is_head, goes_on=goes_on)


def postprocess_lines(
    context: CursorContext, answer: str, *, repair: bool = True
) -> Postprocessed | None:
    """Return what is shown of the whole lines of an answer whose end is not decided, to those who
    are shown more of it as it grows; None while there is no line. Beside text right of the
    cursor, which the end of the answer may take the place of, nothing is shown before that end."""
    lines = answer[:_MAX_CHARACTERS].rpartition("\n")[0].rstrip()
    if context.line_after.strip() or not lines:
        return None
    return _finished(context, without_echo(context, lines).rstrip(), repair, goes_on=True)


def _ends_in_opener(context: CursorContext, text: str) -> bool:
    """Return whether a bracket is opened at the end. In a string it opens nothing, and what is
    begun by `${` ends on its line."""
    if not text.endswith(tuple(OPENERS)) or text.endswith("${"):
        return False
    piece = context.line_before + text
    return len(piece) - 1 in brackets(piece, context.language).open


# Asked again at each key while the user types along.
@lru_cache(maxsize=64)
def _finished(context: CursorContext, kept: str, repair: bool, *, goes_on: bool) -> Postprocessed:
    text = drop_repetition(context, reindented(context, kept)).rstrip()
    checked = repair and not context.prose
    best = repaired(context, text, goes_on=goes_on) if checked else edit(context, text)
    best = Edit(best.text.rstrip(), best.replaces)
    if not within(context.after[: best.replaces], best.text):
        best = Edit(best.text)
    if not worth_showing(context, best) or looks_secret(context.line_before, best.text):
        return Postprocessed()
    faithful = best.text == reindented(context, kept)
    return Postprocessed(best.text, best.replaces, len(kept) if faithful else None)
