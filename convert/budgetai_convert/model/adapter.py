"""Reading a LoRA adapter as peft writes it, and refusing what this converter cannot merge."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from budgetai_convert.model import adapter_layout, third_party
from budgetai_convert.model.own_weights import OwnWeights
from budgetai_core.artifacts import safetensors_reader
from budgetai_core.artifacts.gguf_reader import Floats
from budgetai_core.artifacts.manifest import COMPARED, MANIFEST, AdapterManifest
from budgetai_core.artifacts.safetensors_reader import StoredTensor
from budgetai_core.context.prompt import PROMPT_FORMAT
from budgetai_core.errors import AdapterError, OptionError

CONFIG = adapter_layout.CONFIG
WEIGHTS = adapter_layout.WEIGHTS

# Settings under which the saved weights are more, or other, than W + scale · B A.
_UNSUPPORTED = (
    "lora_bias",
    "layer_replication",
    "target_parameters",
    "fan_in_fan_out",
    "use_qalora",
    "use_bdlora",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
    "alora_invocation_tokens",
)
# Initialisations that leave the base as it is; PiSSA, OLoRA, CorDA and LoftQ change it.
_PLAIN_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")


@dataclass(frozen=True)
class LowRankUpdate:
    """What an adapter adds to one weight: scale · B A, with A (rank, in) and B (out, rank); with
    DoRA the `lengths` (out,) that its rows then get."""

    a: StoredTensor
    b: StoredTensor
    scale: float
    lengths: StoredTensor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.b.shape[0], self.a.shape[1]

    def load(self, module: str) -> tuple[Floats, Floats]:
        """Return A (rank, in) and B·scale (out, rank) as float32. Raises AdapterError for values
        that are not numbers."""
        a, b = self.a.load(), self.b.load() * np.float32(self.scale)
        check_finite(module, a, b)
        return a, b

    def load_lengths(self, module: str) -> Floats | None:
        """Return the lengths (out,) of DoRA as float32. Raises AdapterError as `load` does."""
        if self.lengths is None:
            return None
        lengths = self.lengths.load()
        check_finite(module, lengths)
        return lengths


def check_finite(module: str, *arrays: Floats) -> None:
    """Raise AdapterError for values (…,) that are not finite."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise AdapterError(f"the adapter holds NaN or infinite values in {module}", "Train again")


@dataclass(frozen=True)
class Adapter:
    """An adapter in peft's layout: its manifest, and its updates by module name (model.layers.0 …).
    `origin` is the folder that the user named, with whatever else lies there; `own` are weights
    that it has in the place of the base's."""

    folder: Path
    manifest: AdapterManifest
    updates: dict[str, LowRankUpdate]
    origin: Path
    own: OwnWeights = field(default_factory=OwnWeights)


def read_manifest(folder: Path, base: str = "") -> AdapterManifest:
    """Return the manifest of an adapter whose prompts this version writes, or whose prompts are
    unknown; `base` names the base of one that others made. Raises AdapterError, BaseError or
    OptionError."""
    if not folder.is_dir():
        raise AdapterError(f"no adapter folder {folder}", "Give a folder that budgetai-train made")
    if not (folder / CONFIG).is_file() and (names := adapter_layout.subfolders(folder)):
        raise AdapterError(
            f"{folder.name} holds adapters in folders of their own: {', '.join(names)}",
            f"Name {folder / names[0]}",
        )
    if not (folder / MANIFEST).exists() and (folder / CONFIG).is_file():
        config = _config(folder)
        return third_party.manifest(folder, config, base, adapter_layout.largest_rank(folder))
    manifest = AdapterManifest.read(folder)
    if base:
        raise OptionError(
            f"--base {base}: {folder.name} was trained on {manifest.base.location}", "Leave it out"
        )
    if manifest.kind in COMPARED:
        raise AdapterError(
            f"the adapter {folder.name} was trained by --method {manifest.kind}, which is there to "
            "be compared with and cannot be converted",
            "Train with --method lora or dylora",
        )
    if manifest.prompt_format not in (PROMPT_FORMAT, third_party.UNKNOWN_PROMPTS):
        raise AdapterError(
            f"the adapter {folder.name} was trained on prompt format {manifest.prompt_format}, "
            f"this version writes format {PROMPT_FORMAT}",
            "Train again",
        )
    return manifest


def read(
    folder: Path, manifest: AdapterManifest | None = None, origin: Path | None = None
) -> Adapter:
    """Read and check an adapter in peft's layout; its values stay on disk. Raises as
    `read_manifest` does."""
    manifest = manifest or read_manifest(folder)
    config = _config(folder)
    pairs = _pairs(safetensors_reader.read(folder / WEIGHTS, AdapterError))
    updates = {module: _update(module, sides, config) for module, sides in pairs.items()}
    if not updates:
        raise AdapterError(f"the adapter {folder.name} changes nothing", "Train again")
    origin = origin or folder
    return Adapter(folder, manifest, updates, origin, adapter_layout.own(origin))


def _config(folder: Path) -> dict[str, Any]:
    """Return the configuration of a LoRA, rsLoRA or DoRA. Raises AdapterError with peft's way out
    for all others."""
    config = adapter_layout.read_config(folder)
    kind = config.get("peft_type")
    if kind != "LORA":
        raise AdapterError(
            f"{folder.name} is not a LoRA adapter: its peft_type is {kind}",
            "Only LoRA, rsLoRA and DoRA can be merged; peft makes a LoRA of some others "
            "(save_as_lora)",
        )
    unsupported = [key for key in _UNSUPPORTED if config.get(key)]
    if config.get("bias", "none") != "none":
        unsupported.append("bias")
    if unsupported:
        raise AdapterError(
            f"the adapter {folder.name} uses {', '.join(unsupported)}",
            "Only LoRA, rsLoRA and DoRA can be merged; merge it with peft (merge_and_unload, "
            "save_pretrained) and convert that folder",
        )
    start = config.get("init_lora_weights", True)
    if start not in _PLAIN_STARTS:
        raise AdapterError(
            f"the adapter {folder.name} was started with init_lora_weights={str(start)[:40]!r}, "
            "which changed its base too",
            "Let peft make a plain LoRA of it: save_pretrained with "
            "path_initial_model_for_weight_conversion",
        )
    return config


def _pairs(tensors: dict[str, StoredTensor]) -> dict[str, dict[str, StoredTensor]]:
    pairs: dict[str, dict[str, StoredTensor]] = {}
    for key, tensor in tensors.items():
        known = adapter_layout.key_of(key)
        if known and not known.side:
            # A copy of an embedding or head that is tuned; the check against torch sees if it
            # differs from the base's.
            continue
        if not known or len(tensor.shape) != (1 if known.side == "lengths" else 2):
            raise AdapterError(f"the adapter holds {key}", "Only LoRA of linear layers is merged")
        pairs.setdefault(known.module, {})[known.side] = tensor
    return pairs


def _update(module: str, sides: dict[str, StoredTensor], config: dict[str, Any]) -> LowRankUpdate:
    if not {"A", "B"} <= set(sides):
        raise AdapterError(f"the adapter has only one of two matrices for {module}")
    a, b, lengths = sides["A"], sides["B"], sides.get("lengths")
    if bool(config.get("use_dora")) != (lengths is not None):
        raise AdapterError(f"the adapter has no lengths, or unexpected ones, for {module}")
    if lengths is not None and lengths.shape != b.shape[:1]:
        raise AdapterError(f"the adapter's lengths for {module} are {lengths.shape}")
    rank = _for_module(config, "rank_pattern", "r", module)
    if not a.shape[0] == b.shape[1] == rank:
        raise AdapterError(
            f"the adapter's matrices for {module} are {a.shape} and {b.shape}, "
            f"its configuration says rank {rank}"
        )
    alpha = _for_module(config, "alpha_pattern", "lora_alpha", module)
    root = math.sqrt(rank) if config.get("use_rslora") else rank
    return LowRankUpdate(a, b, alpha / root, lengths)


def _for_module(config: dict[str, Any], patterns: str, name: str, module: str) -> float:
    """Return a setting that a pattern may override for some modules, by the rule peft has for
    it."""
    value, special = config.get(name), config.get(patterns) or {}
    try:
        keys = [key for key in special if re.match(rf"(.*\.)?({key})$", module)]
        value = special[keys[0]] if keys else value
    except (re.error, TypeError) as error:
        raise AdapterError(f"the adapter's {patterns} cannot be read: {error}") from None
    if not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise AdapterError(f"the adapter's {name} is {value}", "It must be a positive number")
    return value
