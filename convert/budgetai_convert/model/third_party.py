"""Adapters made by others: folders without a manifest of ours.

Nothing is known of their training: neither the prompts, nor what was held out, nor a repository.
"""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from budgetai_core.artifacts import base_models
from budgetai_core.artifacts.base_models import Base
from budgetai_core.artifacts.manifest import AdapterManifest
from budgetai_core.errors import AdapterError, BaseError
from budgetai_core.models import base_weights, model_config

UNKNOWN_PROMPTS = 0
"""The prompt format of a model that was not tuned on ours; its file names none."""


def manifest(folder: Path, config: dict[str, Any], named: str, rank: int) -> AdapterManifest:
    """Return what can be said of such an adapter of this rank, over the base `named` or the one in
    its `config`. A named base on the Hub is fetched. Raises AdapterError or BaseError."""
    base = _named_base(config, named) if named else _own_base(folder, config)
    return AdapterManifest(
        prompt_format=UNKNOWN_PROMPTS,
        base=base.record(),
        repository="",
        method="lora",
        rank=rank,
        load_in="",
        seed=0,
        held_out=(),
        counts={},
        scores={},
        seconds={},
        versions={},
        finished="",
    )


def _named_base(config: dict[str, Any], named: str) -> Base:
    """Return the base that the user names, at the revision that the adapter was trained on where it
    is the one that the adapter names, too."""
    base = base_models.resolve(named)
    if base.kind == "hub" and not base.revision and base.name == _name(config):
        base = replace(base, revision=_revision(config))
    return base_weights.fetched(base)


def _own_base(folder: Path, config: dict[str, Any]) -> Base:
    """Return the base that the adapter names, if it is here: what a file names is never fetched."""
    name = _name(config)
    if not name:
        raise AdapterError(f"the adapter {folder.name} names no base", "Name it with --base")
    if original := model_config.original_of(name):
        raise AdapterError(
            f"the adapter {folder.name} was trained over {name[:200]!r}, a quantised copy",
            f"Name the 16-bit original: --base {shlex.quote(original)}",
        )
    try:
        base = base_models.resolve(name)
    except (BaseError, OSError, ValueError):
        base = None
    hint = "Name it with --base"
    if base and base.kind == "hub":
        base = replace(base, revision=base.revision or _revision(config))
        hint = f"Fetch it with --base {shlex.quote(base.hub_name)}"
        base = base_weights.cached(base)
    if base is None:
        raise AdapterError(
            f"the adapter {folder.name} is of {name[:200]!r}, which is not here", hint
        )
    return base


def _name(config: dict[str, Any]) -> str:
    name = config.get("base_model_name_or_path")
    return name if isinstance(name, str) else ""


def _revision(config: dict[str, Any]) -> str:
    revision = config.get("revision")
    return revision if isinstance(revision, str) else ""
