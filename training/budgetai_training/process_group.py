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


def init() -> bool:
    """Join the others; nothing where there are none. Whether the base is to be sharded over them:
    where FSDP was chosen in `accelerate config`."""
    # Taken away, since accelerate would shard the adapter too, and over GPUs alone.
    sharded = os.environ.pop("ACCELERATE_USE_FSDP", "").lower() == "true"
    PartialState(cpu=not torch.cuda.is_available())
    return sharded and world_size() > 1


def world_size() -> int:
    return int(PartialState().num_processes)


def is_main() -> bool:
    """Return whether this process is the one that speaks and writes."""
    return bool(PartialState().is_main_process)


def broadcast(value: T) -> T:
    """Return the first process's value, in all. For what can be pickled."""
    if world_size() == 1:
        return value
    box: list[Any] = [value]
    dist.broadcast_object_list(box, src=0)
    decided: T = box[0]
    return decided


def on_main_process(make: Callable[[], T]) -> T:
    """Return what the first process makes, in all; the others wait for it. So do its errors.
    Nothing that runs the model: it may be sharded over all."""
    if world_size() == 1:
        return make()
    outcome: tuple[Any, BudgetAIError | None] = (None, None)
    if is_main():
        try:
            outcome = (make(), None)
        except BudgetAIError as error:
            outcome = (None, error)
    value, problem = broadcast(outcome)
    if problem:
        raise problem
    return cast(T, value)


def any_process(flag: bool) -> bool:
    """Return whether it is true in any process."""
    if world_size() == 1:
        return flag
    seen: list[Any] = [None] * world_size()
    dist.all_gather_object(seen, flag)
    return any(seen)
