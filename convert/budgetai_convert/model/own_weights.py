"""Weights in the place of the base's that an adapter brings along, whole or row by row: embeddings
of new tokens, a head, norms (peft's `modules_to_save`, `trainable_token_indices` and resized ones).

With these in their place, the base is another one, whose vocabulary may be larger. What remains of
the adapter is a plain LoRA over it, which is merged and checked as any other.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from budgetai_convert.leftovers import temporary_folder
from budgetai_core.artifacts import safetensors_reader
from budgetai_core.artifacts.atomic_write import read_json, write_json
from budgetai_core.artifacts.base_models import Base
from budgetai_core.artifacts.gguf_reader import Floats
from budgetai_core.artifacts.safetensors_reader import StoredTensor
from budgetai_core.errors import AdapterError, BaseError
from budgetai_core.models import base_weights, gguf_tokenizer, model_config

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
SETTINGS = ("modules_to_save", "trainable_token_indices")
"""What tells in a configuration that there are such weights."""

_WHOLE = re.compile(
    r"(?P<module>(?:(?!\.?lora_|\.base_layer\.).)+?)"
    r"(?P<kind>\.modules_to_save(?:\.[\w-]+)?|\.token_adapter\.base_layer)?\.(?P<part>weight|bias)"
)
_ROWS = re.compile(r"(?P<module>.+)\.token_adapter\.trainable_tokens_delta(?:\.[\w-]+)?")
_ORIGINAL = ".original_module."
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "added_tokens.json",
              "special_tokens_map.json", "additional_chat_templates")  # fmt: skip


@dataclass(frozen=True)
class OwnWeights:
    """Tensors by the names of transformers: `whole` ones, and `rows` of others with their numbers.
    Each row takes the place of the one that is there."""

    whole: dict[str, StoredTensor] = field(default_factory=dict)
    rows: dict[str, tuple[tuple[int, ...], StoredTensor]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.whole or self.rows)

    @property
    def names(self) -> str:
        """The modules, for people."""
        names = sorted({name.removesuffix(".weight") for name in (*self.whole, *self.rows)})
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return ", ".join(name.removeprefix("model.") for name in names[:3]) + more

    @property
    def of_tokens(self) -> bool:
        """Whether tokens have weights here."""
        return bool({EMBEDDING, HEAD} & {*self.whole, *self.rows})


def is_own(bare: str) -> bool:
    """Return whether a tensor of an adapter's file, without peft's prefix, is of this kind."""
    return _ORIGINAL in bare or bool(_ROWS.fullmatch(bare) or _WHOLE.fullmatch(bare))


def of_tensors(stored: dict[str, StoredTensor], config: dict[str, Any], name: str) -> OwnWeights:
    """Return the weights of this kind among an adapter's tensors, by their names without prefix.
    Raises AdapterError where the configuration names some that are not there."""
    whole: dict[str, StoredTensor] = {}
    ranks: dict[str, bool] = {}
    rows = {}
    for bare, tensor in stored.items():
        if _ORIGINAL in bare:
            continue
        if match := _ROWS.fullmatch(bare):
            numbers = _numbers(config, match["module"], tensor, name)
            rows[f"{match['module']}.weight"] = numbers, tensor
        elif match := _WHOLE.fullmatch(bare):
            key = f"{match['module']}.{match['part']}"
            # A file may have what peft has wrapped beside what it stands for.
            if key not in whole or (match["kind"] and not ranks[key]):
                whole[key], ranks[key] = tensor, bool(match["kind"])
    _check_whole(config, {*whole, *rows}, name)
    return OwnWeights(whole, rows)


def _numbers(
    config: dict[str, Any], module: str, tensor: StoredTensor, name: str
) -> tuple[int, ...]:
    told = config.get("trainable_token_indices")
    if isinstance(told, dict):
        told = next((told[key] for key in told if module.endswith(str(key))), None)
    if not isinstance(told, list) or not all(type(n) is int and n >= 0 for n in told):
        raise AdapterError(
            f"the adapter {name} states no token numbers for {module} in trainable_token_indices",
            "Save it again with peft",
        )
    if len(tensor.shape) != 2 or len(told) != tensor.shape[0]:
        raise AdapterError(
            f"the adapter's tokens for {module} are {tensor.shape}, its configuration names "
            f"{len(told)}"
        )
    return tuple(told)


def _check_whole(config: dict[str, Any], names: set[str], name: str) -> None:
    modules = config.get("modules_to_save") or []
    if not isinstance(modules, list):
        raise AdapterError(
            f"the adapter {name} has {str(modules)[:40]!r} as modules_to_save", "Write a list"
        )
    indices = config.get("trainable_token_indices") or {}
    wanted = [
        *modules,
        *(indices if isinstance(indices, dict) else ["embed_tokens"] * bool(indices)),
    ]
    held = [f".{key.rpartition('.')[0]}" for key in names]
    for module in wanted:
        if not any(f".{module}" in key for key in held):
            raise AdapterError(
                f"the adapter {name} has no weights for {module}, which its configuration says it "
                "changes",
                "Its file is not whole: fetch it again, or save it anew with peft",
            )


@contextmanager
def laid_in(
    base: Base, own: OwnWeights, adapter: Path, *, tokenizer: bool = False, parts: bool = False
) -> Iterator[Base]:
    """Give the base with an adapter's own weights in their places, for as long as it is needed:
    a folder that links to the files of the base. `tokenizer`: that in the adapter's folder counts,
    where there is one. `parts`: a head that is the embedding, too, is parted from it.
    Raises AdapterError for weights that do not fit the base."""
    assert base.path is not None
    if not base.path.is_dir():
        raise AdapterError(
            f"the adapter {adapter.name} brings weights of its own ({own.names or 'a head'}), and "
            "its base is a GGUF file",
            "Name the folder or the Hub id of its base with --base",
        )
    with temporary_folder() as place:
        folder = place / base.path.name
        folder.mkdir()
        _link(base.path, folder, adapter if tokenizer else base.path)
        files = base_weights.weight_files(base.path)
        links = {f"base-{n:05}.safetensors": file for n, file in enumerate(files)}
        for link, file in links.items():
            (folder / link).symlink_to(file.resolve())
        stored = {k: t for file in files for k, t in _tensors(file).items()}
        made = _write(folder, own, stored, adapter.name)
        if parts:
            config = read_json(folder / model_config.CONFIG)
            write_json(folder / model_config.CONFIG, config | {"tie_word_embeddings": False})
            if HEAD not in {**stored, **made}:
                made[HEAD] = _save(folder, HEAD, stored[EMBEDDING].load(), len(made))
        # Of two files that have a tensor, the later one by name counts.
        index = {key: link for link, file in links.items() for key in _tensors(file)} | made
        write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": index})
        yield replace(base, kind="folder", path=folder)


def _link(base: Path, folder: Path, tokenizer: Path) -> None:
    """Link to all but weights; to the tokenizer in another folder, where there is one."""
    other = tokenizer if (tokenizer / "tokenizer.json").is_file() else base
    for path in base.glob("*.json"):
        if path.name not in (*_TOKENIZER, model_config.CONFIG, "model.safetensors.index.json"):
            (folder / path.name).symlink_to(path.resolve())
    for name in _TOKENIZER:
        if (other / name).exists():
            (folder / name).symlink_to((other / name).resolve())
    if not gguf_tokenizer.chat_templates(folder):
        _write_templates(folder, gguf_tokenizer.chat_templates(base))
    (folder / model_config.CONFIG).write_bytes((base / model_config.CONFIG).read_bytes())


def _write_templates(folder: Path, templates: dict[str, str]) -> None:
    for name, text in templates.items():
        # A name comes from the base's files and may hold anything.
        others = Path("additional_chat_templates", f"{Path(name).name}.jinja")
        path = folder / ("chat_template.jinja" if name == "default" else others)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _write(
    folder: Path, own: OwnWeights, stored: dict[str, StoredTensor], name: str
) -> dict[str, str]:
    """Write each own weight into a file, and the size of the vocabulary into the configuration;
    return the files by their tensors."""
    made: dict[str, str] = {}
    tied = HEAD not in stored
    for key in {**own.whole, **own.rows}:
        if key not in stored and key != HEAD:
            raise AdapterError(f"the adapter {name} holds {key}, which its base has not")
        values = _values(own, key, stored, name)
        made[key] = _save(folder, key, values, len(made))
        if key == EMBEDDING and tied and HEAD not in {**own.whole, **own.rows}:
            # The rows of a tied head are those of the embedding; one that is replaced is no
            # longer tied.
            rest = values if key in own.rows else stored[EMBEDDING].load()
            made[HEAD] = _save(folder, HEAD, rest, len(made))
    sizes = {key: _tensors(folder / file)[key].shape for key, file in made.items()}
    counts = [
        (sizes.get(key) or (stored[key].shape if key in stored else ()))[:1]
        for key in (EMBEDDING, HEAD)
    ]
    if all(counts) and counts[0] != counts[1]:
        raise AdapterError(
            f"the adapter {name} has {counts[0][0]} tokens in its embedding and {counts[1][0]} in "
            "its head",
            "Save it again with peft, with save_embedding_layers=True",
        )
    if EMBEDDING in sizes:
        config = read_json(folder / model_config.CONFIG)
        write_json(folder / model_config.CONFIG, config | {"vocab_size": counts[0][0]})
    return made


def _values(own: OwnWeights, key: str, stored: dict[str, StoredTensor], name: str) -> Floats:
    """Return a weight (n, …) as the adapter has it."""
    there = stored.get(key) or stored[EMBEDDING]
    whole = own.whole.get(key)
    values = (whole or there).load()
    alike = values.shape[1:] == there.shape[1:]
    if not alike or (key not in (EMBEDDING, HEAD) and values.shape != there.shape):
        raise AdapterError(
            f"the adapter's {key} is {values.shape}, that of its base is {there.shape}",
            "The adapter belongs to another base",
        )
    if key in own.rows:
        numbers, rows = own.rows[key]
        if max(numbers, default=0) >= len(values) or rows.shape[1:] != values.shape[1:]:
            raise AdapterError(
                f"the adapter {name} changes the token {max(numbers)} of {key}, which has "
                f"{len(values)}",
                "The adapter belongs to another base",
            )
        values[list(numbers)] = rows.load()
    return values


def _save(folder: Path, key: str, values: Floats, number: int) -> str:
    file = f"own-{number:05}.safetensors"
    save_file({key: values}, folder / file, {"format": "pt"})
    return file


def _tensors(path: Path) -> dict[str, StoredTensor]:
    return safetensors_reader.read(path, BaseError)
