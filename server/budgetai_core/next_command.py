"""The command that comes after this one, as a process of its own: training goes on to a conversion,
and that to the question whether the model may be served. Parts know each other by name alone.
"""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from budgetai_core import malloc_trim

# What ends this process, each by its name: not every system has all of them.
_ENDS = ("SIGINT", "SIGTERM", "SIGHUP")


def run_next(
    module: str, arguments: Sequence[str], *, as_json: bool
) -> tuple[int, dict[str, Any] | None]:
    """Run a command and wait for its end. Returns its exit code, and with `as_json`, which it is
    told too, what it says; else that goes where this process writes."""
    malloc_trim.collect()
    # Without -P a file in the current folder, such as json.py, would be taken for a library.
    command = [sys.executable, "-P", "-m", module, *arguments]
    sys.stdout.flush()
    with _ends_passed_on() as started:
        process = subprocess.Popen(
            [*command, "--json"] if as_json else command,
            stdout=subprocess.PIPE if as_json else None,
            text=True,
            # What the terminal sends reaches this process alone, which passes it on.
            process_group=None if sys.platform == "win32" else 0,
        )
        started(process)
        out, _ = process.communicate()
    return process.returncode, json.loads(out) if as_json and out else None


@contextmanager
def _ends_passed_on() -> Iterator[Callable[["subprocess.Popen[str]"], None]]:
    """Let the command that is started inside end in good order and clear up; only then may this
    process end. What this process ignores (nohup, a script's background job) ends neither."""
    running: list[subprocess.Popen[str]] = []

    def interrupt(*_: object) -> None:
        if not running:
            raise KeyboardInterrupt
        if sys.platform != "win32":
            with contextlib.suppress(ProcessLookupError):
                running[0].send_signal(signal.SIGINT)

    ends = [getattr(signal, name) for name in _ENDS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in ends}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, interrupt)
        elif number == signal.SIGINT:
            # A child would inherit that it is ignored, and SIGINT is what is passed on to it.
            signal.signal(number, lambda *_: None)
    try:
        yield running.append
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
