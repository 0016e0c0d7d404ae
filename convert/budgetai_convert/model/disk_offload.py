"""A model of transformers whose weights stay on disk: each block is read when its turn comes.

accelerate's hooks ask for weights by the names that they have in the model. What is in memory at
once is a block, or the embedding: a model of any depth runs where its largest tensor fits.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from budgetai_convert.model.weight_readers import Gguf, Safetensors, Stored
from budgetai_core import malloc_trim
from budgetai_core.artifacts.gguf_reader import read as read_gguf
from budgetai_core.errors import AdapterError, BaseError
from budgetai_core.models import model_config
from budgetai_core.models.architectures import sizes_of_gguf
from budgetai_core.models.base_weights import weight_files

if TYPE_CHECKING:
    from torch import Tensor

_PEFT, _ADAPTER = "base_model.model.", ".default"
_EMBEDDING, _HEAD = "model.embed_tokens.weight", "lm_head.weight"
# A layer that peft wraps is read as a whole: DoRA looks at the weight inside.
_WRAPPED = "Linear"
_EARLY = "early imports"


def import_early(adapter: Path | None) -> None:
    """Begin to import what takes seconds and `load` needs, while there is other work to do. It
    ends with the process, however that ends."""

    def work() -> None:
        # Whoever needs what is not there says so.
        with suppress(Exception):
            import_libraries(adapter)

    threading.Thread(target=work, name=_EARLY, daemon=True).start()


def finish_imports() -> None:
    """Wait until what was begun early is imported: two threads that import parts of the same
    libraries could wait for each other."""
    for thread in threading.enumerate():
        if thread.name == _EARLY:
            thread.join()


def import_libraries(adapter: Path | None) -> None:
    """Import what `load` needs, beforehand."""
    for name in ("accelerate.hooks", "transformers.models.auto.modeling_auto"):
        import_module(name)
    if adapter is not None:
        import_module("peft")


def load(base: Path, adapter: Path | None, progress: Callable[[], None]) -> Any:
    """Return the model of a GGUF file or a folder, in 32 bits, with a peft adapter beside its
    weights. `progress` is told of each block that has been passed. Raises KeyError for weights that
    are not there, and what transformers and peft raise: OSError, ValueError, RuntimeError,
    NotImplementedError."""
    import torch
    from accelerate import init_empty_weights
    from accelerate.hooks import attach_align_device_hook
    from transformers import AutoModelForCausalLM

    config = configuration(base)
    with init_empty_weights(include_buffers=False):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)

    def passed(*_: object) -> None:
        # A block's weights are left in cycles, which nobody would look for before long.
        malloc_trim.collect()
        progress()

    for block in model.model.layers:
        block.register_forward_hook(passed)
    whole = [*model._no_split_modules, _WRAPPED]
    weights = _Weights(_stored(base, config), adapter)
    if adapter is not None:
        from peft import PeftModel

        # It puts the adapter's layers into the model itself. What it stumbles over in a
        # configuration is told by errors of any kind.
        try:
            PeftModel.from_pretrained(model, adapter, low_cpu_mem_usage=True)
        except Exception as error:
            line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise AdapterError(
                f"peft cannot load the adapter {adapter.name}: {line}",
                "See what its adapter_config.json says, or save it again with peft",
            ) from error
    weights.check(model)
    cpu = torch.device("cpu")
    attach_align_device_hook(model, cpu, True, weights, preload_module_classes=whole)
    return model.eval()


def configuration(base: Path) -> Any:
    """Return the configuration of a model that is looked at as transformers would. Raises BaseError
    where it cannot read one."""
    from transformers import AutoConfig

    if base.is_file():
        return AutoConfig.for_model(**model_config.parameters_of(sizes_of_gguf(read_gguf(base))))
    values = model_config.read(base)
    # The parts of a configuration are checked by a library of its own, with errors of its own.
    try:
        config = AutoConfig.for_model(**values)
    except Exception as error:
        raise BaseError(f"{base.name}/{model_config.CONFIG}: {error}".replace("\n", " ")) from error
    if Safetensors(weight_files(base)).shape(_HEAD):
        # Whether it is the same as the embedding, or not.
        config.tie_word_embeddings = False
    return config


def _stored(base: Path, config: Any) -> Stored:
    if base.is_dir():
        return Safetensors(weight_files(base))
    heads = config.num_attention_heads, config.num_key_value_heads
    return Gguf(base, config.model_type, config.num_hidden_layers, heads)


class _Weights(Mapping[str, "Tensor"]):
    """The weights of a model by the names of its parameters, peft's own among them."""

    def __init__(self, base: Stored, adapter: Path | None) -> None:
        self._base = base
        self._adapter = Safetensors([adapter / "adapter_model.safetensors"] if adapter else [])
        self._names: list[str] = []

    def check(self, model: Any) -> None:
        """Look for every parameter of the model. Raises KeyError."""
        for name, parameter in model.named_parameters():
            stored, key = self._place(name)
            if _ADAPTER in name and stored is not self._adapter:
                raise AdapterError(
                    f"the adapter has no weights for {name.replace(_ADAPTER, '')}, which its "
                    "configuration says it changes",
                    "Its file is not whole: fetch it again, or save it anew with peft",
                )
            if stored.shape(key) != tuple(parameter.shape):
                raise KeyError(f"{key} is {stored.shape(key)}, not {tuple(parameter.shape)}")
            self._names.append(name)

    def __getitem__(self, name: str) -> "Tensor":
        stored, key = self._place(name)
        return stored.load(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def _place(self, name: str) -> tuple[Stored, str]:
        """Return where a weight is stored: an adapter's own copy, if it has one, is what counts."""
        tuned = _PEFT + name.replace(_ADAPTER, "").replace("_vector.weight", "_vector")
        if self._adapter.shape(tuned):
            return self._adapter, tuned
        plain = name.replace(".base_layer.", ".")
        if not self._base.shape(plain):
            # Tied: whichever of the two is there.
            plain = {_HEAD: _EMBEDDING, _EMBEDDING: _HEAD}.get(plain, plain)
        return self._base, plain
