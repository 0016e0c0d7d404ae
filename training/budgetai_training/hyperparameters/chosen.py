"""What a run decides once, when it begins to train, and keeps when it is resumed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class RateTry:
    """A learning rate tried for a few steps, and the loss it led to."""

    rate: float
    loss: float | None = None
    chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """`rate` is the peak learning rate, `accumulate` counts micro-batches a step. The model is
    evaluated `evaluations` times on the way, by `validation` questions each; its rank is chosen by
    `ranking` of them. Training began when `training_from` seconds had been spent."""

    rate: float
    rates: tuple[RateTry, ...]
    accumulate: int
    evaluations: int
    validation: int
    ranking: int
    training_from: float

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        rates = tuple(RateTry(**rate) for rate in values["rates"])
        return cls(**{**values, "rates": rates})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
