"""The layouts of adapter folders: whatever peft, mlx-lm and the wrappers around a model in training
call files and tensors, it is read as peft's own plain layout."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from budgetai_convert.leftovers import temporary_folder
from budgetai_convert.model import own_weights
from budgetai_convert.model.own_weights import OwnWeights
from budgetai_core.artifacts import safetensors_reader
from budgetai_core.artifacts.atomic_write import read_json, write_json
from budgetai_core.artifacts.gguf_reader import Floats
from budgetai_core.artifacts.safetensors_reader import StoredTensor
from budgetai_core.errors import AdapterError

CONFIG = "adapter_config.json"
OWN = "own"
WEIGHTS = "adapter_model.safetensors"

_MLX_WEIGHTS = "adapters.safetensors"
_PICKLED = "adapter_model.bin"
_SHARDS = "adapter_model-*-of-*.safetensors"
_LFS = b"version https://git-lfs"

# What torch.compile, FSDP and DDP put into names, and what peft puts in front of them.
_WRAPPERS = re.compile(r"(^|(?<=\.))(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_PREFIX = re.compile(r"^(module\.)?(base_model\.model\.)?")
_PEFT_KEY = re.compile(
    r"(?P<module>.+)\.lora_(?:(?P<side>[AB])(?:\.(?P<name>[\w-]+))?\.weight"
    r"|magnitude_vector(?:\.(?P<of>(?!weight$)[\w-]+))?(?:\.weight)?)"
)
_MLX_KEY = re.compile(r"(?P<module>.+)\.(?P<side>lora_a|lora_b|m)")
_COPIED = ".base_layer.weight"


def _is_names(value: object) -> bool:
    texts = value if isinstance(value, list) else [value]
    return all(isinstance(text, str) for text in texts)


def _is_numbers(value: object) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return all(type(number) is int for number in numbers)


def _is_pattern(value: object) -> bool:
    return isinstance(value, dict) and all(type(n) in (int, float) for n in value.values())


# What peft's LoraConfig has to hold for peft itself to read it, by what is to be written.
_SETTINGS: dict[str, tuple[tuple[str, ...], Callable[[object], bool]]] = {
    "a whole number": (("r",), lambda value: type(value) is int),
    "a number": (("lora_alpha",), lambda value: type(value) in (int, float)),
    "true or false": (
        ("use_rslora", "use_dora", "fan_in_fan_out", "inference_mode", "lora_bias"),
        lambda value: isinstance(value, bool),
    ),
    "a list of names, or a pattern": (
        ("target_modules", "exclude_modules", "layers_pattern"),
        _is_names,
    ),
    "an object of numbers by module": (("rank_pattern", "alpha_pattern"), _is_pattern),
    "a list of numbers": (("layers_to_transform",), _is_numbers),
    "a text": (
        ("peft_type", "revision", "bias", "task_type"),
        lambda value: isinstance(value, str),
    ),
}
# Keys whose null peft does not take for its default.
_NULLS = ("rank_pattern", "alpha_pattern", "use_rslora", "use_dora", "fan_in_fan_out", "bias",
          "lora_bias", "inference_mode", "lora_dropout")  # fmt: skip


@dataclass(frozen=True)
class Key:
    """What a tensor of an adapter is for: `side` is A, B or lengths, empty for a copy of a weight
    of the base, or own for one that the adapter brings along in its place; `name` is the adapter's,
    where the file says it."""

    module: str
    side: str
    name: str = ""

    @property
    def plain(self) -> str:
        """The key as peft itself writes it."""
        ending = {"A": ".lora_A.weight", "B": ".lora_B.weight", "lengths": ".lora_magnitude_vector"}
        return f"base_model.model.{self.module}{ending.get(self.side, _COPIED)}"


def key_of(text: str) -> Key | None:
    """Read the name of a tensor, whoever wrote it; None for one that no LoRA has."""
    bare = _PREFIX.sub("", _WRAPPERS.sub("", text))
    if own_weights.is_own(bare):
        return Key(bare, OWN)
    if bare.endswith(_COPIED):
        return Key(bare.removesuffix(_COPIED), "")
    if match := _PEFT_KEY.fullmatch(bare):
        return Key(match["module"], match["side"] or "lengths", match["name"] or match["of"] or "")
    if match := _MLX_KEY.fullmatch(bare):
        sides = {"lora_a": "A", "lora_b": "B", "m": "lengths"}
        return Key(match["module"], sides[match["side"]])
    return None


@contextmanager
def plain(folder: Path) -> Iterator[Path]:
    """Give the folder itself where peft's own layout is in it, else one of the same name that holds
    the adapter so, for as long as it is needed. Raises AdapterError for what is not a LoRA's."""
    files = weight_files(folder)
    config = read_config(folder)
    stored = {text: t for path in files for text, t in tensors(path).items()}
    keys = {text: _known(text) for text in stored}
    if len({key.name for key in keys.values()} - {""}) > 1:
        raise AdapterError(f"{files[0].name} holds several adapters", "Save each by itself")
    lora = {text: key for text, key in keys.items() if key.side != OWN}
    usual = files == [folder / WEIGHTS] and all(
        key.side != OWN and key.plain == text for text, key in keys.items()
    )
    usual = usual and config == _raw_config(folder)
    if usual:
        yield folder
        return
    with temporary_folder() as place:
        made = place / folder.resolve().name
        made.mkdir()
        write_json(made / CONFIG, config | dict.fromkeys(own_weights.SETTINGS))
        _write(made / WEIGHTS, {key.plain: _laid_out(t, key, stored[t]) for t, key in lora.items()})
        yield made


def own(folder: Path) -> OwnWeights:
    """Return the weights that an adapter brings along in the place of the base's. Raises
    AdapterError."""
    stored = {text: t for path in weight_files(folder) for text, t in tensors(path).items()}
    keys = {text: key_of(text) for text in stored}
    bare = {key.module: stored[text] for text, key in keys.items() if key and key.side == OWN}
    return own_weights.of_tensors(bare, read_config(folder), folder.name)


def subfolders(folder: Path) -> list[str]:
    """Return the names of the adapters inside a folder that is none: peft saves named ones so."""
    return sorted(path.parent.name for path in folder.glob(f"*/{CONFIG}"))


def weight_files(folder: Path) -> list[Path]:
    """Return the files that hold an adapter's weights. Raises AdapterError with what is there
    instead."""
    shards = sorted(folder.glob(_SHARDS))
    for files in ([folder / WEIGHTS], [folder / _MLX_WEIGHTS], shards):
        if files and all(file.is_file() for file in files):
            return files
    if (folder / _PICKLED).is_file():
        raise AdapterError(
            f"the weights of {folder.name} are in {_PICKLED}, which can hold programs and is not "
            "read",
            f"Load it with peft and save it again: save_pretrained writes {WEIGHTS}",
        )
    raise AdapterError(f"no {WEIGHTS} in {folder}", "Fetch it, or save the adapter again with peft")


def tensors(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of a file by name. Raises AdapterError for one that is not whole."""
    with path.open("rb") as file:
        if file.read(len(_LFS)) == _LFS:
            raise AdapterError(f"{path.name} is a pointer of Git LFS", "Run: git lfs pull")
    return safetensors_reader.read(path, AdapterError)


def largest_rank(folder: Path) -> int:
    """Return the largest rank of an adapter's matrices, which patterns may raise or lower; 0
    without any. Raises AdapterError."""
    ranks = [
        tensor.shape[1 if _MLX_KEY.fullmatch(text) else 0]
        for path in weight_files(folder)
        for text, tensor in tensors(path).items()
        if (key := key_of(text)) and key.side == "A" and len(tensor.shape) == 2
    ]
    return max(ranks, default=0)


def _known(text: str) -> Key:
    key = key_of(text)
    if key is None:
        raise AdapterError(
            f"the adapter holds {text}",
            "Only LoRA of linear layers is merged; merge it with peft (merge_and_unload, "
            "save_pretrained) and convert that folder",
        )
    return key


def _laid_out(text: str, key: Key, tensor: StoredTensor) -> Floats:
    """Return the values as peft has them: A (r, in) and B (out, r); mlx-lm turns both."""
    turned = _MLX_KEY.fullmatch(text) and key.side in ("A", "B")
    values = tensor.load()
    return np.ascontiguousarray(values.T) if turned else values


def _write(path: Path, values: dict[str, Floats]) -> None:
    from safetensors.numpy import save_file

    save_file(values, path, {"format": "pt"})


def read_config(folder: Path) -> dict[str, Any]:
    """Read an adapter's configuration in peft's words. Raises AdapterError for one that cannot be
    read, and for training that left no adapter."""
    config = _raw_config(folder)
    if "peft_type" in config or "lora_parameters" not in config:
        return _checked(config, folder.name)
    settings, kind = config["lora_parameters"], config.get("fine_tune_type", "lora")
    if kind not in ("lora", "dora"):
        raise AdapterError(
            f"{folder.name} was trained by mlx-lm with --fine-tune-type {kind}",
            "Write it as a model with mlx_lm.fuse, and convert that",
        )
    try:
        rank, scale = int(settings["rank"]), float(settings["scale"])
    except (KeyError, TypeError, ValueError) as error:
        raise AdapterError(
            f"{folder.name}/{CONFIG}: lora_parameters has no usable {error}", "Train again"
        ) from None
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": config.get("model"),
        "r": rank,
        # mlx-lm multiplies by the scale itself, peft divides by the rank.
        "lora_alpha": scale * rank,
        "use_dora": kind == "dora",
        "target_modules": _targets(folder),
    }


def _raw_config(folder: Path) -> dict[str, Any]:
    try:
        config = read_json(folder / CONFIG)
    except (OSError, ValueError, RecursionError) as error:
        raise AdapterError(f"{folder / CONFIG} cannot be read: {error}") from None
    if not isinstance(config, dict):
        raise AdapterError(f"{folder / CONFIG} holds no object")
    return config


def _checked(config: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a configuration without nulls for which peft has a default. Raises AdapterError with
    the key whose value is of another type."""
    for wanted, (keys, is_sound) in _SETTINGS.items():
        for key in keys:
            value = config.get(key)
            if value is not None and not is_sound(value):
                raise AdapterError(
                    f"{name}/{CONFIG}: {key} is {str(value)[:40]!r}", f"Write {wanted}"
                )
    nulls = {key for key in _NULLS if key in config and config[key] is None}
    return {key: value for key, value in config.items() if key not in nulls}


def _targets(folder: Path) -> list[str]:
    keys = [key_of(text) for path in weight_files(folder) for text in tensors(path)]
    return sorted({key.module for key in keys if key})
