"""The two files of a report in a folder."""

from pathlib import Path

from budgetai_core.artifacts.atomic_write import read_json, replaced, write_json
from budgetai_core.artifacts.typed_json import structured
from budgetai_core.errors import AdapterError
from budgetai_training.report.schema import Report, to_json

REPORT = "report.json"
PAGE = "report.html"


def write(report: Report, folder: Path) -> Path:
    """Write both files; the path of the page. Raises OSError where that cannot be done."""
    # matplotlib and jinja2 take a second to load, which only a report is worth.
    from budgetai_training.report.html import page

    write_json(folder / REPORT, to_json(report))
    with replaced(folder / PAGE) as temporary:
        temporary.write_text(page(report), encoding="utf-8")
    return folder / PAGE


def read(folder: Path) -> Report:
    """Read a run's report. Raises AdapterError where there is no report, or none that can be
    read."""
    try:
        return structured(Report, read_json(folder / REPORT))
    except (FileNotFoundError, NotADirectoryError):
        raise AdapterError(
            f"no {REPORT} in {folder}", "Give a folder that budgetai-train made"
        ) from None
    except (ValueError, RecursionError) as error:
        raise AdapterError(f"{folder / REPORT} cannot be read: {error}") from None
