"""Measured speeds, kept per model and machine, so that only the first start measures.

<home>/speeds.json      {key: {"prefill": tokens/s, "batches": [seconds, …]}}
"""

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

from budgetai_core.artifacts.atomic_write import write_json
from budgetai_core.artifacts.layout import home


def key(model: Path, *details: object) -> str:
    """A name for a model file on this machine; `details` are what else the speed depends on."""
    stat = model.stat()
    parts = (model.name, stat.st_size, platform.node(), platform.processor(), *details)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def find(name: str) -> dict[str, Any] | None:
    """What was kept under a key; None where nothing was, or nothing readable."""
    found = _read().get(name)
    return found if isinstance(found, dict) else None


def keep(name: str, speed: dict[str, Any]) -> None:
    """Keep a speed. A home that cannot be written costs the next start a measurement, no more."""
    try:
        home().mkdir(parents=True, exist_ok=True)
        write_json(_file(), _read() | {name: speed})
    except OSError:
        pass


def _file() -> Path:
    return home() / "speeds.json"


def _read() -> dict[str, Any]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
