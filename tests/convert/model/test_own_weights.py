"""Weights that an adapter has in the place of the base's are in the model, new tokens among them;
what is compared with is the model that peft has in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from budgetai_convert.cli import main
from budgetai_core.artifacts import gguf_reader
from budgetai_core.artifacts.atomic_write import read_json, write_json
from budgetai_core.artifacts.manifest import ModelManifest
from budgetai_core.llama.scoring import ScoringModel
from support import tiny

MakeBase = Callable[..., Path]
IDS = [5, 17, 33, 60, 61, 90, 120, 7, 44, 200, 150, 3, 99, 250, 12, 66]
GROWN = tiny.VOCABULARY + 8


def trained(folder: Path, base: Path, *, rows: int = 0, **lora: Any) -> torch.Tensor:
    """Write an adapter of a model in which all that is trained has changed; return its logits."""
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if rows:
        model.resize_token_embeddings(rows)
    settings = {"target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"} | lora
    live: Any = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, **settings))
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in live.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.1)
        live.save_pretrained(str(folder))
        logits: torch.Tensor = live.eval()(input_ids=torch.tensor([IDS])).logits[0]
    return logits


def converted(adapter: Path, base: Path, *arguments: object) -> int:
    out = adapter.with_suffix(".gguf")
    given = [adapter, "--base", base, "--quant", "F16", "--own-weights", "--out", out, *arguments]
    return main([str(argument) for argument in given])


@pytest.mark.parametrize(
    ("tied", "rows", "lora"),
    [
        (True, 0, {"modules_to_save": ["embed_tokens"]}),
        (True, 0, {"modules_to_save": ["lm_head"]}),
        (False, 0, {"modules_to_save": ["embed_tokens", "lm_head", "norm"]}),
        (True, 0, {"trainable_token_indices": [5, 17]}),
        (False, 0, {"trainable_token_indices": {"embed_tokens": [5], "lm_head": [60, 61]}}),
        (True, 0, {"target_modules": ["q_proj", "lm_head"]}),
        (True, GROWN, {}),
        (False, GROWN, {"modules_to_save": ["embed_tokens", "lm_head"]}),
        (True, GROWN, {"trainable_token_indices": [tiny.VOCABULARY + 1]}),
    ],
)
def test_the_model_is_the_one_that_was_trained(
    tied: bool, rows: int, lora: dict[str, Any], base: MakeBase, tmp_path: Path
) -> None:
    adapter = tmp_path / "adapter"
    wanted = trained(adapter, base("qwen2", tied=tied), rows=rows, **lora).numpy()
    assert converted(adapter, base("qwen2", tied=tied)) == 0
    with ScoringModel(tmp_path / "adapter.gguf") as native, native.evaluating(len(IDS)) as evaluate:
        rated = evaluate(IDS, 0)
    assert rated.shape == wanted.shape
    assert abs(rated - wanted).max() < 0.02 * abs(wanted).max()
    manifest = ModelManifest.find(tmp_path / "adapter.gguf")
    assert manifest is not None
    own = "" if "lm_head" in lora.get("target_modules", ()) else "from the adapter"
    assert manifest.notes.get("own_weights", "").endswith(own)


def test_new_tokens_come_with_their_weights(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tmp_path / "adapter"
    trained(adapter, base("qwen2"), rows=GROWN)
    described = read_json(base("qwen2") / "tokenizer.json")
    new = described["added_tokens"][0] | {"id": tiny.VOCABULARY + 1, "content": "<|think|>"}
    write_json(
        adapter / "tokenizer.json", described | {"added_tokens": [*described["added_tokens"], new]}
    )
    settings = read_json(base("qwen2") / "tokenizer_config.json")
    write_json(adapter / "tokenizer_config.json", settings | {"chat_template": "{{ messages }}"})
    assert converted(adapter, base("qwen2")) == 0
    told = capsys.readouterr().out
    assert "embed_tokens" in told and "left out" not in told
    file = gguf_reader.read(tmp_path / "adapter.gguf")
    assert file.value("tokenizer.ggml.tokens")[tiny.VOCABULARY + 1] == "<|think|>"
    assert file.value("tokenizer.chat_template") == "{{ messages }}"


@pytest.mark.parametrize(
    ("lora", "told"),
    [
        ({"modules_to_save": ["embed_tokens"]}, "replaces embed_tokens"),
        (
            {"target_modules": ["q_proj", "lm_head"]},
            "replaces the head, which is the embedding, too",
        ),
    ],
)
def test_weights_of_its_own_are_merged_only_when_asked(
    lora: dict[str, Any],
    told: str,
    base: MakeBase,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    adapter, out = tmp_path / "adapter", tmp_path / "adapter.gguf"
    trained(adapter, base("qwen2"), **lora)
    assert main([str(adapter), "--base", str(base("qwen2")), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert told in error and "Add --own-weights" in error and not out.exists()


def test_what_cannot_be_carried_is_refused_by_its_name(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter, qwen = tmp_path / "adapter", base("qwen2")
    trained(adapter, qwen, modules_to_save=["embed_tokens"])

    def refuses(*arguments: object, of: Path = qwen) -> str:
        assert converted(adapter, of, *arguments) == 2
        return capsys.readouterr().err

    assert "(embed_tokens), which a bundle cannot hold apart" in refuses(
        "--bundle", "--out", tmp_path / "bundle"
    )
    assert "its base is a GGUF file" in refuses(of=base("qwen2", kind="gguf"))
    assert "(embed_tokens), which --peft does not write" in refuses("--peft", tmp_path / "cut")
    config, weights = adapter / "adapter_config.json", adapter / "adapter_model.safetensors"
    plain, tensors = read_json(config), load_file(weights)
    write_json(config, plain | {"modules_to_save": ["embed_tokens", "lm_head"]})
    assert "has no weights for lm_head, which its configuration says" in refuses()
    write_json(config, plain | {"modules_to_save": "embed_tokens"})
    assert "'embed_tokens' as modules_to_save" in refuses()
    write_json(config, plain)
    key = "base_model.model.model.embed_tokens.weight"
    save_file(tensors | {key: tensors[key][:, :32].clone()}, weights)
    assert "The adapter belongs to another base" in refuses()
    save_file({key.replace("embed_tokens", "wte"): tensors[key].clone(), **tensors}, weights)
    assert "model.wte.weight, which its base has not" in refuses()


def test_a_head_of_another_size_than_the_embedding_is_refused(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter, qwen = tmp_path / "adapter", base("qwen2", tied=False)
    trained(adapter, qwen, rows=GROWN)
    weights = adapter / "adapter_model.safetensors"
    tensors = load_file(weights)
    del tensors["base_model.model.lm_head.weight"]
    save_file(tensors, weights)
    assert converted(adapter, qwen) == 2
    assert f"has {GROWN} tokens in its embedding and 600 in its head" in capsys.readouterr().err


def test_rows_that_fit_nothing_are_refused(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tmp_path / "adapter"
    trained(adapter, base("qwen2"), trainable_token_indices=[5, 17])
    config = adapter / "adapter_config.json"
    plain = read_json(config)
    for numbers, told in (
        ([5], "its configuration names 1"),
        ([5, 9000], "changes the token 9000"),
        (None, "states no token numbers for model.embed_tokens"),
        (["5", 17], "states no token numbers"),
        ({"lm_head": [5, 17]}, "states no token numbers"),
    ):
        write_json(config, plain | {"trainable_token_indices": numbers})
        assert converted(adapter, base("qwen2")) == 2
        assert told in capsys.readouterr().err, numbers
