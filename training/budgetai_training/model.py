"""Loading a base model and its tokenizer for training, in 16 or 32 bits or in 4 (QLoRA)."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from tokenizers.normalizers import NFC
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import logging as transformers_logging

from budgetai_core.artifacts.base_models import Base
from budgetai_core.context.prompt import MARKER_NAMES
from budgetai_core.errors import BaseError
from budgetai_core.models import model_config
from budgetai_training import unpacked_base
from budgetai_training.memory_plan import Shape

_LOAD_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    AttributeError,
    RuntimeError,
    NotImplementedError,
    IndexError,
)


@dataclass(frozen=True)
class LoadedBase:
    """`load_in` is what was chosen: 4bit, bf16 or fp32."""

    model: Any
    tokenizer: Any
    load_in: str


def load(base: Base, digest: str, load_in: str) -> LoadedBase:
    """Load weights and tokenizer. Raises BaseError for files that are no such model.

    `digest` is that of the base; a GGUF is unpacked once, and found again by it.
    """
    chosen = choose_precision(load_in)
    with _loading(base):
        folder = _as_folder(base, digest)
        tokenizer = _load_tokenizer(folder)
        model = _load_4bit(folder) if chosen == "4bit" else _load_plain(folder, chosen)
    if getattr(model.config, "final_logit_softcapping", None):
        raise BaseError(f"{base.name} caps its logits, which is not supported", "Take another base")
    for module in model.modules():
        # bitsandbytes 0.50 repacks weights for AVX-512 when a layer is first evaluated, and keeps
        # using that form in training, where no gradient passes through it: after one evaluation
        # all but the last layers would learn from noise, without a word.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    model.config.use_cache = False
    return LoadedBase(model, tokenizer, chosen)


def shape(base: Base, digest: str, rank: int) -> Shape:
    """Return the sizes of a base with LoRA of a rank on all its linear layers, by its configuration
    alone: no weight is read."""
    with _loading(base):
        folder = _as_folder(base, digest).path
        assert folder is not None
        config = _configuration(folder)
        with torch.device("meta"):
            model: Any = AutoModelForCausalLM.from_config(config)
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    linear = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m not in ends]
    return Shape(
        parameters=sum(p.numel() for p in model.parameters()),
        embeddings=sum(p.numel() for p in {end.weight for end in ends}),
        trained=rank * sum(m.in_features + m.out_features for m in linear),
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        inner=config.intermediate_size,
        vocabulary=config.vocab_size,
    )


@contextlib.contextmanager
def _loading(base: Base) -> Iterator[None]:
    """Turn what transformers says of a broken model into one sentence."""
    try:
        with _quiet():
            yield
    except _LOAD_ERRORS as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BaseError(f"the base {base.name} cannot be loaded: {first_line}") from error


def _as_folder(base: Base, digest: str) -> Base:
    if base.kind != "gguf":
        return base
    return Base(base.name, "folder", unpacked_base.folder_of(base, digest))


def choose_precision(load_in: str) -> str:
    """Choose the precision to load in. `auto` is 4 bit on a GPU. On a CPU 4 bit saves memory but no
    time, so it is bf16 where the processor multiplies bf16 natively, else fp32."""
    if load_in != "auto":
        return load_in
    if torch.cuda.is_available():
        return "4bit"
    return "bf16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "fp32"


def _source(base: Base) -> dict[str, Any]:
    # A known path never needs the Hub; without this a missing optional file would be asked for.
    assert base.path is not None
    return {
        "pretrained_model_name_or_path": base.path,
        "config": _configuration(base.path),
        "local_files_only": True,
    }


def _configuration(folder: Path) -> Any:
    """Return the folder's configuration, without nulls that transformers does not take. Raises
    BaseError."""
    values = model_config.read(folder)
    # The parts of a configuration are checked by a library of its own, with errors of its own.
    try:
        return AutoConfig.for_model(**values)
    except Exception as error:
        line = f"{folder.name}/{model_config.CONFIG}: {error}".replace("\n", " ")
        raise BaseError(line) from error


def _load_plain(base: Base, load_in: str) -> Any:
    dtype = torch.float32 if load_in == "fp32" else torch.bfloat16
    model: Any = AutoModelForCausalLM.from_pretrained(**_source(base), dtype=dtype)
    return model.to("cuda") if torch.cuda.is_available() else model


def _load_4bit(base: Base) -> Any:
    """Load as NF4 with double quantisation (Dettmers et al. 2023), on a GPU or a CPU."""
    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    # Of several processes each has its own GPU.
    device = torch.cuda.current_device() if torch.cuda.is_available() else "cpu"
    model: Any = AutoModelForCausalLM.from_pretrained(
        **_source(base),
        dtype=torch.bfloat16,
        quantization_config=settings,
        device_map={"": device},
    )
    if device == "cpu":
        _own_what_is_mapped(model)
    return model


def _own_what_is_mapped(model: Any) -> None:
    """Copy the weights that stayed in 16 bits: they would keep all of the file that they were read
    from in memory, so that a base in 4 bits took more than one in 16."""
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.clone()


def _load_tokenizer(base: Base) -> Any:
    """Return the base's tokenizer, made to agree with llama.cpp's on text from files."""
    tokenizer = AutoTokenizer.from_pretrained(**_source(base))
    backend = tokenizer.backend_tokenizer
    # A marker that is "added" but not "special" (Qwen2.5-Coder's are) would be found in text.
    names = [name for names in MARKER_NAMES.values() for name in names]
    known = [name for name in names if backend.token_to_id(name) is not None]
    backend.add_special_tokens([AddedToken(n, special=True, normalized=False) for n in known])
    if isinstance(backend.normalizer, NFC):
        # llama.cpp does not compose characters, so neither may training.
        backend.normalizer = None
    return tokenizer


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers, which draws bars of its own while it reads; ours says what is going
    on."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
