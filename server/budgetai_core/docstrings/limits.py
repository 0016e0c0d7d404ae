"""How much of a file a docstring is written from: the same in training and at serving."""

from dataclasses import replace

from budgetai_core.context.window import WindowLimits
from budgetai_core.docstrings.documentable import Documentable
from budgetai_core.docstrings.edit import InsertionPoint

# BEFORE holds a signature, or a neighbour whose docstring shows the manner. Nobody types in
# between, so that the window's start need not stay where it was. A prompt is evaluated whole each
# time, and a small model on two cores reads some hundred tokens a second: there is no room for
# other files, nor for the end of a long body.
LIMITS = WindowLimits(before=480, after=1200, chunks=0, step=1)
# The end of AFTER may be moved up by some lines: not by those of the body.
_MARGIN = 120


def limits(text: str, documentable: Documentable, place: InsertionPoint) -> WindowLimits:
    """Return the limits for the place of the docstring of a definition of `text`. The body says
    what a function does, and it is behind the cursor: AFTER shows it, and little more, whether the
    definition has a docstring or not."""
    body = len(place.text) - (len(text) - documentable.end) - place.cursor
    return replace(LIMITS, after=min(LIMITS.after, max(body, 0) + _MARGIN))
