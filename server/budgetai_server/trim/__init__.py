"""From raw tokens to what is shown: where an answer ends, what of it is already there, whether the
code around it still parses, and whether it is worth showing.

Pure functions over text.
"""

from budgetai_server.trim.extent import first_line_end, to_last_word
from budgetai_server.trim.gap import Gap
from budgetai_server.trim.overlap import Edit, within
from budgetai_server.trim.repair import cost
from budgetai_server.trim.shown import Shown, shown
from budgetai_server.trim.worth import wanders

__all__ = [
    "Edit",
    "Gap",
    "Shown",
    "cost",
    "first_line_end",
    "shown",
    "to_last_word",
    "wanders",
    "within",
]
