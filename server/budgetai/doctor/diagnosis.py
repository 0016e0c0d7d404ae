"""What a check has found, as a line to read and to paste into a bug report.

A diagnosis is made of our own words and of numbers. It never holds a path, a name of a file or a
repository, or a message of another program: whoever reads a report learns nothing of the code.
"""

import platform
from collections.abc import Iterable
from dataclasses import dataclass

from budgetai.extras import Installation
from budgetai_core import version

OK, HINT, FAULT = "ok", "hint", "fault"


@dataclass(frozen=True)
class Diagnosis:
    """`level` is OK, HINT (something would be better) or FAULT (something keeps a job from
    running); a `remedy` says what to do, mostly a command."""

    check: str
    level: str
    text: str
    remedy: str = ""


def report(diagnoses: Iterable[Diagnosis]) -> str:
    """Return the diagnoses as text, for people and bug reports."""
    rows = list(diagnoses)
    width = max((len(row.check) for row in rows), default=0)
    lines = [title(), ""]
    for row in rows:
        lines.append(f"{row.level:5}  {row.check:{width}}  {row.text}")
        if row.remedy:
            lines.append(f"{'':5}  {'':{width}}  → {row.remedy}")
    counts = {level: sum(row.level == level for row in rows) for level in (HINT, FAULT)}
    told = [f"{count} {level}{'s' * (count > 1)}" for level, count in counts.items() if count]
    return "\n".join([*lines, "", ", ".join(told) or "nothing to do"])


def title() -> str:
    """Return in one line which version this is, how it was installed, and on what."""
    python = f"Python {platform.python_version()}"
    system = f"{platform.system()} {platform.machine()}"
    return f"BudgetAI {version()} ({Installation.current().installer}), {python}, {system}"


def gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
