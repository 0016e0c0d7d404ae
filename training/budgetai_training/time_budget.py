"""Time as the budget: what is spent and left, and how far along the learning rate is.

`trainer.BudgetCallback` stops a run by it.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

WARM_UP = 0.05
FINAL_RATE = 0.05


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of the run; stages follow each other without overlap."""

    name: str
    seconds: float


@dataclass
class Stages:
    """Time by stage of the run, in the order of their beginnings."""

    seconds: dict[str, float]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began

    @property
    def spent(self) -> tuple[Stage, ...]:
        return tuple(Stage(name=name, seconds=spent) for name, spent in self.seconds.items())


@dataclass
class Clock:
    """Counts wall-clock seconds against a budget, over interruptions too.

    `spent_before` are seconds an earlier process used; `reserve` seconds are kept for the last
    evaluation and for saving; `granted` ones come on top of the budget. `now` is the seam for
    tests.
    """

    budget: float
    started: float
    spent_before: float = 0.0
    reserve: float = 0.0
    granted: float = 0.0
    training_from: float = 0.0
    now: Callable[[], float] = field(default=time.monotonic)

    def spent(self) -> float:
        return self.spent_before + self.now() - self.started

    def left(self) -> float:
        """Return seconds left for training steps."""
        return self.budget + self.granted - self.reserve - self.spent()

    def progress(self) -> float:
        """Return share of the training time that has gone by, between 0 and 1."""
        whole = self.budget + self.granted - self.reserve - self.training_from
        return min(1.0, max(0.0, (self.spent() - self.training_from) / max(whole, 1e-9)))


@dataclass
class Pace:
    """How far along a run is, between 0 and 1: by steps where their number is given, so that the
    same steps are the same run, else by the clock; by the samples, enough for `all_steps` steps,
    where these will be over first. Kept up to date by the training loop."""

    clock: Clock
    max_steps: int
    all_steps: int
    progress: float = 0.0

    def now(self, step: int) -> float:
        """Return the progress after `step` steps."""
        limit = step / self.max_steps if self.max_steps else self.clock.progress()
        return min(1.0, max(limit, step / self.all_steps))

    def left(self) -> float:
        """Return seconds until training ends, if it goes on as it did."""
        if not self.progress:
            return self.clock.left()
        spent = self.clock.spent() - self.clock.training_from
        return min(self.clock.left(), spent * (1 - self.progress) / self.progress)


def rate_factor(progress: float) -> float:
    """Return linear warm-up, then a cosine to a twentieth of the peak (Loshchilov and Hutter 2017),
    over the share of the *time* used, since the number of steps is not known beforehand."""
    if progress < WARM_UP:
        return max(progress / WARM_UP, 0.02)
    along = (progress - WARM_UP) / (1 - WARM_UP)
    return FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * along))
