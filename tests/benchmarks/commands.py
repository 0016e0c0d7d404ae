"""The commands of BudgetAI as a user starts them: each in a process of its own, told to print JSON.

What they say while they work stays on stderr.
"""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, ParamSpec, TypeVar

from budgetai_core.errors import BudgetAIError

P = ParamSpec("P")
T = TypeVar("T")

TRAIN = "budgetai_training"
CONVERT = "budgetai_convert"
EVALUATE = "budgetai_server.cli.evaluate"


def said(module: str, *arguments: object) -> dict[str, Any]:
    """The JSON a command prints. Raises BudgetAIError where the command has failed."""
    command = [sys.executable, "-m", module, *map(str, arguments), "--json"]
    print("$", shlex.join(command[1:]), file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise BudgetAIError(f"{module} ended with exit code {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def apart(make: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """What a function returns, from a process of its own: its memory goes back, of a GPU too, and
    torch starts no threads here."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(make, *given, **named).result()
