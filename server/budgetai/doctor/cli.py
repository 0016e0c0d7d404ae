"""`budgetai doctor`: the command line around the checks."""

import dataclasses
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from budgetai_core import version
from budgetai_core.command import parse, print_json, run
from budgetai_core.options import option

PROGRAM = "budgetai doctor"
ABOUT = (
    "Look for what keeps BudgetAI from working here, and say what to do. What is printed holds no "
    "path and no code: it can be pasted into a bug report."
)
FAULTY = 1


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """Where to look."""

    repo: Path = option(Path(), "repository whose model and index are looked at", unit="folder")
    measure: str = option(
        "auto",
        "load a model and measure its speed: auto where it is not known yet, again anyway, or no",
        choices=("auto", "again", "no"),
    )
    json: bool = option(False, "print the findings as JSON")


def main(argv: list[str] | None = None) -> int:
    """Run the checks. Returns 1 if something keeps a job from running, 2 for a wrong flag."""
    return run(PROGRAM, lambda: _main(argv))


def _main(argv: list[str] | None) -> int:
    options = parse(PROGRAM, ABOUT, DoctorOptions, argv)
    # Not above: --help has no use for them.
    from budgetai.doctor import editor_checks, llama_checks, machine_checks, repository_checks
    from budgetai.doctor.diagnosis import FAULT, Diagnosis, report
    from budgetai_core.artifacts import layout

    root = options.repo.resolve()
    layout.remember(root)
    measure = options.measure != "no"
    model = repository_checks.model_to_measure(root) if measure else None
    again = options.measure == "again"
    groups: dict[str, Callable[[], Iterable[Diagnosis]]] = {
        "machine": machine_checks.checks,
        "llama.cpp": lambda: llama_checks.checks(model, measure=measure, again=again),
        "repository": lambda: repository_checks.checks(root),
        "editors": editor_checks.checks,
    }
    diagnoses: list[Diagnosis] = []
    for name, checks in groups.items():
        try:
            diagnoses += checks()
        except Exception as error:
            # A check that fails must not hide the others; the message could hold a path.
            text = f"these checks failed themselves: {type(error).__name__}"
            diagnoses.append(Diagnosis(name, FAULT, text, "Please report this"))
    faulty = any(diagnosis.level == FAULT for diagnosis in diagnoses)
    if options.json:
        rows = [dataclasses.asdict(diagnosis) for diagnosis in diagnoses]
        print_json({"version": version(), "ok": not faulty, "diagnoses": rows})
    else:
        print(report(diagnoses))
    return FAULTY if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
