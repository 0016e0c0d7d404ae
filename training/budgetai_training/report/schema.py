"""What a run has to tell: measured values alone, no words and no pictures. No IO. Those of a part
of the run are declared where that part is.

Everything here ends up in `report.json`. None means not measured, an empty tuple that there is
nothing to tell. Losses are in nats per token, times in seconds, sizes in bytes.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from budgetai_training.evaluation.answers import Completion, Drafts
from budgetai_training.hyperparameters.chosen import RateTry
from budgetai_training.hyperparameters.rank_selection import RankTry
from budgetai_training.samples.docstring_samples import DocstringCounts
from budgetai_training.time_budget import Stage

Part = Literal["train", "held-out", "out"]
By = Literal["all", "language", "hole", "style"]

_NOT_FINITE = ("nan", "inf", "-inf")


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
    """A whole run. `options` are those with a value, by field name; `notes` whole sentences."""

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
    completions: tuple[Completion, ...] = ()
    task: str = "completion"
    docstrings: DocstringCounts | None = None
    drafts: tuple[Drafts, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)


def to_json(value: Any) -> Any:
    """An account, or a part of one, as dicts, lists and plain values.

    JSON has no word for a number that is not finite, as the loss of a run that diverged: it
    becomes "nan", "inf" or "-inf".
    """
    if is_dataclass(value):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple):
        return [to_json(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def from_json(value: Any) -> Report:
    """The account `to_json` was given. Raises TypeError or ValueError for anything else.

    Unknown keys are passed over, so that an older version reads the report of a newer one.
    """
    account: Report = _record(Report, value)
    return account


def _record(kind: type, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError(f"{kind.__name__} is not an object")
    known = {}
    for name, (hint, required) in _fields(kind).items():
        if name in value:
            known[name] = _value(hint, value[name], f"{kind.__name__}.{name}")
        elif required:
            raise TypeError(f"{kind.__name__}.{name} is missing")
    return kind(**known)


@cache
def _fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    """Type and whether it must be given, by name."""
    hints = get_type_hints(kind)
    return {
        f.name: (hints[f.name], f.default is MISSING and f.default_factory is MISSING)
        for f in fields(kind)
    }


def _value(hint: Any, value: Any, where: str) -> Any:
    if is_dataclass(hint):
        return _record(hint, value)  # type: ignore[arg-type]
    if get_origin(hint) in (Union, UnionType):
        inner = next(each for each in get_args(hint) if each is not NoneType)
        return None if value is None else _value(inner, value, where)
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_value(get_args(hint)[0], each, where) for each in value)
    if get_origin(hint) is dict and isinstance(value, Mapping):
        return {key: _value(get_args(hint)[1], each, where) for key, each in value.items()}
    return _plain(hint, value, where)


def _plain(hint: Any, value: Any, where: str) -> Any:
    if hint is float and (type(value) in (int, float) or value in _NOT_FINITE):
        return float(value)
    if get_origin(hint) is Literal:
        if value in get_args(hint):
            return value
    elif type(value) is hint:
        return value
    raise ValueError(f"{where} cannot be {value!r:.60}")
