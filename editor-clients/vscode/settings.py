"""Writes the extension's settings into package.json and src/options.ts, from the server's options.

`--check` only says whether they are up to date. What the server takes from its command line alone
becomes a setting of the machine: a workspace cannot set it.
"""

import json
import re
import sys
import typing
from dataclasses import fields
from pathlib import Path
from typing import Any

from budgetai_core.options import Seconds, default_text, flag_name, range_text
from budgetai_server.options import ServerOptions

HERE = Path(__file__).parent
PACKAGE = HERE / "package.json"
OPTIONS = HERE / "src/options.ts"

# What the extension itself has to know.
OWN: dict[str, dict[str, Any]] = {
    "serverPath": {
        "type": "string",
        "default": "",
        "scope": "machine-overridable",
        "description": "budgetai-server; without it, that of the workspace's environment or PATH",
    },
    "package": {
        "type": "string",
        "default": "budgetai[server,training,convert]",
        "scope": "machine",
        "description": "what pip, uv or pipx install: a name with extras, or a folder",
    },
    "enable": {
        "type": "object",
        "default": {"*": True},
        "additionalProperties": {"type": "boolean"},
        "scope": "window",
        "description": "languages that get completions; * stands for all others",
    },
    "list": {
        "type": "boolean",
        "default": False,
        "scope": "window",
        "description": "show completions in the list of suggestions too",
    },
    "trainBudget": {
        "type": "string",
        "default": "15m",
        "scope": "window",
        "description": "time that training may take, as 90s, 15m or 1h30m",
    },
}
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string"}


def camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def schema(declared: Any, hint: Any) -> dict[str, Any]:
    """The JSON schema of one option."""
    meta = declared.metadata
    kind = next((arg for arg in typing.get_args(hint) if arg is not type(None)), hint)
    unit = f" ({meta['unit']})" if meta["unit"] else ""
    limits = f"; {range_text(declared)}" if range_text(declared) else ""
    entry: dict[str, Any] = {"description": meta["help"] + limits + unit + default_text(declared)}
    if typing.get_origin(hint) is tuple:
        entry |= {"type": "array", "items": {"type": "string"}, "default": list(declared.default)}
    elif kind is Seconds:
        entry |= {"type": "string", "default": str(declared.default)}
    else:
        default = "" if declared.default is None else declared.default
        entry |= {"type": _TYPES[kind], "default": default}
    if meta["choices"]:
        entry["enum"] = list(meta["choices"])
    if entry["type"] in ("integer", "number"):
        limits_of = {"minimum": meta["low"], "maximum": meta["high"]}
        entry |= {key: limit for key, limit in limits_of.items() if limit is not None}
    entry["scope"] = _scope(kind, trusted_only=meta["trusted_only"])
    return entry


def _scope(kind: Any, *, trusted_only: bool) -> str:
    if trusted_only:
        return "machine"
    return "machine-overridable" if kind is Path else "resource"


def package(text: str) -> str:
    """package.json with the settings of today."""
    manifest = json.loads(text)
    hints = typing.get_type_hints(ServerOptions)
    options = {camel(one.name): schema(one, hints[one.name]) for one in fields(ServerOptions)}
    settings = OWN | options
    manifest["contributes"]["configuration"] = {
        "title": "BudgetAI",
        "properties": {f"budgetai.{name}": one for name, one in settings.items()},
    }
    paths = [name for name, one in settings.items() if one["scope"] == "machine-overridable"]
    trust = manifest["capabilities"]["untrustedWorkspaces"]
    trust["restrictedConfigurations"] = [f"budgetai.{name}" for name in paths]
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def options() -> str:
    """The names of settings, and how each goes to the server."""
    sent = [camel(one.name) for one in fields(ServerOptions) if not one.metadata["trusted_only"]]
    flags = {
        camel(one.name): flag_name(one.name)
        for one in fields(ServerOptions)
        if one.metadata["trusted_only"]
    }
    return (
        "// Made by settings.py from the server's options.\n"
        "/** Sent as initialization options. */\n"
        f"export const SENT: readonly string[] = {json.dumps(sent, indent=2)};\n"
        "/** Given on the command line: no workspace can set them. */\n"
        f"export const FLAGS: Readonly<Record<string, string>> = {json.dumps(flags, indent=2)};\n"
    )


def stale() -> list[Path]:
    """The files that are not as the options are."""
    want = {PACKAGE: package(PACKAGE.read_text(encoding="utf-8")), OPTIONS: options()}
    return [
        file
        for file, text in want.items()
        if not file.exists() or file.read_text(encoding="utf-8") != text
    ]


def main() -> int:
    if "--check" in sys.argv:
        files = stale()
        print("\n".join(f"{file.name} is out of date: run settings.py" for file in files))
        return bool(files)
    text = package(PACKAGE.read_text(encoding="utf-8"))
    PACKAGE.write_text(text, encoding="utf-8")
    OPTIONS.write_text(options(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
