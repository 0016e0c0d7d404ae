"""Several processes that train one model: what one decides, all do.

Each runs the same program on the same files (`accelerate launch -m budgetai_training`). What
depends on a clock or a signal would differ between them and is agreed on; the first one alone
speaks and writes. With one process every function here is the identity.
"""

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from accelerate import PartialState

from budgetai_core.errors import BudgetAIError

T = TypeVar("T")


def meet() -> bool:
    """Join the others; nothing where there are none. Whether the base is to be spread over them:
    where FSDP was chosen in `accelerate config`."""
    # Taken away, since accelerate would spread the adapter too, and over GPUs alone.
    spread = os.environ.pop("ACCELERATE_USE_FSDP", "").lower() == "true"
    PartialState(cpu=not torch.cuda.is_available())
    return spread and count() > 1


def count() -> int:
    return int(PartialState().num_processes)


def first() -> bool:
    """Whether this process is the one that speaks and writes."""
    return bool(PartialState().is_main_process)


def agreed(value: T) -> T:
    """The first process's value, in all. For what can be pickled."""
    if count() == 1:
        return value
    box: list[Any] = [value]
    dist.broadcast_object_list(box, src=0)
    decided: T = box[0]
    return decided


def by_first(make: Callable[[], T]) -> T:
    """What the first process makes, in all; the others wait for it. So do its errors. Nothing that
    runs the model: it may be spread over all."""
    if count() == 1:
        return make()
    outcome: tuple[Any, BudgetAIError | None] = (None, None)
    if first():
        try:
            outcome = (make(), None)
        except BudgetAIError as error:
            outcome = (None, error)
    value, problem = agreed(outcome)
    if problem:
        raise problem
    return cast(T, value)


def any_of(flag: bool) -> bool:
    """Whether it is true in any process."""
    if count() == 1:
        return flag
    seen: list[Any] = [None] * count()
    dist.all_gather_object(seen, flag)
    return any(seen)
