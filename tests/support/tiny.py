"""Tiny real models, made offline in a second: a folder that transformers loads, a GGUF file that
llama.cpp loads, and an adapter that budgetai-convert takes. Nothing here knows anything; weights
are random, and large enough that a wrong row order changes every answer.
"""

import atexit
import functools
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

CODE = '''\
def mean(values: list[float]) -> float:
    """Return the arithmetic mean of the values, or zero for an empty list."""
    total = 0.0
    for value in values:
        total += value
    return total / len(values) if values else 0.0


class Stack:
    def __init__(self, items=None):
        self.items = list(items or [])

    def push(self, item):
        self.items.append(item)
        return self

    def pop(self):
        if not self.items:
            raise IndexError("pop from an empty stack")
        return self.items.pop()


function unique(items) {
  const seen = new Set();
  return items.filter((item) => {
    if (seen.has(item)) { return false; }
    seen.add(item);
    return true;
  });
}

#include <stdio.h>
int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        printf("%d: %s\\n", i, argv[i]);
    }
    return 0;
}

fn largest(list: &[i32]) -> Option<i32> {
    let mut best = None;
    for &item in list {
        if best.map_or(true, |b| item > b) { best = Some(item); }
    }
    best
}
'''

LLAMA_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<file_sep>")
QWEN2_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|repo_name|>",
    "<|file_sep|>",
)
STARCODER2_SPECIAL = (
    "<|endoftext|>",
    "<fim_prefix>",
    "<fim_middle>",
    "<fim_suffix>",
    "<repo_name>",
    "<file_sep>",
)
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
VOCABULARY = 600

MakeBase = Callable[..., Path]


@functools.cache
def _place() -> Path:
    """A folder for what has been made in this process."""
    folder = Path(tempfile.mkdtemp(prefix="tiny-"))
    atexit.register(shutil.rmtree, folder)
    return folder


def _kept(*described: object) -> Path:
    """Where what is described so is kept, once it has been made."""
    return _place() / hashlib.sha256(repr(described).encode()).hexdigest()


def made_once(make: MakeBase) -> MakeBase:
    """Make what the settings describe a first time, and copy it from then on: hundreds of tests
    want one of a few models, of which each takes a third of a second."""

    @functools.wraps(make)
    def made(folder: Path, **settings: Any) -> Path:
        kept = _kept(make.__name__, *sorted(settings.items()))
        if not kept.exists():
            make(kept, **settings)
        return shutil.copytree(kept, folder, dirs_exist_ok=True)

    return made


@made_once
def make_llama(
    folder: Path, *, tied: bool = True, hidden: int = 64, seed: int = 0, **rope: Any
) -> Path:
    """A llama model folder in the manner of SmolLM2: no fill-in-the-middle tokens. `rope` holds
    further rope parameters."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(**_sizes(tied, hidden), rope_parameters=_rope(10_000.0) | rope)
    _save(LlamaForCausalLM, config, folder, seed)
    _save_tokenizer(folder, _tokenizer("llama", LLAMA_SPECIAL))
    return folder


@made_once
def make_qwen2(
    folder: Path,
    *,
    tied: bool = True,
    hidden: int = 64,
    seed: int = 0,
    markers_special: bool = True,
) -> Path:
    """A qwen2 model folder with biases and fill-in-the-middle tokens. The tokenizers of the real
    Qwen2.5-Coder call those tokens not special; `markers_special=False` does so too."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(**_sizes(tied, hidden), rope_parameters=_rope(1_000_000.0))
    _save(Qwen2ForCausalLM, config, folder, seed)
    plain = () if markers_special else QWEN2_SPECIAL[3:]
    _save_tokenizer(folder, _tokenizer("qwen2", QWEN2_SPECIAL, plain))
    return folder


@made_once
def make_qwen3(folder: Path, *, tied: bool = True, hidden: int = 64, seed: int = 0) -> Path:
    """A qwen3 model folder: heads wider than their share of the width, and norms on them."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    sizes = _sizes(tied, hidden) | {"head_dim": hidden // 2}
    config = Qwen3Config(**sizes, rope_parameters=_rope(1_000_000.0))
    _save(Qwen3ForCausalLM, config, folder, seed)
    _save_tokenizer(folder, _tokenizer("qwen2", QWEN2_SPECIAL))
    return folder


@made_once
def make_starcoder2(folder: Path, *, tied: bool = True, hidden: int = 64, seed: int = 0) -> Path:
    """A starcoder2 model folder: LayerNorm, biases everywhere, no gate."""
    from transformers import Starcoder2Config, Starcoder2ForCausalLM

    config = Starcoder2Config(
        **_sizes(tied, hidden), sliding_window=None, rope_parameters=_rope(10_000.0)
    )
    _save(Starcoder2ForCausalLM, config, folder, seed)
    _save_tokenizer(folder, _tokenizer("llama", STARCODER2_SPECIAL))
    return folder


@made_once
def make_granite(folder: Path, *, tied: bool = True, hidden: int = 64, seed: int = 0) -> Path:
    """A granite model folder: llama with four factors, here none of them 1."""
    from transformers import GraniteConfig, GraniteForCausalLM

    factors: dict[str, Any] = {
        "embedding_multiplier": 1.5,
        "attention_multiplier": 0.2,
        "residual_multiplier": 0.7,
        "logits_scaling": 1.25,
    }
    config = GraniteConfig(**_sizes(tied, hidden), **factors, rope_parameters=_rope(10_000.0))
    _save(GraniteForCausalLM, config, folder, seed)
    _save_tokenizer(folder, _tokenizer("llama", STARCODER2_SPECIAL))
    return folder


def make_llama3(
    folder: Path, *, tied: bool = True, hidden: int = 64, seed: int = 0, original: int = 8192
) -> Path:
    """A llama model folder with the rope of Llama 3.2."""
    scaling = {
        "rope_type": "llama3",
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": original,
    }
    return make_llama(folder, tied=tied, hidden=hidden, seed=seed, **scaling)


def make_linear(folder: Path, *, tied: bool = True, hidden: int = 64, seed: int = 0) -> Path:
    """A llama model folder with the rope of DeepSeek Coder: a quarter of every angle."""
    return make_llama(folder, tied=tied, hidden=hidden, seed=seed, rope_type="linear", factor=4.0)


@made_once
def make_mistral(folder: Path, *, tied: bool = True, hidden: int = 64, seed: int = 0) -> Path:
    """A mistral model folder: llama under another name, with heads of a width of their own, and a
    window shorter than its context."""
    from transformers import MistralConfig, MistralForCausalLM

    sizes = _sizes(tied, hidden) | {"head_dim": hidden // 2}
    config = MistralConfig(**sizes, sliding_window=256, rope_parameters=_rope(10_000.0))
    _save(MistralForCausalLM, config, folder, seed)
    _save_tokenizer(folder, _tokenizer("llama", LLAMA_SPECIAL))
    return folder


@made_once
def make_smollm3(folder: Path, *, tied: bool = True, hidden: int = 64, seed: int = 0) -> Path:
    """A smollm3 model folder: the last of its four blocks knows no positions."""
    from transformers import SmolLM3Config, SmolLM3ForCausalLM

    sizes = _sizes(tied, hidden) | {"num_hidden_layers": 4}
    config = SmolLM3Config(**sizes, rope_parameters=_rope(2_000_000.0))
    _save(SmolLM3ForCausalLM, config, folder, seed)
    _save_tokenizer(folder, _tokenizer("llama", LLAMA_SPECIAL))
    return folder


def make_gguf(folder: Path, out: Path, quant: str = "F16") -> Path:
    """The model in `folder` as a GGUF file of type `quant`, without an adapter."""
    from budgetai_convert.formats import gguf_writer
    from budgetai_convert.model import merge
    from budgetai_convert.quantize import llama_quantize
    from budgetai_core.artifacts import base_models
    from budgetai_core.llama.quantizer import QuantizeParams
    from budgetai_core.models import base_weights

    opened = base_weights.open_source(base_models.resolve(str(folder)))
    out.parent.mkdir(parents=True, exist_ok=True)
    plain = out if quant == "F16" else out.with_suffix(".f16")
    gguf_writer.write(plain, opened.metadata, opened.weights, merge.merged(opened, None))
    if quant != "F16":
        llama_quantize.quantize(plain, out, QuantizeParams(quant=quant), lambda size: None)
        plain.unlink()
    return out


def make_adapter(
    folder: Path,
    base: Path | str,
    *,
    rank: int = 4,
    alpha: int = 8,
    seed: int = 1,
    scale: float = 0.2,
    repository: str = "tiny",
    **lora: Any,
) -> Path:
    """An untrained adapter with random A and B for `base`: a folder, a GGUF file, or a name that
    `bases.resolve` knows. `scale` is the spread of the values; `lora` goes to LoraConfig."""
    from budgetai_core.artifacts import base_models

    resolved = base_models.resolve(str(base))
    assert resolved.path is not None
    kept = _kept(resolved.record().digest, rank, alpha, seed, scale, *sorted(lora.items()))
    if not kept.exists():
        _make_adapter(kept, resolved.path, rank=rank, alpha=alpha, seed=seed, scale=scale, **lora)
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    named = resolved.path.parent if resolved.path.is_file() else resolved.path
    config["base_model_name_or_path"] = str(named)
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2))
    _manifest(resolved, rank, repository).write(folder)
    return folder


def _make_adapter(
    folder: Path,
    base: Path,
    *,
    rank: int,
    alpha: int,
    seed: int,
    scale: float,
    **lora: Any,
) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    settings: dict[str, Any] = {"target_modules": "all-linear", "task_type": "CAUSAL_LM"} | lora
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, **settings)
    model = get_peft_model(_load(base), config)
    torch.manual_seed(seed)
    for name, weight in model.named_parameters():
        if "magnitude" in name:
            torch.nn.init.uniform_(weight, 0.5, 3.0)
        elif "lora_" in name:
            torch.nn.init.normal_(weight, std=scale)
    model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)


def make_repository(folder: Path) -> Path:
    """Four files to learn from and the one held out, under the name that `make_adapter` gives the
    repository in its manifest."""
    root = folder / "tiny"
    texts = {f"src/part{i}.py": CODE.replace("mean", f"mean{i}") for i in range(4)}
    texts["held/out.py"] = CODE.replace("Stack", "Pile").replace("values", "numbers")
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def _load(path: Path | None) -> Any:
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    assert path is not None
    logging.disable_progress_bar()
    where: dict[str, Any] = {"pretrained_model_name_or_path": path}
    if path.is_file():
        where = {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name}
    return AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32, local_files_only=True)


def _manifest(base: Any, rank: int, repository: str) -> Any:
    from budgetai_core.artifacts.manifest import AdapterManifest
    from budgetai_core.context.prompt import PROMPT_FORMAT

    return AdapterManifest(
        prompt_format=PROMPT_FORMAT,
        base=base.record(),
        repository=repository,
        method="lora",
        rank=rank,
        load_in="fp32",
        seed=0,
        held_out=("held/out.py",),
        counts={"files": 1, "steps": 0},
        scores={"before": 2.5, "after": 2.25},
        seconds={"train": 0.0},
        versions={"budgetai": "0"},
        finished="2025-01-01T00:00:00",
    )


def _sizes(tied: bool, hidden: int) -> dict[str, Any]:
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": tied,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": 0,
    }


def _rope(base: float) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": base}


def _save(model_class: Any, config: Any, folder: Path, seed: int) -> None:
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(seed)
    model = model_class(config)
    for name, weight in model.named_parameters():
        # Wider than the usual 0.02: attention must choose, and logits must stand apart.
        if name.endswith("bias"):
            torch.nn.init.normal_(weight, std=0.5)
        elif weight.dim() == 1:
            torch.nn.init.uniform_(weight, 0.5, 1.5)
        else:
            torch.nn.init.normal_(weight, std=1.5 / config.hidden_size**0.5)
    model.save_pretrained(folder)


def _tokenizer(family: str, special: tuple[str, ...], plain: tuple[str, ...] = ()) -> Any:
    """Byte-level BPE, trained on CODE, that splits text as `family` does. `plain` tokens are
    added without being special."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    if family == "qwen2":
        split: Any = pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated")
        whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    else:
        split = pre_tokenizers.Digits(individual_digits=True)
        whole = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, whole])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        # Rows of the embedding are left over, as real models leave some.
        vocab_size=VOCABULARY - len(special) - 5,
        special_tokens=[token for token in special if token not in plain],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([CODE], trainer)
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in plain])
    return tokenizer


def _save_tokenizer(folder: Path, tokenizer: Any) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|endoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 512,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))
