"""What --convert adds: budgetai-convert, a process of its own, once the training's memory is back.

The adapter is finished before it starts and stays, whatever becomes of the conversion.
"""

import contextlib
import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from budgetai_core import malloc_trim
from budgetai_core.artifacts import layout
from budgetai_core.errors import AdapterError, OptionError
from budgetai_training.report import report_files

_CONVERTER = "budgetai_convert"
# What ends this process, each by its name: not every system has all of them.
_ENDS = ("SIGINT", "SIGTERM", "SIGHUP")
# What the extra brings that the trainer has no use for.
_NEEDED = (_CONVERTER, "llama_cpp")


@dataclass(frozen=True)
class ConvertedAdapter:
    """What became of an adapter: the converter's exit code, the model if there is one, and with
    --json what the converter says of it."""

    code: int
    model: Path | None
    told: dict[str, Any] | None


def check_installed() -> None:
    """Raise OptionError where there is no converter, before anything is trained for it."""
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise OptionError(
            f"--convert needs {', '.join(missing)}",
            "Install the extra convert, or leave --convert out",
        )


def convert(adapter: Path, repo: Path, *, as_json: bool) -> ConvertedAdapter:
    """Convert a finished adapter as budgetai-convert does by default, and note the model in the
    adapter's report. What it says goes where this process writes; as JSON it is returned."""
    malloc_trim.collect()
    command = [sys.executable, "-P", "-m", _CONVERTER, str(adapter), f"--repo={repo.resolve()}"]
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
    if process.returncode:
        return ConvertedAdapter(process.returncode, None, None)
    told: dict[str, Any] | None = json.loads(out) if as_json else None
    model = Path(told["model"]) if told else layout.newest_model(repo)
    if model:
        _note(adapter, model)
    return ConvertedAdapter(0, model, told)


@contextmanager
def _ends_passed_on() -> Iterator[Callable[["subprocess.Popen[str]"], None]]:
    """Let the converter that is started inside end in good order and clear up; only then may this
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


def _note(adapter: Path, model: Path) -> None:
    """Say in the report where the model is; a report that cannot be read or written stays."""
    with contextlib.suppress(AdapterError, OSError):
        report_files.write(replace(report_files.read(adapter), model=str(model)), adapter)
