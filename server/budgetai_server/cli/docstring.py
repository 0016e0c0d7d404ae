"""`budgetai-docstring`: the command line around `docstrings/batch`."""

import dataclasses
import sys
from typing import TYPE_CHECKING

from budgetai_core.command import parse, print_json, run

if TYPE_CHECKING:
    from budgetai_server.docstrings.batch import PendingFiles, WrittenFile
    from budgetai_server.docstrings.options import DocstringOptions

PROGRAM = "budgetai-docstring"
ABOUT = "Write the docstrings that are missing, or list them; shows a diff and changes nothing."
FOUND = 1


def main(argv: list[str] | None = None) -> int:
    return run(PROGRAM, lambda: _main(argv))


def _main(argv: list[str] | None) -> int:
    from budgetai_server.docstrings.batch import pending_files
    from budgetai_server.docstrings.options import DocstringOptions

    options = parse(PROGRAM, ABOUT, DocstringOptions, argv)
    tree = pending_files(options)
    for note in tree.left_out:
        _print_note(note)
    return _check(tree, options) if options.check else _write(tree, options)


def _print_note(note: str) -> None:
    print(f"{PROGRAM}: {note}", file=sys.stderr)


def _check(tree: "PendingFiles", options: "DocstringOptions") -> int:
    findings = tree.findings()
    if options.json:
        print_json({"findings": [dataclasses.asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            print(finding)
    return FOUND if findings else 0


def _write(tree: "PendingFiles", options: "DocstringOptions") -> int:
    done: list[WrittenFile] = []
    try:
        _follow(tree, options, done)
    finally:
        # Also of what was done before an interrupt.
        _report(options, done)
    return 0


def _follow(tree: "PendingFiles", options: "DocstringOptions", done: "list[WrittenFile]") -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from budgetai_server.docstrings.batch import changes

    words = TextColumn("{task.description}", markup=False)
    console = Console(file=sys.stderr, quiet=options.json)
    columns = (words, BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("reading", total=tree.count)
        for change in changes(tree, options, lambda words: bar.update(task, description=words)):
            bar.advance(task, change.asked)
            done.append(change)


def _report(options: "DocstringOptions", done: "list[WrittenFile]") -> None:
    for note in (note for change in done for note in change.notes):
        _print_note(note)
    if options.json:
        print_json({"files": [dataclasses.asdict(change) for change in done]})
    elif options.write:
        _print_note(f"{sum(len(change.written) for change in done)} docstrings written")
    else:
        sys.stdout.write("".join(change.diff for change in done))


if __name__ == "__main__":
    sys.exit(main())
