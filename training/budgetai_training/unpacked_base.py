"""A GGUF base as a folder that transformers loads: configuration, 16-bit weights, tokenizer.

The converter's own table says what is in the file, so that what can be converted can be trained,
and as the same model. transformers reads fewer families, and drops the rope of Llama 3.
"""

import contextlib
import json
import math
import struct
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from budgetai_core.artifacts import gguf_reader, layout
from budgetai_core.artifacts.atomic_write import write_json
from budgetai_core.artifacts.base_models import Base
from budgetai_core.artifacts.gguf_reader import GGUFFile
from budgetai_core.models import architectures, gguf_tokenizer, model_config
from budgetai_core.models.architectures import Sizes

_ENDS = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
# Bytes at multiples of which the values begin.
_ALIGNMENT = 64


def folder_of(base: Base, digest: str) -> Path:
    """Return the folder of a GGUF base of this digest, made when it is first used. bf16 keeps what
    a file of at most 8 bits per weight says to within its own error. Raises BaseError."""
    assert base.path is not None
    folder = layout.unpacked_base(digest)
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder.parent) as temporary:
        whole = Path(temporary) / "model"
        whole.mkdir()
        file = gguf_reader.read(base.path)
        sizes = architectures.sizes_of_gguf(file)
        write_json(whole / model_config.CONFIG, _configuration(file, sizes))
        _write_tokenizer(whole, file, base.name)
        _write_weights(whole / "model.safetensors", file, sizes)
        # Another run may have been first with the same; then its copy is as good.
        with contextlib.suppress(OSError):
            whole.rename(folder)
    return folder


def _configuration(file: GGUFFile, sizes: Sizes) -> dict[str, Any]:
    ends = {f"{role}_token_id": number for role, number in _ends(file).items() if role != "unk"}
    return model_config.parameters_of(sizes) | {"dtype": "bfloat16"} | ends


def _ends(file: GGUFFile) -> dict[str, int]:
    """Return the ids of tokens that begin, end and pad a text, by transformers' names for them."""
    numbers = {role: file.value(f"tokenizer.ggml.{key}_token_id") for role, key in _ENDS.items()}
    count = len(file.value(gguf_tokenizer.TOKENS))
    return {r: n for r, n in numbers.items() if isinstance(n, int) and 0 <= n < count}


def _write_tokenizer(folder: Path, file: GGUFFile, name: str) -> None:
    described = gguf_tokenizer.described(file.metadata, name)
    (folder / "tokenizer.json").write_text(json.dumps(described), encoding="utf-8")
    tokens = file.value(gguf_tokenizer.TOKENS)
    ends = {f"{role}_token": tokens[number] for role, number in _ends(file).items()}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    write_json(folder / "tokenizer_config.json", settings | ends)


def _write_weights(path: Path, file: GGUFFile, sizes: Sizes) -> None:
    """Write the weights as bfloat16, a tensor at a time: all of them at once, and once more as the
    bytes of a file, would be more than a training takes."""
    stored = _stored_names(file, sizes)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for key, name in stored.items():
        shape = file.tensors[name].shape
        start, end = end, end + 2 * math.prod(shape)
        header[key] = {"dtype": "BF16", "shape": shape, "data_offsets": (start, end)}
    text = json.dumps(header).encode()
    # safetensors 0.8 maps the values where they lie, be it at odd addresses.
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name in stored.values():
            values = torch.from_numpy(sizes.in_model_order(name, file.load(name)))
            out.write(values.to(torch.bfloat16).view(torch.int16).numpy().data)


def _stored_names(file: GGUFFile, sizes: Sizes) -> dict[str, str]:
    """Return the file's names of the weights by those of transformers, in its order."""
    with torch.device("meta"):
        config = AutoConfig.for_model(**model_config.parameters_of(sizes))
        model: Any = AutoModelForCausalLM.from_config(config)
    names = architectures.names(sizes.architecture, sizes.blocks)
    by_key = {k: names.get_name(k, try_suffixes=(".weight", ".bias")) for k in model.state_dict()}
    # A tied head is not there.
    return {key: name for key, name in by_key.items() if name in file.tensors}
