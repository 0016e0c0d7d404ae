"""What every command line shares: options to flags, errors to exit codes, JSON to stdout."""

import argparse
import dataclasses
import errno
import json
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from budgetai_core import version
from budgetai_core.errors import BudgetAIError
from budgetai_core.options import (
    BASIC,
    Seconds,
    add_arguments,
    flag_name,
    from_namespace,
    groups,
)

T = TypeVar("T")

BAD_INPUT = 2
NOT_SERVED = 3
"""A model was made, and is not served: what was served before still is."""
INTERRUPTED = 130
PIPE_CLOSED = 141

_HELP_ALL = "--help-all"

_DISK_ERRORS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file may not become that large here",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "no permission",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EIO: "the disk reports an error",
}


def parse(program: str, about: str, options: type[T], argv: list[str] | None = None) -> T:
    """Read the command line into `options`; argparse itself exits with 2 on a bad flag."""
    shown = _HELP_ALL in (sys.argv[1:] if argv is None else argv)
    others = sum(len(members) for group, members in groups(options).items() if group != BASIC)
    more = f"{others} more options: {program} {_HELP_ALL}" if others and not shown else None
    parser = argparse.ArgumentParser(prog=program, description=about, epilog=more)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version, and exit")
    parser.add_argument(_HELP_ALL, action="help", help="show this help with all options, and exit")
    add_arguments(parser, options, shown=shown)
    return from_namespace(options, parser.parse_intermixed_args(argv))


class _Version(argparse.Action):
    """Looks the version up when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        print(parser.prog, version())
        parser.exit(0)


def flags(options: Any) -> list[str]:
    """Return a command line that `options` would be read from."""
    arguments: list[str] = []
    for field in dataclasses.fields(options):
        value, flag = getattr(options, field.name), flag_name(field.name)
        if value == field.default:
            continue
        if isinstance(value, bool):
            arguments.append(flag if value else flag_name(f"no_{field.name}"))
        elif isinstance(value, tuple):
            arguments += [f"{flag}={part}" for part in value]
        else:
            arguments.append(f"{flag}={_written(value)}")
    return arguments


def _written(value: Any) -> str:
    """Write it as `45m`, where that is all there is to a time."""
    text = str(value)
    if isinstance(value, Seconds) and Seconds.parse(text) != value:
        return f"{float(value)}s"
    return text


def run(program: str, story: Callable[[], int]) -> int:
    """Run a command. A user's mistake is one line on stderr and exit code 2; a reader of the output
    that has gone is not a mistake."""
    try:
        code = story()
        # The language server's is closed already.
        if not sys.stdout.closed:
            sys.stdout.flush()
        return code
    except BudgetAIError as error:
        return _complain(program, str(error))
    except BrokenPipeError:
        # Whoever read the output has seen enough. What is still in the buffer must not be tried
        # again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        where = f" ({error.filename})" if error.filename else ""
        return _complain(program, f"cannot go on: {_DISK_ERRORS[error.errno]}{where}")
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return INTERRUPTED


def _complain(program: str, message: str) -> int:
    print(f"{program}: {message}", file=sys.stderr)
    return BAD_INPUT


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, sort_keys=True, default=str), flush=True)
