"""Adapters made by others: folders as peft writes them, without a manifest of ours.

Nothing is known of their training: neither the prompts, nor what was held out, nor a repository.
"""

import shlex
from pathlib import Path
from typing import Any

from budgetai_core.artifacts import base_models
from budgetai_core.artifacts.base_models import Base
from budgetai_core.artifacts.manifest import AdapterManifest
from budgetai_core.errors import AdapterError, BaseError
from budgetai_core.models import base_weights

UNKNOWN_PROMPTS = 0
"""The prompt format of a model that was not tuned on ours; its file names none."""


def manifest(folder: Path, config: dict[str, Any], named: str) -> AdapterManifest:
    """What can be said of such an adapter, over the base `named` or the one in its `config`.
    Raises AdapterError or BaseError."""
    rank = config.get("r")
    return AdapterManifest(
        prompt_format=UNKNOWN_PROMPTS,
        base=(base_models.resolve(named) if named else _own_base(folder, config)).record(),
        repository="",
        method="lora",
        rank=rank if isinstance(rank, int) else 0,
        load_in="",
        seed=0,
        held_out=(),
        counts={},
        scores={},
        seconds={},
        versions={},
        finished="",
    )


def _own_base(folder: Path, config: dict[str, Any]) -> Base:
    """The base that the adapter names, if it is here: what a file names is never fetched."""
    name = config.get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise AdapterError(f"the adapter {folder.name} names no base", "Name it with --base")
    try:
        found = base_models.resolve(name)
    except (BaseError, OSError, ValueError):
        found = None
    if found and (found.path or base_weights.cached(found.name)):
        return found
    hint = f"Fetch it with --base {shlex.quote(name)}" if found else "Name it with --base"
    raise AdapterError(f"the adapter {folder.name} is of {name[:200]!r}, which is not here", hint)
