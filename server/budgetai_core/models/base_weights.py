"""Where tensors and tokenizer come from: a GGUF file, or a Hugging Face folder of safetensors.

Both give the same thing: metadata as a GGUF file has it, and tensors that are loaded when asked
for, named and ordered as in a GGUF file.
"""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gguf
from gguf import GGUFValueType

from budgetai_core.artifacts import gguf_reader, safetensors_reader
from budgetai_core.artifacts.base_models import Base
from budgetai_core.artifacts.gguf_reader import Floats, GGUFFile, Metadata, pack
from budgetai_core.artifacts.safetensors_reader import StoredTensor
from budgetai_core.errors import BaseError
from budgetai_core.models import architectures, vocabulary
from budgetai_core.models.architectures import (
    FAMILIES,
    SUPPORTED,
    Sizes,
    check_sizes,
    check_tensors,
    sizes_of_gguf,
)

_HUB_FILES = ["*.json", "*.safetensors"]
# Buffers that old checkpoints carry along; they are computed from the sizes.
_COMPUTED = (".rotary_emb.inv_freq", ".attn.bias", ".masked_bias")
# What a GGUF file says of its own layout; ours differs.
_LAYOUT_KEYS = ("general.file_type", "general.quantization_version", "general.alignment")


@dataclass(frozen=True)
class Weight:
    """A tensor of the base: GGUF name, shape with rows first, and how to load it."""

    name: str
    shape: tuple[int, ...]
    load: Callable[[], Floats]


@dataclass(frozen=True)
class Source:
    """A base, ready to be written as GGUF. `path` is its file or folder; `retyped` names the
    tokens that this file, unlike the base, treats as control tokens."""

    name: str
    path: Path
    sizes: Sizes
    metadata: Metadata
    weights: tuple[Weight, ...]
    retyped: tuple[str, ...] = ()

    def name_of(self, module: str) -> str | None:
        """The GGUF name of a module's weight (model.layers.0.self_attn.q_proj), or None."""
        names = _names(self.sizes.architecture, self.sizes.blocks)
        found = names.get_name(f"{module}.weight", try_suffixes=(".weight",))
        return found if found in {weight.name for weight in self.weights} else None


def open_source(base: Base) -> Source:
    """Read everything of a base but its weights. A Hub id is fetched. Raises BaseError."""
    path = base.path or fetch(base.name)
    source = _from_folder(path, base.name) if path.is_dir() else _from_gguf(path, base.name)
    marked = vocabulary.mark(source.metadata)
    return replace(source, metadata=marked.metadata, retyped=marked.retyped)


def fetch(name: str) -> Path:
    """The local folder of a model on the Hub, downloaded where it is not there yet."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except (OSError, ValueError, RuntimeError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BaseError(f"the base {name} cannot be fetched: {first_line}") from error


def cached(name: str) -> Path | None:
    """The local folder of a model that was fetched from the Hub before, without asking there."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES, local_files_only=True))
    except (OSError, ValueError, RuntimeError):
        return None


def _from_gguf(path: Path, name: str) -> Source:
    file = gguf_reader.read(path)
    sizes = sizes_of_gguf(file)
    check_tensors(sizes, {name: info.shape for name, info in file.tensors.items()}, path.name)
    _check_tokenizer(file, sizes)
    weights = tuple(_gguf_weight(file, tensor) for tensor in file.tensors)
    metadata = {k: v for k, v in file.metadata.items() if k not in _LAYOUT_KEYS}
    return Source(name, path, sizes, metadata, weights)


def _gguf_weight(file: GGUFFile, name: str) -> Weight:
    return Weight(name, file.tensors[name].shape, lambda: file.load(name))


def _check_tokenizer(file: GGUFFile, sizes: Sizes) -> None:
    tokens, types = file.value(vocabulary.TOKENS), file.value(vocabulary.TYPES)
    if not isinstance(tokens, list) or not isinstance(types, list):
        raise BaseError(f"{file.path.name} holds no vocabulary")
    if not len(tokens) == len(types) == sizes.vocabulary:
        raise BaseError(
            f"{file.path.name} is broken: {len(tokens)} tokens with {len(types)} types, "
            f"and {sizes.vocabulary} rows in its embedding"
        )


def _from_folder(folder: Path, name: str) -> Source:
    config = _config(folder)
    sizes = _sizes_of_config(config, folder.name)
    stored = _stored(folder, sizes)
    check_tensors(sizes, {key: tensor.shape for key, tensor in stored.items()}, folder.name)
    metadata = {
        "general.architecture": pack(sizes.architecture, GGUFValueType.STRING),
        "general.type": pack("model", GGUFValueType.STRING),
        "general.name": pack(Path(name).name, GGUFValueType.STRING),
        **sizes.metadata(),
        **vocabulary.read_folder(folder, sizes.vocabulary),
    }
    weights = tuple(_folder_weight(sizes, key, stored[key]) for key in sizes.shapes())
    return Source(name, folder, sizes, metadata, weights)


def _folder_weight(sizes: Sizes, name: str, tensor: StoredTensor) -> Weight:
    return Weight(name, tensor.shape, lambda: sizes.in_file_order(name, tensor.load()))


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BaseError(f"{folder.name}/config.json cannot be read: {error}") from None
    if not isinstance(config, dict) or config.get("model_type") not in FAMILIES:
        kind = config.get("model_type") if isinstance(config, dict) else "unknown"
        raise BaseError(f"{folder.name} is a model of type {kind}", f"Supported: {SUPPORTED}")
    return config


def _sizes_of_config(config: dict[str, Any], name: str) -> Sizes:
    _refuse_variants(config, name)
    rope = _rope(config)
    try:
        heads, width = int(config["num_attention_heads"]), int(config["hidden_size"])
        sizes = Sizes(
            architecture=config["model_type"],
            blocks=int(config["num_hidden_layers"]),
            context=int(config["max_position_embeddings"]),
            width=width,
            feed_forward=int(config["intermediate_size"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_width=int(config.get("head_dim") or width // max(heads, 1)),
            vocabulary=int(config["vocab_size"]),
            rope_base=float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0),
            epsilon=_epsilon(config),
            tied=bool(config.get("tie_word_embeddings", config["model_type"] == "starcoder2")),
            biases=_biases(config),
            factors=_factors(config),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BaseError(f"{name}/config.json states no usable {error}") from None
    return check_sizes(sizes, name)


def _epsilon(config: dict[str, Any]) -> float:
    return float(config.get("rms_norm_eps") or config["norm_epsilon"])


def _biases(config: dict[str, Any]) -> tuple[str, ...]:
    family = FAMILIES[config["model_type"]]
    attention = family.attention_biases if config.get("attention_bias") else ()
    return attention + (family.feed_forward_biases if config.get("mlp_bias") else ())


def _factors(config: dict[str, Any]) -> tuple[tuple[str, float], ...]:
    family = FAMILIES[config["model_type"]]
    return tuple((key, float(config.get(name, 1.0))) for key, name in family.factors)


def _rope(config: dict[str, Any]) -> dict[str, Any]:
    """transformers 5 writes rope_parameters, earlier versions rope_theta beside rope_scaling."""
    found: dict[str, Any] = {}
    for key in ("rope_scaling", "rope_parameters"):
        part = config.get(key)
        found |= part if isinstance(part, dict) else {}
    return found


def _refuse_variants(config: dict[str, Any], name: str) -> None:
    rope, family = _rope(config), FAMILIES[config["model_type"]]
    kind = rope.get("rope_type") or rope.get("type") or "default"
    partial = rope.get("partial_rotary_factor") or config.get("partial_rotary_factor") or 1
    refused = {
        f"rope scaled as {kind}": kind != "default",
        "rope on a part of each head": partial != 1,
        "quantised weights": bool(config.get("quantization_config")),
        "sliding windows": bool(config.get("use_sliding_window")),
        "biases in its attention": config.get("attention_bias") and not _biases(config),
        "no biases": family.centred and not config.get("use_bias", True),
        "another activation": config.get("hidden_act", family.activation) != family.activation,
    }
    for what, present in refused.items():
        if present:
            raise BaseError(f"{name} has {what}", f"Supported: plain {SUPPORTED}")


@functools.cache
def _names(architecture: str, blocks: int) -> gguf.TensorNameMap:
    return architectures.names(architecture, blocks)


def _stored(folder: Path, sizes: Sizes) -> dict[str, StoredTensor]:
    """The folder's tensors by GGUF name."""
    names = _names(sizes.architecture, sizes.blocks)
    found: dict[str, StoredTensor] = {}
    for path in weight_files(folder):
        for key, tensor in safetensors_reader.read(path, BaseError).items():
            if key.endswith(_COMPUTED) or (sizes.tied and key == "lm_head.weight"):
                continue
            name = names.get_name(key, try_suffixes=(".weight", ".bias"))
            if name is None:
                raise BaseError(f"{folder.name} has a tensor {key} that is not known here")
            found[name] = tensor
    return found


def weight_files(folder: Path) -> list[Path]:
    """The files transformers would read: those of the index, else model.safetensors, else all."""
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    if not index.is_file():
        return sorted(folder.glob("*.safetensors"))
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise BaseError(f"{folder.name}/{index.name} cannot be read") from None
    paths = [folder / Path(str(name)).name for name in sorted(names)]
    for path in paths:
        if not path.is_file():
            raise BaseError(f"the base {folder.name} lacks {path.name}")
    return paths
