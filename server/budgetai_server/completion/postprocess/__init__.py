"""From raw tokens to what is shown: where an answer ends, what of it is already there, whether the
code around it still parses, and whether it is worth showing.

Pure functions over text.
"""

from budgetai_server.completion.postprocess.cursor_context import CursorContext
from budgetai_server.completion.postprocess.filters import is_degenerate
from budgetai_server.completion.postprocess.overlap import Edit, within
from budgetai_server.completion.postprocess.pipeline import (
    Postprocessed,
    postprocess,
    postprocess_lines,
)
from budgetai_server.completion.postprocess.repair import cost
from budgetai_server.completion.postprocess.stop import first_line_end, to_last_word

__all__ = [
    "CursorContext",
    "Edit",
    "Postprocessed",
    "cost",
    "first_line_end",
    "is_degenerate",
    "postprocess",
    "postprocess_lines",
    "to_last_word",
    "within",
]
