"""GGUF bases of every family are trained as the models that llama.cpp runs."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFValueType
from transformers import AutoModelForCausalLM

from budgetai_convert.formats import gguf_writer
from budgetai_core.artifacts import gguf_reader
from budgetai_core.artifacts.base_models import resolve
from budgetai_core.artifacts.gguf_reader import pack
from budgetai_core.errors import BaseError
from budgetai_core.llama.scoring import ScoringModel
from budgetai_core.models import base_weights
from budgetai_training import model, unpacked_base
from budgetai_training.samples.encoding import Encoder
from support import tiny

IDS = [5, 17, 33, 60, 61, 90, 120, 7, 44, 200, 150, 3, 99, 250, 12, 66]
TEXTS = (
    tiny.CODE,
    "x = 1234 ½ ² ٣٤\r\n\r\n\t \n  y\n" + "\n" * 20,
    "don't DON'T <|im_start|> <|fim_middle|> <file_sep>",
    "日本語のテスト 한국어 e\u0301 🤷‍♂️",
)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDGETAI_HOME", str(tmp_path / "home"))


def logits(loaded: Any) -> torch.Tensor:
    with torch.no_grad():
        rows: torch.Tensor = loaded.eval()(input_ids=torch.tensor([IDS])).logits[0]
    return rows


@pytest.mark.parametrize(
    "make",
    [
        tiny.make_llama, tiny.make_llama3, tiny.make_linear, tiny.make_mistral, tiny.make_qwen2,
        tiny.make_qwen3, tiny.make_starcoder2, tiny.make_granite, tiny.make_smollm3,
    ],
)  # fmt: skip
@pytest.mark.parametrize("tied", [True, False])
def test_what_is_trained_is_the_model_in_the_file(
    make: Callable[..., Path], tied: bool, tmp_path: Path
) -> None:
    folder = make(tmp_path / "base", tied=tied)
    file = tiny.make_gguf(folder, tmp_path / "base.gguf")
    loaded = model.load(resolve(str(file)), "0" * 64, "fp32")
    original: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        for weight in original.parameters():
            # Matrices are F16 in the file, and what is unpacked of it is bf16.
            in_file = weight.half().float() if weight.dim() > 1 else weight
            weight.copy_(in_file.bfloat16().float())
    wanted = logits(original)
    assert (logits(loaded.model) - wanted).abs().max() < 1e-3 * wanted.abs().max()
    # Slow rotations that are divided do not show within few tokens.
    assert loaded.model.config.rope_parameters == original.config.rope_parameters
    encoder = Encoder(loaded.tokenizer)
    with ScoringModel(file, vocabulary_only=True) as native:
        assert [encoder.tokenize(text) for text in TEXTS] == [native.tokenize(t) for t in TEXTS]


def test_its_values_begin_at_an_aligned_byte(tmp_path: Path) -> None:
    """They are mapped into memory where they lie."""
    file = tiny.make_gguf(tiny.make_llama(tmp_path / "base"), tmp_path / "base.gguf")
    folder = unpacked_base.folder_of(resolve(str(file)), "0" * 64)
    stored = (folder / "model.safetensors").read_bytes()
    header = int.from_bytes(stored[:8], "little")
    assert json.loads(stored[8 : 8 + header])
    assert (8 + header) % 64 == 0


def rewritten(file: Path, **changes: bytes | None) -> Path:
    """A GGUF file with other values of tokenizer keys, or without them."""
    opened = base_weights.open_source(resolve(str(file)))
    keys = {f"tokenizer.ggml.{key}": value for key, value in changes.items()}
    metadata = {k: v for k, v in (opened.metadata | keys).items() if v is not None}
    weights = ((weight, weight.load()) for weight in opened.weights)
    other = file.with_name("other.gguf")
    gguf_writer.write(other, metadata, opened.weights, weights)
    return other


def text(value: str) -> bytes:
    return pack(value, GGUFValueType.STRING)


@pytest.mark.parametrize(
    "rule",
    [
        "qwen2", "deepseek-r1-qwen", "llama-bpe", "llama3", "llama-v3", "smollm", "refact",
        "starcoder", "codeshell", "command-r", "gpt-2", "phi-2",
    ],
)  # fmt: skip
@pytest.mark.parametrize("adds", [None, True, False])
def test_text_is_split_as_llama_cpp_does_by_a_rule(
    rule: str, adds: bool | None, tmp_path: Path
) -> None:
    file = tiny.make_gguf(tiny.make_llama(tmp_path / "base"), tmp_path / "base.gguf")
    add_bos_token = None if adds is None else pack(adds, GGUFValueType.BOOL)
    other = rewritten(file, pre=text(rule), add_bos_token=add_bos_token)
    base_weights.check(resolve(str(other)))
    tokenizer = model.load(resolve(str(other)), "0" * 64, "fp32").tokenizer
    encoder = Encoder(tokenizer)
    with ScoringModel(other, vocabulary_only=True) as native:
        assert [encoder.tokenize(text) for text in TEXTS] == [native.tokenize(t) for t in TEXTS]
        assert tokenizer("").input_ids == native.beginning()


def test_a_tokenizer_that_training_cannot_follow_is_refused_at_once(tmp_path: Path) -> None:
    file = tiny.make_gguf(tiny.make_llama(tmp_path / "base"), tmp_path / "base.gguf")
    for changes, told in (
        ({"pre": text("deepseek-coder")}, "by the rule deepseek-coder, which is not known here"),
        ({"pre": None}, "by the rule None"),
        ({"model": text("llama")}, "is not byte-level BPE"),
        ({"merges": None}, "is not byte-level BPE"),
    ):
        with pytest.raises(BaseError, match=told):
            base_weights.check(resolve(str(rewritten(file, **changes))))


def test_a_file_of_a_family_that_is_not_known_is_refused_at_once(tmp_path: Path) -> None:
    file = tiny.make_gguf(tiny.make_llama(tmp_path / "base"), tmp_path / "base.gguf")
    opened = base_weights.open_source(resolve(str(file)))
    named = {k.replace("llama.", "phi3."): v for k, v in opened.metadata.items()}
    other = replace(opened, metadata=named | {"general.architecture": text("phi3")})
    gguf_writer.write(
        tmp_path / "phi3.gguf",
        other.metadata,
        other.weights,
        ((weight, weight.load()) for weight in other.weights),
    )
    assert gguf_reader.read(tmp_path / "phi3.gguf").value("general.architecture") == "phi3"
    with pytest.raises(BaseError, match="is a model of type phi3"):
        base_weights.check(resolve(str(tmp_path / "phi3.gguf")))
