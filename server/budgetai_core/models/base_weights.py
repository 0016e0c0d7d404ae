"""Where tensors and tokenizer come from: a GGUF file, or a Hugging Face folder of safetensors.

Both give the same thing: metadata as a GGUF file has it, and tensors that are loaded when asked
for, named and ordered as in a GGUF file.
"""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import gguf
from gguf import GGUFValueType

from budgetai_core.artifacts import gguf_reader, safetensors_reader
from budgetai_core.artifacts.base_models import Base
from budgetai_core.artifacts.gguf_header import Metadata
from budgetai_core.artifacts.gguf_reader import Floats, GGUFFile, pack
from budgetai_core.artifacts.safetensors_reader import StoredTensor
from budgetai_core.errors import BaseError
from budgetai_core.models import architectures, gguf_tokenizer, model_config, rope
from budgetai_core.models.architectures import Sizes, check_tensors, sizes_of_gguf

_DESCRIPTIONS = ["*.json", "*.jinja"]
_WEIGHTS = ["*.safetensors"]
_EMBEDDING, _HEAD = "token_embd.weight", "output.weight"
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
        """Return the GGUF name of a module's weight (model.layers.0.self_attn.q_proj), or None."""
        names = _names(self.sizes.architecture, self.sizes.blocks)
        name = names.get_name(f"{module}.weight", try_suffixes=(".weight",))
        return name if name in {weight.name for weight in self.weights} else None


def open_source(base: Base) -> Source:
    """Read everything of a base but its weights. A Hub id is fetched. Raises BaseError."""
    base = fetched(base)
    assert base.path is not None
    source = (_from_folder if base.path.is_dir() else _from_gguf)(base.path, base.name)
    marked = gguf_tokenizer.mark(source.metadata)
    return replace(source, metadata=marked.metadata, retyped=marked.retyped)


def check(base: Base) -> None:
    """Refuse what could never be trained and converted before anything is spent on it. Of a base on
    the Hub only configuration and tokenizer are fetched for that. Raises BaseError."""
    if base.path is not None:
        # llama.cpp splits text for a GGUF file by more rules than training can follow.
        gguf_tokenizer.described(open_source(base).metadata, base.name)
        return
    folder = _fetched(base, _DESCRIPTIONS)
    if not (folder / model_config.CONFIG).is_file():
        adapter = (folder / "adapter_config.json").is_file()
        raise BaseError(
            f"{base.name} on the Hub is {'an adapter' if adapter else 'no model'}: it has no "
            "config.json",
            "Fetch it with `hf download` and name its folder" if adapter else "Name a model",
        )
    sizes = model_config.sizes(model_config.read(folder, base.name), base.name)
    gguf_tokenizer.read_folder(folder, sizes.vocabulary)


def fetched(base: Base) -> Base:
    """Return the base with its files on this machine. One of the Hub is checked, downloaded where
    it is not there yet, and held to the commit it was found at. Raises BaseError."""
    if base.path is not None:
        return base
    check(base)
    folder = _fetched(base, [*_DESCRIPTIONS, *_WEIGHTS])
    return replace(base, path=folder, revision=folder.name)


def _fetched(base: Base, files: list[str]) -> Path:
    try:
        return _snapshot(base, files)
    except (OSError, ValueError, RuntimeError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BaseError(f"the base {base.hub_name} cannot be fetched: {first_line}") from error


def cached(base: Base) -> Base | None:
    """Return a base that was fetched from the Hub before, without asking there; None if it was
    not."""
    try:
        folder = _snapshot(base, [*_DESCRIPTIONS, *_WEIGHTS], offline=True)
    except (OSError, ValueError, RuntimeError):
        return None
    return replace(base, path=folder, revision=folder.name)


def _snapshot(base: Base, files: list[str], *, offline: bool = False) -> Path:
    """Return the folder of a model's files on the Hub; it is named after their commit."""
    from huggingface_hub import snapshot_download

    folder = snapshot_download(
        base.name,
        revision=base.revision or None,
        allow_patterns=files,
        local_files_only=offline,
    )
    return Path(folder)


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
    tokens, types = file.value(gguf_tokenizer.TOKENS), file.value(gguf_tokenizer.TYPES)
    if not isinstance(tokens, list) or not isinstance(types, list):
        raise BaseError(f"{file.path.name} holds no vocabulary")
    if not len(tokens) == len(types) == sizes.vocabulary:
        raise BaseError(
            f"{file.path.name} is broken: {len(tokens)} tokens with {len(types)} types, "
            f"and {sizes.vocabulary} rows in its embedding"
        )


def _from_folder(folder: Path, name: str) -> Source:
    config = model_config.read(folder, name)
    sizes = model_config.sizes(config, folder.name)
    stored = _stored(folder, sizes)
    sizes = replace(sizes, tied=_is_tied(stored, sizes))
    if sizes.tied:
        # Whichever of the two the file has counts for both.
        head = stored.pop(_HEAD, None)
        stored.setdefault(_EMBEDDING, head) if head else None
    shapes = {key: tensor.shape for key, tensor in stored.items()}
    if sizes.divisors is not None:
        shapes[rope.FREQUENCIES] = sizes.divisors.shape
    check_tensors(sizes, shapes, folder.name)
    metadata = {
        "general.architecture": pack(sizes.architecture, GGUFValueType.STRING),
        "general.type": pack("model", GGUFValueType.STRING),
        "general.name": pack(Path(name).name, GGUFValueType.STRING),
        **sizes.metadata(),
        **gguf_tokenizer.read_folder(folder, sizes.vocabulary),
    }
    weights = tuple(_folder_weight(sizes, key, stored.get(key)) for key in sizes.shapes())
    return Source(name, folder, sizes, metadata, weights)


def _folder_weight(sizes: Sizes, name: str, tensor: StoredTensor | None) -> Weight:
    divisors = sizes.divisors
    if tensor is None:
        assert name == rope.FREQUENCIES and divisors is not None
        return Weight(name, divisors.shape, divisors.copy)
    return Weight(name, tensor.shape, lambda: sizes.in_file_order(name, tensor.load()))


def _is_tied(stored: dict[str, StoredTensor], sizes: Sizes) -> bool:
    """Return whether embedding and head are one, as transformers 5 counts it: not if the files hold
    two that differ, whatever the configuration says."""
    embedding, head = stored.get(_EMBEDDING), stored.get(_HEAD)
    return sizes.tied and (not (embedding and head) or embedding.equals(head))


@functools.cache
def _names(architecture: str, blocks: int) -> gguf.TensorNameMap:
    return architectures.names(architecture, blocks)


def _stored(folder: Path, sizes: Sizes) -> dict[str, StoredTensor]:
    """Return the folder's tensors by GGUF name."""
    names = _names(sizes.architecture, sizes.blocks)
    stored: dict[str, StoredTensor] = {}
    for path in weight_files(folder):
        for key, tensor in safetensors_reader.read(path, BaseError).items():
            if key.endswith(_COMPUTED):
                continue
            name = names.get_name(key, try_suffixes=(".weight", ".bias"))
            if name is None:
                raise BaseError(f"{folder.name} has a tensor {key} that is not known here")
            stored[name] = tensor
    return stored


def weight_files(folder: Path) -> list[Path]:
    """Return the files transformers would read: those of the index, else model.safetensors, else
    all. Raises BaseError for one that is missing, or an index that cannot be read."""
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
