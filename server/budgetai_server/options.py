"""Options declared once: a frozen dataclass field holds default, unit, choices and help.

Command-line flags, LSP initialization options and the README's tables are all made from these
fields. This module knows no command: `ServerOptions` is here because the server owns it; the
trainer's and the converter's options stand in their own packages.
"""

import argparse
import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from budgetai_server.errors import OptionError

T = TypeVar("T")

_NUMBER = r"(\d+(?:\.\d+)?)"
# A bare number is seconds, but not behind hours or minutes: 1h30 could be either.
_DURATION = re.compile(rf"{_NUMBER}|(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?")


class Seconds(float):
    """A length of time in seconds; as text 90s, 15m, 1h30m."""

    @classmethod
    def parse(cls, text: str) -> "Seconds":
        match = _DURATION.fullmatch(text.strip().lower())
        if not match or not any(match.groups()):
            raise OptionError(f"'{text}' is no length of time", "Write it as 90s, 15m or 1h30m")
        bare, hours, minutes, seconds = (float(part or 0) for part in match.groups())
        return cls(bare + hours * 3600 + minutes * 60 + seconds)

    def __str__(self) -> str:
        minutes, seconds = divmod(round(float(self)), 60)
        hours, minutes = divmod(minutes, 60)
        parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
        return "".join(f"{n}{unit}" for n, unit in parts if n) or "0s"


def option(
    default: Any,
    help: str,
    *,
    unit: str = "",
    choices: tuple[str, ...] = (),
    positional: bool = False,
    trusted_only: bool = False,
) -> Any:
    """Declare an option. `trusted_only` ones are taken from the command line alone, because an
    editor may pass on settings that came with the workspace."""
    meta = {
        "help": help,
        "unit": unit,
        "choices": choices,
        "positional": positional,
        "trusted_only": trusted_only,
    }
    return field(default=default, metadata=meta)


# A token takes 12 to 30 kB of KV cache with the models we know.
_MOST_CELLS = 262_144


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """How the language server behaves."""

    model: Path | None = option(
        None,
        "GGUF file or bundle folder to serve; without it, the newest one made for the workspace",
    )
    adapter: str = option(
        "",
        "adapter of a bundle to use for all completions, or none for its base alone; without it,"
        " the one that fits the language and the workspace",
        unit="name",
    )
    adapter_scale: float = option(
        1.0, "how strongly adapters of a bundle change its base", unit="factor"
    )
    latency_ms: int = option(
        300,
        "what a completion may take at a place just typed at; with the measured speed it decides"
        " how much context is shown and how long answers are",
        unit="ms",
    )
    prompt_tokens: int = option(0, "longest prompt; 0 takes what the latency allows", unit="tokens")
    answer_tokens: int = option(
        0, "longest completion; 0 takes what the latency allows", unit="tokens"
    )
    context_tokens: int = option(2048, "size of the KV cache of one place", unit="tokens")
    sequences: int = option(4, "places kept warm in KV caches of their own", unit="places")
    threads: int = option(
        0,
        "threads for the model; 0 takes what OMP_NUM_THREADS says, or the physical cores, less one"
        " in four from four on",
        unit="threads",
    )
    gpu_layers: int = option(
        -1, "layers put on a GPU; -1 puts all there if the installed build has one", unit="layers"
    )
    multiline: str = option(
        "auto",
        "complete a whole block where one has just been opened; auto if it can be done in four"
        " times the latency",
        choices=("auto", "on", "off"),
    )
    speculate: bool = option(
        True, "check drafts from the repository: faster, and the same but for near ties"
    )
    min_confidence: float = option(
        0.5, "say nothing where the mean probability of the first tokens is less", unit="0 to 1"
    )
    max_entropy: float = option(
        100.0,
        "say nothing where the mean entropy of the first tokens is more; not with an endpoint",
        unit="nats",
    )
    endpoint: str = option(
        "",
        "address of a llama-server or vLLM that runs the model instead of this machine",
        unit="URL",
        trusted_only=True,
    )
    endpoint_model: str = option(
        "",
        "model on that server, or on vLLM an adapter; without it, the server's first",
        unit="name",
        trusted_only=True,
    )
    endpoint_dialect: str = option(
        "auto",
        "what the server speaks",
        choices=("auto", "llama-server", "openai"),
        trusted_only=True,
    )
    endpoint_timeout: Seconds = option(
        Seconds(10),
        "longest wait for an answer to begin or to go on",
        unit="time",
        trusted_only=True,
    )
    endpoint_retries: int = option(
        2, "tries after the first, while nothing has been answered", unit="tries", trusted_only=True
    )
    token_file: Path | None = option(
        None,
        "file with the server's token, readable by you alone; without it, BUDGETAI_TOKEN",
        unit="file",
        trusted_only=True,
    )
    ca_file: Path | None = option(
        None,
        "PEM file of the authority that signed the server's certificate",
        unit="file",
        trusted_only=True,
    )
    in_strings: bool = option(True, "complete inside of strings")
    in_comments: bool = option(
        True, "complete inside of comments and docstrings; there too only what is likely is shown"
    )
    code_lens: bool = option(
        False, "show above each definition without a docstring that one can be written"
    )
    mid_line: bool = option(
        False, "complete where more than closing marks stands right of the cursor"
    )
    ignore: tuple[str, ...] = option(
        (),
        "more files that get no completion, as in .gitignore; files of secrets such as .env and"
        " *.pem, and what .budgetaiignore names, get none, and !NAME takes one of secrets back",
        unit="pattern",
    )
    usage: bool = option(
        True, "keep counts and latencies of what was shown and accepted, on this machine; no code"
    )
    max_file: int = option(4_000_000, "larger documents get no completion", unit="characters")
    trust_workspace_model: bool = option(
        False, "load a model file that lies inside the workspace", trusted_only=True
    )
    log_level: str = option(
        "info",
        "what goes to stderr",
        choices=("debug", "info", "warning", "error"),
        trusted_only=True,
    )

    def __post_init__(self) -> None:
        if not 256 <= self.context_tokens <= 131072:
            raise OptionError(f"a context of {self.context_tokens} tokens", "Use 256 to 131072")
        if not 0 <= self.answer_tokens <= self.context_tokens // 2:
            raise OptionError(
                f"answers of {self.answer_tokens} tokens", "Use at most half of the context"
            )
        if not (self.prompt_tokens == 0 or 128 <= self.prompt_tokens <= self.context_tokens):
            raise OptionError(
                f"prompts of {self.prompt_tokens} tokens", "Use 128 to the size of the context"
            )
        if self.sequences * self.context_tokens > _MOST_CELLS:
            raise OptionError(
                f"{self.sequences} sequences of {self.context_tokens} tokens",
                f"Use {_MOST_CELLS} tokens in all at most",
            )
        self._check_ranges()

    def _check_ranges(self) -> None:
        """Each number has a range of its own; what lies outside is a slip."""
        for name, low, high in (
            ("latency_ms", 20, 60_000),
            ("sequences", 1, 64),
            ("threads", 0, 1024),
            ("gpu_layers", -1, 10_000),
            ("min_confidence", 0, 1),
            ("max_entropy", 0, 100),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise OptionError(f"{flag_name(name)} {value}", f"Use {low} to {high}")


def flag_name(name: str) -> str:
    return "--" + name.replace("_", "-")


def _value_type(hint: Any) -> Any:
    """`X | None` is X: absence is the default, never a value to parse."""
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
    return kind


def _argparse_seconds(text: str) -> Seconds:
    try:
        return Seconds.parse(text)
    except OptionError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_arguments(parser: argparse.ArgumentParser, options: type) -> None:
    """Add one argument per field of `options`."""
    hints = typing.get_type_hints(options)
    for declared in fields(options):
        _add_argument(parser, declared, hints[declared.name])


def _add_argument(
    parser: argparse.ArgumentParser, declared: "dataclasses.Field[Any]", hint: Any
) -> None:
    meta = declared.metadata
    text = meta["help"] + default_text(declared)
    more: dict[str, Any] = {"help": text.replace("%", "%%"), "default": declared.default}
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


def default_text(declared: "dataclasses.Field[Any]") -> str:
    value = declared.default
    if value in (None, "", ()) or value is False:
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
        if name not in declared or declared[name].metadata["trusted_only"]:
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
    """All values at once, since some make sense only together; else one by one."""
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
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise TypeError
        return tuple(map(_parser_of(hint), value))
    parsed = Path(str(value)).expanduser() if kind is Path else _parser_of(hint)(value)
    if declared.metadata["choices"] and parsed not in declared.metadata["choices"]:
        raise ValueError
    return parsed


def markdown_table(options: type) -> str:
    """The option table of the README, made from the declarations."""
    rows = ["| option | default | meaning |", "| --- | --- | --- |"]
    for declared in fields(options):
        meta = declared.metadata
        name = declared.name.upper() if meta["positional"] else flag_name(declared.name)
        if meta["choices"]:
            name += " " + "\\|".join(meta["choices"])
        default = default_text(declared).removeprefix(" (default: ").removesuffix(")")
        unit = f" {meta['unit']}" if meta["unit"] and default else ""
        rows.append(f"| `{name}` | {default}{unit} | {meta['help']} |")
    return "\n".join(rows)
