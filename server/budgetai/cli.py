"""`budgetai`: one word for every command.

The table below is all it knows of them. A subcommand is imported when it is asked for, so that
`budgetai serve` waits for nothing that training needs. The commands with a hyphen go the same way.
"""

import difflib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import cast

from budgetai_core import version
from budgetai_core.command import BAD_INPUT, run
from budgetai_core.errors import OptionError

PROGRAM = "budgetai"
Main = Callable[[list[str] | None], int]


@dataclass(frozen=True)
class Subcommand:
    """`target` is a module and the function in it that takes the arguments and returns the exit
    code; `extras` are what has to be installed for it."""

    name: str
    about: str
    target: str
    extras: tuple[str, ...] = ()

    def load(self) -> Main:
        module, _, function = self.target.partition(":")
        return cast(Main, getattr(import_module(module), function))


SUBCOMMANDS = (
    Subcommand(
        "train", "tune a model on a repository", "budgetai_training.cli:main", ("training",)
    ),
    Subcommand("convert", "make a GGUF file of it", "budgetai_convert.cli:main", ("convert",)),
    Subcommand(
        "promote",
        "serve it, if it is not worse than what is served",
        "budgetai_server.cli.promote:main",
        # Where models are made: it needs no more of the server than that brings.
        ("convert",),
    ),
    Subcommand(
        "serve", "serve it to an editor, over LSP", "budgetai_server.cli.server:main", ("server",)
    ),
    Subcommand(
        "gateway",
        "serve it to plugins that speak HTTP",
        "budgetai_server.gateway.cli:main",
        ("server", "gateway"),
    ),
    Subcommand(
        "eval",
        "complete held-out lines, and score",
        "budgetai_server.cli.evaluate:main",
        ("server",),
    ),
    Subcommand(
        "docstring",
        "write and check docstrings over a tree",
        "budgetai_server.cli.docstring:main",
        ("server",),
    ),
    Subcommand(
        "demo",
        "train, convert and serve in one go",
        "budgetai_server.cli.demo:main",
        ("server", "training", "convert"),
    ),
    Subcommand("models", "list, show, add, remove, export, import", "budgetai.models.cli:main"),
    Subcommand("status", "what there is for a repository", "budgetai.status:main"),
    Subcommand("doctor", "what is wrong here, and what to do", "budgetai.doctor.cli:main"),
)
# Those that end at once and need nothing.
_ASKING = {"-h", "--help", "--help-all", "--version"}


def main(argv: list[str] | None = None) -> int:
    """Run the subcommand that the arguments begin with. Returns its exit code, 2 for a mistake."""
    return run(PROGRAM, lambda: _main(sys.argv[1:] if argv is None else argv))


def _main(arguments: list[str]) -> int:
    name, rest = (arguments or [""])[0], arguments[1:]
    if name in ("-h", "--help", "help"):
        print(_help())
        return 0
    if name == "--version":
        print(f"{PROGRAM} {version()}")
        return 0
    if not name:
        print(_help(), file=sys.stderr)
        return BAD_INPUT
    names = [subcommand.name for subcommand in SUBCOMMANDS]
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f"Did you mean {near[0]}?" if near else f"Use {', '.join(names)}"
        raise OptionError(f"there is no subcommand '{name}'", hint)
    return launch(name, rest)


def launch(name: str, arguments: list[str] | None = None) -> int:
    """Run one subcommand with its arguments, else those of this process. Without an extra that it
    needs, one line says how that is installed."""
    subcommand = next(entry for entry in SUBCOMMANDS if entry.name == name)
    given = sys.argv[1:] if arguments is None else arguments
    if subcommand.extras and not _ASKING & set(given):
        # Not above: the subcommands without extras have no use for it.
        from budgetai import extras

        if code := run(PROGRAM, lambda: extras.check(name, subcommand.extras)):
            return code
    return subcommand.load()(arguments)


def _help() -> str:
    width = max(len(subcommand.name) for subcommand in SUBCOMMANDS)
    rows = [f"  {entry.name:{width}}  {entry.about}" for entry in SUBCOMMANDS]
    return "\n".join(
        [
            f"usage: {PROGRAM} SUBCOMMAND [OPTION …]",
            "",
            "A code assistant that learns your repository and runs on this machine.",
            "",
            *rows,
            "",
            f"{PROGRAM} SUBCOMMAND --help tells of one of them.",
        ]
    )


train = partial(launch, "train")
convert = partial(launch, "convert")
serve = partial(launch, "serve")
gateway = partial(launch, "gateway")
evaluate = partial(launch, "eval")
docstring = partial(launch, "docstring")
demo = partial(launch, "demo")


if __name__ == "__main__":
    sys.exit(main())
