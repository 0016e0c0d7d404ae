"""Which extras this installation has, which it lacks, and the command that adds them.

An upgrade can drop an extra without a word. What has been used once is therefore noted:

<home>/extras.json      {installation: [extra, …]}
"""

import contextlib
import hashlib
import json
import re
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from budgetai_core.artifacts.atomic_write import write_json
from budgetai_core.artifacts.layout import home
from budgetai_core.errors import OptionError

PACKAGE = "budgetai"
EXTRAS = ("server", "training", "convert", "gateway")
"""What people install. Others are for those who change the code, or name these together."""

_REQUIREMENT = re.compile(r"([\w.-]+)[^;]*;.*extra\s*==\s*[\"']([\w.-]+)[\"']")


def requirements() -> dict[str, tuple[str, ...]]:
    """Return the packages that each extra asks for; none where nothing was installed."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        asked: dict[str, tuple[str, ...]] = {}
        for match in map(_REQUIREMENT.match, metadata.requires(PACKAGE) or ()):
            if match and match[2] in EXTRAS:
                asked[match[2]] = (*asked.get(match[2], ()), match[1])
        return asked
    return {}


def missing() -> dict[str, tuple[str, ...]]:
    """Return the extras that are not whole, with the packages they lack."""
    lacking = {
        extra: tuple(name for name in names if not _is_installed(name))
        for extra, names in requirements().items()
    }
    return {extra: names for extra, names in lacking.items() if names}


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def check(subcommand: str, needed: Iterable[str]) -> int:
    """Return 0 if the extras that a subcommand needs are there, and note them. Raises OptionError
    with the command that installs them."""
    absent = sorted(set(needed) & missing().keys())
    if absent:
        what = f"the extra {absent[0]}" if len(absent) == 1 else f"the extras {', '.join(absent)}"
        raise OptionError(
            f"{subcommand} needs {what}, which is not installed here",
            f"Run: {Installation.current().command(absent)}",
        )
    note(needed)
    return 0


@dataclass(frozen=True)
class Installation:
    """How BudgetAI came here: by pip, uv, uv-tool or pipx, or as a clone that is being worked in.
    `url` says from where, "" for a package index."""

    installer: str
    url: str = ""

    @classmethod
    def current(cls) -> "Installation":
        try:
            distribution = metadata.distribution(PACKAGE)
        except metadata.PackageNotFoundError:
            return cls("clone")
        origin = _json(distribution.read_text("direct_url.json"))
        if origin.get("dir_info", {}).get("editable"):
            return cls("clone")
        url = str(origin.get("url", ""))
        for file, installer in (("uv-receipt.toml", "uv-tool"), ("pipx_metadata.json", "pipx")):
            if (Path(sys.prefix) / file).is_file():
                return cls(installer, url)
        return cls((distribution.read_text("INSTALLER") or "pip").strip(), url)

    def command(self, more: Iterable[str], *, anonymous: bool = False) -> str:
        """Return the command that adds extras and keeps those that are there. An `anonymous` one
        names no path."""
        if self.installer == "clone":
            return "make install"
        kept = set(requirements()) - missing().keys()
        package = f"{PACKAGE}[{','.join(sorted({*kept, *more}))}]"
        if self.url and not anonymous:
            package += f" @ {self.url}"
        python = "python" if anonymous else sys.executable
        before = {
            "uv-tool": ["uv", "tool", "install"],
            "pipx": ["pipx", "install", "--force"],
            "uv": ["uv", "pip", "install", "--python", python],
        }
        return shlex.join([*before.get(self.installer, [python, "-m", "pip", "install"]), package])


def note(used: Iterable[str]) -> None:
    """Note that this installation has extras. A home that cannot be written is not a fault here."""
    known = noted()
    if set(used) <= known:
        return
    with contextlib.suppress(OSError):
        home().mkdir(parents=True, exist_ok=True)
        write_json(_file(), _notes() | {_installation(): sorted({*known, *used})})


def noted() -> set[str]:
    """Return the extras that this installation has had."""
    extras = _notes().get(_installation(), [])
    return {str(extra) for extra in extras} if isinstance(extras, list) else set()


def lost() -> set[str]:
    """Return the extras that this installation has had, and has no longer."""
    return noted() & missing().keys()


def _installation() -> str:
    return hashlib.sha256(sys.prefix.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _file() -> Path:
    return home() / "extras.json"


def _notes() -> dict[str, Any]:
    try:
        return _json(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _json(text: str | None) -> dict[str, Any]:
    with contextlib.suppress(ValueError, RecursionError):
        values = json.loads(text or "{}")
        if isinstance(values, dict):
            return values
    return {}
