"""Loading a base model and its tokenizer for training, in 16 or 32 bits or in 4 (QLoRA)."""

import contextlib
import io
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from budgetai_server.artefacts.bases import Base
from budgetai_server.errors import BaseError
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import logging as transformers_logging

_LOAD_ERRORS = (OSError, ValueError, KeyError, RuntimeError, NotImplementedError, IndexError)


@dataclass(frozen=True)
class LoadedBase:
    """`load_in` is what was chosen: 4bit, bf16 or fp32."""

    model: Any
    tokenizer: Any
    load_in: str


def load(base: Base, load_in: str) -> LoadedBase:
    """Load weights and tokenizer. Raises BaseError for files that are no such model."""
    chosen = choose_precision(load_in)
    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(**_where(base))
            model = _load_4bit(base) if chosen == "4bit" else _load_plain(base, _dtype(chosen))
    except _LOAD_ERRORS as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BaseError(f"the base {base.name} cannot be loaded: {first_line}") from error
    model.config.use_cache = False
    return LoadedBase(model, tokenizer, chosen)


def choose_precision(load_in: str) -> str:
    """`auto` is 4 bit on a GPU. On a CPU 4 bit saves memory but no time, so it is bf16 where the
    processor multiplies bf16 natively, else fp32."""
    if load_in != "auto":
        return load_in
    if torch.cuda.is_available():
        return "4bit"
    return "bf16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "fp32"


def _dtype(load_in: str) -> torch.dtype:
    return torch.float32 if load_in == "fp32" else torch.bfloat16


def _where(base: Base) -> dict[str, Any]:
    if base.path is None:
        return {"pretrained_model_name_or_path": base.name}
    # A known path never needs the Hub; without this a missing optional file would be asked for.
    if base.path.is_dir():
        return {"pretrained_model_name_or_path": base.path, "local_files_only": True}
    return {
        "pretrained_model_name_or_path": base.path.parent,
        "gguf_file": base.path.name,
        "local_files_only": True,
    }


def _load_weights(base: Base, **more: Any) -> Any:
    model: Any = AutoModelForCausalLM.from_pretrained(**_where(base), **more)
    if base.kind == "gguf":
        # Its weights are dequantised by now; it is neither trained nor saved as what it was.
        model.hf_quantizer = None
        model.is_quantized = False
        del model.config.quantization_config
    return model


def _load_plain(base: Base, dtype: torch.dtype, **more: Any) -> Any:
    model = _load_weights(base, dtype=dtype, **more)
    if torch.cuda.is_available() and not more:
        model = model.to("cuda")
    return model


def _load_4bit(base: Base) -> Any:
    """NF4 with double quantisation (Dettmers et al. 2023). transformers does not quantise a GGUF
    while reading it, so a GGUF goes through a temporary folder of plain bf16 weights."""
    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    with _as_folder(base) as folder:
        return _load_plain(
            folder, torch.bfloat16, quantization_config=settings, device_map={"": device}
        )


@contextlib.contextmanager
def _as_folder(base: Base) -> Iterator[Base]:
    if base.kind != "gguf":
        yield base
        return
    with tempfile.TemporaryDirectory(prefix="budgetai-") as temporary:
        model = _load_weights(base, dtype=torch.bfloat16)
        model.save_pretrained(temporary)
        del model
        yield Base(base.name, "folder", Path(temporary))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """transformers draws bars of its own while it reads; ours says what is going on."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
