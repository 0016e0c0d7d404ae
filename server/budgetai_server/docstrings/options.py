"""The options of `budgetai-docstring`."""

from dataclasses import dataclass
from pathlib import Path

from budgetai_core.errors import OptionError
from budgetai_core.options import option


@dataclass(frozen=True, kw_only=True)
class DocstringOptions:
    """What is written or checked, and what becomes of it."""

    paths: tuple[Path, ...] = option(
        (), "files and folders; without one, the whole repository", unit="path", positional=True
    )
    repo: Path = option(Path(), "the repository they belong to", unit="folder")
    check: bool = option(
        False, "only list docstrings that are missing or stale, and exit with 1 if there are any"
    )
    write: bool = option(False, "change the files, instead of showing a diff")
    update: bool = option(
        False,
        "also bring up to date what names parameters that do not exist, lacks some, or has other"
        " types",
    )
    private: bool = option(
        False, "also what is not for others: not exported, or with a leading underscore"
    )
    model: Path | None = option(
        None,
        "GGUF file, bundle or name of a base; without it, the newest model made for the repository",
        unit="file",
    )
    json: bool = option(False, "print the result as JSON, and no progress")

    def __post_init__(self) -> None:
        if self.check and self.write:
            raise OptionError("--check and --write together", "Use one of them")
