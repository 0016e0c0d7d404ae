"""Ways of trimming the same raw answers, and how often each would break the file."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from breaks import breaks
from intervals import ratio
from markdown_table import table

from budgetai_core.evaluation.metrics import wilson
from budgetai_core.evaluation.spans import MaskedSpan
from budgetai_server.completion.text_edit import Suggestion

_HEAD = (
    "trimming", "answers", "shown", "more errors than without it", "× unrepaired",
    "more errors than the true text", "× unrepaired",
)  # fmt: skip


@dataclass(frozen=True)
class Effect:
    """What showing an answer would do to its file: `worse` than without it, or than the true
    text. `group` holds answers that are alike."""

    group: Hashable
    shown: bool
    worse: bool
    worse_than_true: bool

    @classmethod
    def of(cls, group: Hashable, span: MaskedSpan, found: Suggestion) -> "Effect":
        return cls(group, bool(found.text), *breaks(span, found))


def summary(effects: Mapping[str, Sequence[Effect]], base: str) -> list[dict[str, Any]]:
    """A row for each way of trimming the same answers, compared to the one named `base`."""
    found = []
    for name, some in effects.items():
        groups = [effect.group for effect in some]
        row: dict[str, Any] = {"trimming": name, "answers": len(some)}
        row["shown"] = sum(effect.shown for effect in some)
        for key in ("worse", "worse_than_true"):
            values, others = ([getattr(e, key) for e in one] for one in (some, effects[base]))
            row[key] = wilson(sum(values), row["shown"])
            row[f"{key}_ratio"] = ratio(values, others, groups)
        found.append(row)
    return found


def tables(rows: Iterable[dict[str, Any]]) -> str:
    return "\n".join(table(_HEAD, [list(row.values()) for row in rows]))
