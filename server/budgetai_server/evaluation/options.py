"""The options of `budgetai-eval`."""

from dataclasses import dataclass
from pathlib import Path

from budgetai_core.artifacts.bundle import TASKS
from budgetai_core.errors import OptionError
from budgetai_core.options import Seconds, check_ranges, option

EDITS = "edits"


@dataclass(frozen=True, kw_only=True)
class EvalOptions:
    """What to evaluate, and on how many places."""

    repo: Path = option(Path(), "the repository whose held-out files are used", unit="folder")
    model: tuple[Path, ...] = option(
        (),
        "GGUF files, bundle folders or names of bases to compare, of a bundle its base and its"
        " adapters of the task; without it, the newest model of the repository",
        unit="file",
    )
    task: str = option(
        TASKS[0],
        "what is evaluated: lines that are completed, docstrings that are written, or next edits"
        " that are proposed, which need --commits and no model",
        choices=(*TASKS, EDITS),
    )
    language: tuple[str, ...] = option(
        (),
        "the language of an ending or a file name, as the model was trained with it:"
        " st=Structured Text",
        unit="ext=name",
    )
    free: bool = option(
        False, "with --task docstring, also let the models write without a form that leads them"
    )
    commits: str = option(
        "",
        "evaluate as typed: lines of the commits since a revision or a date, as since:v1.2, typed"
        " into the files of before; models must not have learned these commits",
        unit="since:revision",
    )
    patience: Seconds = option(
        Seconds(0),
        "with --commits, how long the user waits for an answer before the next key",
        unit="time",
        low=Seconds(0),
        high=Seconds(60),
    )
    holes: int = option(100, "places to complete, or docstrings to write", low=1)
    seed: int = option(0, "seed of the choice of places")
    usage: bool = option(
        False, "instead, say what editors have shown in the repository, and what was accepted"
    )
    json: bool = option(False, "print the result as JSON, and no progress")

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.free and self.task != "docstring":
            raise OptionError("--free is about docstrings", "Add --task docstring")
        if self.commits and self.task == "docstring":
            raise OptionError("--commits is about lines", "Leave --task docstring out")
        if self.task == EDITS and not self.commits:
            raise OptionError(
                "--task edits is about commits", "Add --commits since:REVISION or since:DATE"
            )
        if self.task == EDITS and (self.model or self.patience):
            given = "--model" if self.model else "--patience"
            raise OptionError(f"--task edits has no use for {given}", f"Leave {given} out")
        if self.patience and not self.commits:
            raise OptionError("--patience is about typing", "Add --commits since:REVISION")
