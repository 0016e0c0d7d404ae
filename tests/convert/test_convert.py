"""From an adapter to a file that llama.cpp loads, through the real command line."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from budgetai_convert.checks import agreement, check_texts, reference
from budgetai_convert.checks.agreement import Agreement
from budgetai_convert.cli import main
from budgetai_core.artifacts import base_models, gguf_reader, layout
from budgetai_core.artifacts.atomic_write import read_json, write_json
from budgetai_core.artifacts.manifest import AdapterManifest, ModelManifest
from budgetai_core.context.prompt import PROMPT_FORMAT
from budgetai_core.errors import CheckError
from budgetai_core.llama.scoring import ScoringModel
from budgetai_core.models.architectures import Sizes
from support import tiny

MakeBase = Callable[..., Path]


def converted(adapter: Path, out: Path, capsys: pytest.CaptureFixture[str], quant: str) -> Any:
    assert main([str(adapter), "--quant", quant, "--out", str(out), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("kind", ["folder", "gguf"])
@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_logits_are_those_of_the_merged_model(
    family: str,
    kind: str,
    tied: bool,
    base: MakeBase,
    compared: Callable[..., Agreement],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    of = base(family, tied=tied, kind=kind)
    adapter = tiny.make_adapter(tmp_path / "adapter", of)
    result = converted(adapter, tmp_path / "model.gguf", capsys, "F16")
    assert result["checks"]["kld_f16"] < 1e-4
    assert result["checks"]["greedy_equal"] == 1

    with ScoringModel(tmp_path / "model.gguf") as native:
        tuned, untuned = compared(native, of, adapter), compared(native, of, None)
    assert tuned.kld < 1e-4
    assert untuned.kld > 0.5, "the adapter is too weak for this test to mean anything"


@pytest.mark.parametrize("quant", ["Q8_0", "q4_0", "Q4_K_M", "BF16"])
def test_quantised_files_load_and_say_their_type(
    quant: str, base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tiny.make_adapter(tmp_path / "adapter", base("qwen2"))
    result = converted(adapter, tmp_path / "model.gguf", capsys, quant)
    kinds = {info.kind.name for info in gguf_reader.read(tmp_path / "model.gguf").tensors.values()}
    # 64 columns are too few for K-quants; llama.cpp takes Q5_0 and its like instead.
    expected = {"Q8_0": "Q8_0", "q4_0": "Q4_0", "Q4_K_M": "Q5_0", "BF16": "BF16"}[quant]
    assert expected in kinds
    assert result["quant"] == quant.upper()
    assert result["checks"]["kld_f16"] <= result["checks"]["kld"] < 1
    assert result["size"] == (tmp_path / "model.gguf").stat().st_size


def test_a_quantised_gguf_base_can_be_tuned(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of = base("llama", kind="gguf", quant="Q8_0")
    adapter = tiny.make_adapter(tmp_path / "adapter", of)
    result = converted(adapter, tmp_path / "model.gguf", capsys, "Q8_0")
    assert result["checks"]["kld_f16"] < 1e-4


@pytest.mark.parametrize("kind", ["folder", "gguf"])
@pytest.mark.parametrize(
    "family", ["qwen3", "starcoder2", "granite", "llama3", "linear", "mistral", "smollm3"]
)
def test_other_families_from_folder_to_file(
    family: str, kind: str, base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tiny.make_adapter(tmp_path / "adapter", base(family, tied=family != "granite"))
    if kind == "gguf":
        # transformers cannot read all of these files, so the adapter is made over the folder.
        file = base_models.resolve(str(base(family, tied=family != "granite", kind="gguf")))
        replace(AdapterManifest.read(adapter), base=file.record()).write(adapter)
    result = converted(adapter, tmp_path / "model.gguf", capsys, "F16")
    assert result["checks"]["kld_f16"] < 1e-4


@pytest.mark.parametrize(
    "key",
    ["initializer_range", "head_dim", "attention_dropout", "rms_norm_eps", "use_sliding_window"],
)
def test_a_null_is_the_default(
    key: str, base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(base("qwen2"), tmp_path / "base"))
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", config | {key: None})
    result = converted(folder, tmp_path / "model.gguf", capsys, "F16")
    assert result["checks"]["kld_f16"] < 1e-4


@pytest.mark.parametrize("same", [True, False], ids=["same", "other"])
def test_a_head_beside_a_tied_embedding_counts_as_in_transformers(
    same: bool, base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(base("qwen2"), tmp_path / "base"))
    tensors = load_file(folder / "model.safetensors")
    embedding = tensors["model.embed_tokens.weight"]
    tensors["lm_head.weight"] = embedding.copy() if same else embedding[::-1].copy()
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    result = converted(folder, tmp_path / "model.gguf", capsys, "F16")
    assert result["checks"]["kld_f16"] < 1e-4
    file = gguf_reader.read(tmp_path / "model.gguf")
    assert ("output.weight" in file.tensors) != same


def test_divisors_of_llama_3_where_short_texts_feel_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny.make_llama3(tmp_path / "base", original=32)
    result = converted(folder, tmp_path / "model.gguf", capsys, "F16")
    assert result["checks"]["kld_f16"] < 1e-4


@pytest.mark.parametrize("kind", ["folder", "gguf"])
def test_dora_gives_rows_their_learned_length(
    kind: str, base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tiny.make_adapter(tmp_path / "adapter", base("llama", kind=kind), use_dora=True)
    result = converted(adapter, tmp_path / "model.gguf", capsys, "F16")
    assert result["checks"]["kld_f16"] < 1e-4


def test_rank_stabilised_scale_and_patterns(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tiny.make_adapter(
        tmp_path / "adapter",
        base("llama"),
        use_rslora=True,
        rank_pattern={"down_proj": 2, r"layers\.1\.self_attn\.q_proj": 8},
        alpha_pattern={"o_proj": 3},
    )
    result = converted(adapter, tmp_path / "model.gguf", capsys, "F16")
    assert result["checks"]["kld_f16"] < 1e-4


def test_rows_in_the_wrong_order_fail(
    base: MakeBase,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The fault this whole check is for, put in on purpose: q and k rows left as they were."""
    adapter = tiny.make_adapter(tmp_path / "adapter", base("llama", kind="gguf"))
    monkeypatch.setattr(Sizes, "in_file_order", lambda self, name, values: values)
    assert main([str(adapter), "--out", str(tmp_path / "model.gguf")]) == 2
    assert "differs from the tuned model" in capsys.readouterr().err
    assert not (tmp_path / "model.gguf").exists()
    assert not (tmp_path / "model.json").exists()


def test_weights_beyond_f16_become_bf16(tmp_path: Path, base: MakeBase) -> None:
    from budgetai_convert.formats import gguf_writer
    from budgetai_convert.model import merge
    from budgetai_core.artifacts import base_models
    from budgetai_core.models import base_weights

    opened = base_weights.open_source(base_models.resolve(str(base("llama"))))
    values = [(w, v * np.float32(1e5)) for w, v in merge.merged(opened, None)]
    gguf_writer.write(tmp_path / "large.gguf", opened.metadata, opened.weights, values)
    file = gguf_reader.read(tmp_path / "large.gguf")
    assert file.tensors["blk.0.attn_q.weight"].kind.name == "BF16"
    assert file.tensors["blk.0.attn_norm.weight"].kind.name == "F32"
    wanted = {weight.name: array for weight, array in values}
    for name, array in wanted.items():
        assert np.allclose(file.load(name), array, rtol=1 / 128), name


def test_metadata_of_the_prompt(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tiny.make_adapter(tmp_path / "adapter", base("qwen2"), repository="/srv/code/shop")
    converted(adapter, tmp_path / "model.gguf", capsys, "Q8_0")
    file = gguf_reader.read(tmp_path / "model.gguf")
    tokens = file.value("tokenizer.ggml.tokens")
    assert file.value("budgetai.prompt_format") == PROMPT_FORMAT
    assert file.value("budgetai.repository") == "shop"
    assert file.value("budgetai.base") == "qwen2-tied"
    names = {
        "pre": "<|fim_prefix|>",
        "suf": "<|fim_suffix|>",
        "mid": "<|fim_middle|>",
        "rep": "<|repo_name|>",
        "sep": "<|file_sep|>",
    }
    for key, name in names.items():
        assert tokens[file.value(f"tokenizer.ggml.fim_{key}_token_id")] == name
    assert file.value("tokenizer.ggml.pre") == "qwen2"
    # Not a path of this machine, anywhere in the header.
    with (tmp_path / "model.gguf").open("rb") as stream:
        header = stream.read(min(info.offset for info in file.tensors.values()))
    assert str(tmp_path).encode() not in header
    assert b"/srv/" not in header


def test_a_base_without_fill_in_the_middle_gets_no_such_ids(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tiny.make_adapter(tmp_path / "adapter", base("llama", kind="gguf"))
    converted(adapter, tmp_path / "model.gguf", capsys, "Q8_0")
    file = gguf_reader.read(tmp_path / "model.gguf")
    assert file.value("tokenizer.ggml.fim_pre_token_id") is None
    tokens = file.value("tokenizer.ggml.tokens")
    assert tokens[file.value("tokenizer.ggml.fim_sep_token_id")] == "<file_sep>"
    assert tokens[file.value("tokenizer.ggml.fim_rep_token_id")] == "<repo_name>"
    assert file.value("tokenizer.ggml.pre") == "smollm"


def test_markers_in_text_stay_text_even_if_the_base_calls_them_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tokenizers of Qwen2.5-Coder mark `<|fim_prefix|>` as not special, so it is found in any
    text; a file with that string in it would then steer the model."""
    of = tiny.make_qwen2(tmp_path / "base", markers_special=False)
    adapter = tiny.make_adapter(tmp_path / "adapter", of)
    converted(adapter, tmp_path / "model.gguf", capsys, "Q8_0")
    with ScoringModel(tmp_path / "model.gguf", vocabulary_only=True) as native:
        assert len(native.tokenize("<|fim_prefix|>")) > 1
    of_gguf = tiny.make_gguf(of, tmp_path / "base.gguf")
    adapter = tiny.make_adapter(tmp_path / "adapter-gguf", of_gguf)
    converted(adapter, tmp_path / "model-gguf.gguf", capsys, "Q8_0")


def test_a_gguf_base_keeps_its_metadata(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of = base("qwen2", kind="gguf")
    adapter = tiny.make_adapter(tmp_path / "adapter", of)
    converted(adapter, tmp_path / "model.gguf", capsys, "Q8_0")
    before, after = gguf_reader.read(of), gguf_reader.read(tmp_path / "model.gguf")
    changed = {"general.file_type"}
    for key in before.metadata.keys() - changed:
        assert after.metadata[key] == before.metadata[key], key


def test_without_arguments_the_newest_adapter_becomes_the_newest_model(
    base: MakeBase,
    tmp_path: Path,
    own_home: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repo = tmp_path / "repo"
    (repo / "src").mkdir(parents=True)
    adapter = tiny.make_adapter(layout.new_adapter(repo), base("llama"))
    monkeypatch.chdir(repo / "src")
    assert main([]) == 0
    out, err = capfd.readouterr()
    model = layout.newest_model(repo)
    assert model is not None and str(model) in out
    assert model.is_relative_to(own_home)
    assert not err, "a pipe gets no progress"
    manifest = ModelManifest.find(model)
    trained = AdapterManifest.read(adapter)
    assert manifest is not None
    assert manifest.adapter == adapter.name
    assert manifest.base == trained.base
    assert manifest.held_out == trained.held_out
    assert manifest.scores == trained.scores
    assert manifest.size == model.stat().st_size
    assert all(math.isfinite(value) for value in manifest.checks.values())
    beside = {f"{model.stem}{suffix}" for suffix in (".json", ".md", ".Modelfile")}
    assert {path.name for path in model.parent.iterdir()} == {model.name, *beside}
    # There is no code to judge it by, and nothing that it would take the place of.
    assert "served     " in out and "it was not judged" in out


def test_an_adapter_on_a_shelf_puts_its_model_on_that_shelf(
    base: MakeBase,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "elsewhere").mkdir()
    adapter = tiny.make_adapter(layout.new_adapter(tmp_path / "repo"), base("llama"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main([str(adapter)]) == 0
    assert layout.newest_model(tmp_path / "repo") is not None
    assert layout.newest_model(tmp_path / "elsewhere") is None
    capsys.readouterr()


def test_a_destroyed_model_is_not_delivered(
    base: MakeBase,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No tiny model is destroyed by any type, so the limit is lowered instead."""
    monkeypatch.setattr("budgetai_convert.checks.agreement.MAX_KLD_QUANT", 1e-9)
    adapter = tiny.make_adapter(tmp_path / "adapter", base("llama"))
    assert main([str(adapter), "--out", str(tmp_path / "out" / "model.gguf")]) == 2
    assert "destroys this model" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_code_in_the_current_folder_is_not_run(
    base: MakeBase,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The converter is started inside the user's repository, and starts a Python of its own."""
    adapter = tiny.make_adapter(tmp_path / "adapter", base("llama"))
    trap = "open('run', 'w').close()"
    (tmp_path / "llama_cpp.py").write_text(trap)
    (tmp_path / "budgetai_convert.py").write_text(trap)
    monkeypatch.chdir(tmp_path)
    converted(adapter, Path("model.gguf"), capsys, "Q8_0")
    assert not (tmp_path / "run").exists()


def test_a_tokenizer_that_differs_is_found(base: MakeBase) -> None:
    from budgetai_convert.checks.agreement import check_tokenizer

    with ScoringModel(base("llama", kind="gguf"), vocabulary_only=True) as native:
        tokenize = reference.tokenizer(base("llama"), ())
        check_tokenizer(native, tokenize, check_texts.TEXTS)
        with pytest.raises(CheckError, match="tokenises 'x = 1'"):
            check_tokenizer(native, lambda text: [*tokenize(text), 0], ["x = 1"])


# What `tests/e2e` does too, by the whole command; here with all there is to check.
@pytest.mark.big
def test_the_embedded_base_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SmolLM2-135M itself: Q4_1 and Q8_0 weights, nine heads, three of keys."""
    adapter = tiny.make_adapter(tmp_path / "adapter", "smollm2-135m", scale=0.02)
    result = converted(adapter, tmp_path / "model.gguf", capsys, "Q8_0")
    assert result["checks"]["kld_f16"] < agreement.MAX_KLD_F16
    assert result["checks"]["kld"] < 0.1
    assert result["base"]["location"] == "smollm2-135m"
