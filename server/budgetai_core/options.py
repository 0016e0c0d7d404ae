"""Options declared once: a frozen dataclass field holds default, unit, choices and help.

Command-line flags, LSP initialization options and the tables of the documents are all made from
these fields. This module knows no command: each package declares its options in its own `options`.

A class of options may name in `REMOVED` what earlier versions had, with what to do instead: such a
flag or setting is refused by that sentence, never taken for a typing mistake.
"""

import argparse
import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from budgetai_core.errors import OptionError

T = TypeVar("T")

_NUMBER = r"(\d+(?:\.\d+)?)"
# A bare number is seconds, but not behind hours or minutes: 1h30 could be either.
_DURATION = re.compile(rf"{_NUMBER}|(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?")


class Seconds(float):
    """A length of time in seconds; as text 90s, 15m, 1h30m."""

    @classmethod
    def parse(cls, text: str) -> "Seconds":
        """Read a text such as 1h30m. Raises OptionError for any other."""
        match = _DURATION.fullmatch(text.strip().lower())
        if not match or not any(match.groups()):
            raise OptionError(f"'{text}' is not a length of time", "Write it as 90s, 15m or 1h30m")
        bare, hours, minutes, seconds = (float(part or 0) for part in match.groups())
        return cls(bare + hours * 3600 + minutes * 60 + seconds)

    def __str__(self) -> str:
        minutes, seconds = divmod(round(float(self)), 60)
        hours, minutes = divmod(minutes, 60)
        parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
        return "".join(f"{n}{unit}" for n, unit in parts if n) or "0s"


BASIC = "options"
"""The group that a newcomer needs."""


def option(
    default: Any,
    help: str,
    *,
    unit: str = "",
    choices: tuple[str, ...] = (),
    positional: bool = False,
    trusted_only: bool = False,
    group: str = BASIC,
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """Declare an option. Those of another `group` than BASIC are shown by --help-all alone.
    `trusted_only` ones are taken from the command line alone, because an
    editor may pass on settings that came with the workspace. A number from `low` to `high`, both
    included, is allowed; see `check_ranges`."""
    meta = {
        "help": help,
        "unit": unit,
        "choices": choices,
        "positional": positional,
        "trusted_only": trusted_only,
        "group": group,
        "low": low,
        "high": high,
    }
    return field(default=default, metadata=meta)


def flag_name(name: str) -> str:
    return "--" + name.replace("_", "-")


def check_ranges(options: Any) -> None:
    """Raise an OptionError for the first number of `options` outside of its range."""
    for declared in fields(options):
        value = getattr(options, declared.name)
        low, high = declared.metadata["low"], declared.metadata["high"]
        if low is None and high is None:
            continue
        # Written so that a value which is not a number (nan) is outside, too.
        if not ((low is None or value >= low) and (high is None or value <= high)):
            raise OptionError(f"{flag_name(declared.name)} {value}", f"Use {range_text(declared)}")


def range_text(declared: "dataclasses.Field[Any]") -> str:
    """Return the range of an option in words, as `0 to 64` or `1 or more`; "" where it has none."""
    low, high = declared.metadata["low"], declared.metadata["high"]
    if high is None:
        return "" if low is None else f"{_shortest(low)} or more"
    return f"at most {_shortest(high)}" if low is None else f"{_shortest(low)} to {_shortest(high)}"


def _shortest(number: float) -> str:
    if isinstance(number, Seconds):
        return str(number)
    return str(int(number)) if number == int(number) else str(number)


def removed(options: type) -> Mapping[str, str]:
    """Return the options that earlier versions had, with what to do instead."""
    return getattr(options, "REMOVED", {})


class _Refusal(argparse.Action):
    """An option of an earlier version: refused with what to do instead."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        # As every mistake is told: in a line, without the usage of all others.
        parser.exit(2, f"{parser.prog}: {self.option_strings[0]} was removed. {self.const}\n")


def _value_type(hint: Any) -> Any:
    """Return the type of a value. `X | None` is X: absence is the default, never a value to
    parse."""
    if isinstance(hint, types.UnionType):
        return next(arg for arg in typing.get_args(hint) if arg is not type(None))
    return hint


def _repeated(hint: Any) -> bool:
    return typing.get_origin(hint) is tuple


def _parser_of(hint: Any) -> Any:
    kind = _value_type(hint)
    if _repeated(kind):
        return typing.get_args(kind)[0]
    if kind is Seconds:
        return _argparse_seconds
    # A value with a grammar of its own reads itself.
    return getattr(kind, "parse", kind)


def _argparse_seconds(text: str) -> Seconds:
    try:
        return Seconds.parse(text)
    except OptionError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def groups(options: type) -> dict[str, list["dataclasses.Field[Any]"]]:
    """Return the fields of `options` by group, the basic ones first, others as they are
    declared."""
    by_group: dict[str, list[dataclasses.Field[Any]]] = {BASIC: []}
    for declared in fields(options):
        by_group.setdefault(declared.metadata["group"], []).append(declared)
    return by_group


def add_arguments(parser: argparse.ArgumentParser, options: type, *, shown: bool = True) -> None:
    """Add one argument per field of `options`; help is given on those of other groups than BASIC
    if they are to be `shown`."""
    hints = typing.get_type_hints(options)
    for group, members in groups(options).items():
        basic = group == BASIC
        target = parser.add_argument_group(None if basic else group) if shown else parser
        for declared in members:
            _add_argument(
                parser if basic else target, declared, hints[declared.name], shown or basic
            )
    for name, instead in removed(options).items():
        parser.add_argument(
            flag_name(name),
            f"--no-{name.replace('_', '-')}",
            action=_Refusal,
            nargs="*",
            const=instead,
            dest=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
        )


def _add_argument(
    parser: "argparse.ArgumentParser | argparse._ArgumentGroup",
    declared: "dataclasses.Field[Any]",
    hint: Any,
    shown: bool,
) -> None:
    meta = declared.metadata
    text = (_described(declared) + default_text(declared)).replace("%", "%%")
    help = text if shown else argparse.SUPPRESS
    more: dict[str, Any] = {"help": help, "default": declared.default}
    if hint is bool:
        more["action"] = argparse.BooleanOptionalAction if declared.default else "store_true"
    else:
        more["type"] = _parser_of(hint)
        more["choices"] = meta["choices"] or None
        if not meta["choices"]:
            more["metavar"] = (meta["unit"] or declared.name).upper().replace(" ", "_")
    if _repeated(_value_type(hint)):
        # Named twice, an option means both.
        more |= {"nargs": "+", "action": "extend", "default": list(more["default"])}
    if meta["positional"]:
        more["nargs"] = "*" if _repeated(_value_type(hint)) else "?"
        parser.add_argument(declared.name, **more)
    else:
        parser.add_argument(flag_name(declared.name), dest=declared.name, **more)


def _described(declared: "dataclasses.Field[Any]") -> str:
    limits = range_text(declared)
    return f"{declared.metadata['help']}; {limits}" if limits else str(declared.metadata["help"])


def default_text(declared: "dataclasses.Field[Any]") -> str:
    value = declared.default
    if value in (None, ()) or value is False or not str(value):
        return ""
    return f" (default: {'on' if value is True else value})"


def from_namespace(options: type[T], namespace: argparse.Namespace) -> T:
    names = [declared.name for declared in fields(typing.cast(Any, options))]
    values = {name: getattr(namespace, name) for name in names}
    return options(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def overridden(base: T, settings: Mapping[str, object]) -> tuple[T, list[str]]:
    """Take over settings sent by an editor. Returns the options and a sentence per bad setting;
    a bad one leaves the value as it was."""
    hints = typing.get_type_hints(type(base))
    declared = {f.name: f for f in fields(typing.cast(Any, base))}
    complaints, good = [], {}
    for key, value in settings.items():
        name = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", key).replace("-", "_").lower()
        if name in removed(type(base)):
            complaints.append(f"setting '{key}' was removed. {removed(type(base))[name]}")
        elif name not in declared or declared[name].metadata["trusted_only"]:
            complaints.append(f"setting '{key}' is not one an editor can send")
        elif value is not None and value != "":
            try:
                good[key] = (name, _checked(declared[name], hints[name], value))
            except (TypeError, ValueError, OverflowError, OptionError):
                complaints.append(f"setting '{key}' cannot be {value!r}")
    return _replaced(base, good, complaints)


def _replaced(
    base: T, good: dict[str, tuple[str, Any]], complaints: list[str]
) -> tuple[T, list[str]]:
    """Replace all values at once, since some make sense only together; else one by one."""
    try:
        return dataclasses.replace(typing.cast(Any, base), **dict(good.values())), complaints
    except OptionError:
        pass
    for key, (name, value) in good.items():
        try:
            base = dataclasses.replace(typing.cast(Any, base), **{name: value})
        except OptionError:
            complaints.append(f"setting '{key}' cannot be {value!r}")
    return base, complaints


def _checked(declared: "dataclasses.Field[Any]", hint: Any, value: object) -> Any:
    kind = _value_type(hint)
    if kind is bool:
        if not isinstance(value, bool):
            raise TypeError
        return value
    if _repeated(kind):
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            raise TypeError
        return tuple(map(_parser_of(hint), value))
    parsed = Path(str(value)).expanduser() if kind is Path else _parser_of(hint)(value)
    if declared.metadata["choices"] and parsed not in declared.metadata["choices"]:
        raise ValueError
    return parsed


def markdown_table(options: type, inherited: type | None = None) -> str:
    """Return the option tables of docs/options.md, one a group, made from the declarations; without
    those that are `inherited` from other options."""
    tables = []
    known = {declared.name for declared in fields(inherited)} if inherited else set()
    for group, declarations in groups(options).items():
        members = [declared for declared in declarations if declared.name not in known]
        if not members:
            continue
        head = [] if group == BASIC else [f"{group[0].upper()}{group[1:]}:", ""]
        rows = [*head, "| option | default | meaning |", "| --- | --- | --- |"]
        tables.append("\n".join([*rows, *map(_row, members)]))
    return "\n\n".join(tables)


def _row(declared: "dataclasses.Field[Any]") -> str:
    meta = declared.metadata
    name = declared.name.upper() if meta["positional"] else flag_name(declared.name)
    if meta["choices"]:
        name += " " + "\\|".join(meta["choices"])
    default = default_text(declared).removeprefix(" (default: ").removesuffix(")")
    unit = f" {meta['unit']}" if meta["unit"] and default else ""
    text = _described(declared).replace("|", "\\|")
    return f"| `{name}` | {default}{unit} | {text} |"
