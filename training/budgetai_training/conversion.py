"""What --convert adds: budgetai-convert, a process of its own, once the training's memory is back.

The adapter is finished before it starts and stays, whatever becomes of the conversion.
"""

import contextlib
import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from budgetai_core.artifacts.promotion import latest as promotion_of
from budgetai_core.command import NOT_SERVED
from budgetai_core.errors import AdapterError, OptionError
from budgetai_core.next_command import run_next
from budgetai_training.report import report_files

_CONVERTER = "budgetai_convert"
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
    arguments = [str(adapter), f"--repo={repo.resolve()}"]
    code, told = run_next(_CONVERTER, arguments, as_json=as_json)
    if code not in (0, NOT_SERVED):
        return ConvertedAdapter(code, None, told)
    promotion = promotion_of(repo)
    model = Path(told["model"]) if told else Path(promotion.model) if promotion else None
    if model:
        _note(adapter, model, promotion.reason if promotion else "")
    return ConvertedAdapter(code, model, told)


def _note(adapter: Path, model: Path, promotion: str) -> None:
    """Say in the report where the model is, and whether it is served; a report that cannot be read
    or written stays."""
    with contextlib.suppress(AdapterError, OSError):
        report = replace(report_files.read(adapter), model=str(model), promotion=promotion)
        report_files.write(report, adapter)
