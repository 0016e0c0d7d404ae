"""What a run has to tell: measured values alone, no words and no pictures. No IO. Those of a part
of the run are declared where that part is.

Everything here ends up in `report.json`. None means not measured, an empty tuple that there is
nothing to tell. Losses are in nats per token, times in seconds, sizes in bytes.
"""

import math
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

from budgetai_training.evaluation.comparisons import DocstringComparison, LineComparison
from budgetai_training.hyperparameters.chosen import RateTry
from budgetai_training.hyperparameters.rank_selection import RankTry
from budgetai_training.samples.docstring_samples import DocstringCounts
from budgetai_training.time_budget import Stage

Part = Literal["train", "held-out", "out"]
By = Literal["all", "language", "hole", "style"]


@dataclass(frozen=True, kw_only=True)
class Point:
    """Loss after `step` steps, `seconds` since the start of the run and `tokens` seen."""

    step: int
    seconds: float
    tokens: int
    loss: float
    rate: float | None = None


@dataclass(frozen=True, kw_only=True)
class Group:
    """Loss of a kind of held-out samples before and after; `tokens` are those with a loss."""

    by: By
    name: str
    samples: int
    tokens: int
    before: float | None = None
    after: float | None = None


@dataclass(frozen=True, kw_only=True)
class FileRow:
    """What became of one file. `secrets` counts what was replaced in it, by kind.

    `reason` is a few words; what differs from file to file stands after a colon, as in
    "too large: 1.9 MB", so that the others can be counted together.
    """

    repository: str
    path: str
    language: str
    part: Part
    reason: str = ""
    lines: int = 0
    characters: int = 0
    weight: float = 1.0
    secrets: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes the plan expected, the most that was used, and what was free at the start."""

    predicted: int | None = None
    peak: int | None = None
    available: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """Loss on `what`, a fixed set of other code, before and after."""

    what: str
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """A whole run. `options` are those with a value, by field name; `notes` whole sentences;
    `model` is the file made of the adapter, where the run went on to one, and `promotion` a
    sentence on whether that is served."""

    repository: str
    base: str
    method: str
    rank: int
    load_in: str
    seed: int
    finished: str
    budget: float
    spent: float
    parameters: int
    trained_parameters: int
    stages: tuple[Stage, ...] = ()
    corpus: tuple[FileRow, ...] = ()
    curve: tuple[Point, ...] = ()
    validation: tuple[Point, ...] = ()
    held_out: tuple[Group, ...] = ()
    rates: tuple[RateTry, ...] = ()
    ranks: tuple[RankTry, ...] = ()
    memory: Memory | None = None
    forgetting: Forgetting | None = None
    completions: tuple[LineComparison, ...] = ()
    task: str = "completion"
    docstrings: DocstringCounts | None = None
    drafts: tuple[DocstringComparison, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    model: str = ""
    promotion: str = ""


def to_json(value: Any) -> Any:
    """Return a report, or a part of one, as dicts, lists and plain values.

    JSON has no word for a number that is not finite, as the loss of a run that diverged: it
    becomes "nan", "inf" or "-inf".
    """
    if is_dataclass(value):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple):
        return [to_json(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
