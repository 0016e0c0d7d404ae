"""Bundles, plain models, and what stands beside a file."""

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from budgetai_convert.cli import main
from budgetai_convert.formats import gguf_writer
from budgetai_core.artifacts import gguf_reader, safetensors_reader
from budgetai_core.errors import BaseError
from budgetai_core.models import base_weights
from support import tiny

MakeBase = Callable[..., Path]


@pytest.mark.parametrize("kind", ["folder", "gguf"])
def test_a_model_without_adapter_is_converted_as_it_is(
    kind: str, base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of, out = base("qwen2", kind=kind), tmp_path / "model.gguf"
    assert main([str(of), "--out", str(out)]) == 0
    capsys.readouterr()
    file = gguf_reader.read(out)
    assert file.value("budgetai.prompt_format") is None, "it was not tuned on our prompts"
    template = (tmp_path / "model.Modelfile").read_text()
    assert "FROM ./model.gguf\n" in template
    assert (
        "<|fim_prefix|><|fim_suffix|>{{ .Suffix }}<|fim_middle|>{{ .Prompt }}{{ else }}" in template
    )
    card = (tmp_path / "model.md").read_text()
    assert "Q8_0" in card and "| kld_f16 |" in card
    assert str(tmp_path) not in card and str(of.parent) not in card
    assert main([str(of)]) == 2
    assert "Name a file: --out" in capsys.readouterr().err


def test_merging_needs_no_torch(base: MakeBase, tmp_path: Path) -> None:
    adapter = tiny.make_adapter(tmp_path / "adapter", base("llama"), use_dora=True)
    program = f"""
import sys
from pathlib import Path
from budgetai_convert.formats import gguf_writer
from budgetai_convert.model import adapter, merge
from budgetai_core.models import base_weights
from budgetai_core.artifacts import base_models
opened = base_weights.open_source(base_models.resolve({str(base("llama"))!r}))
values = merge.merged(opened, adapter.read(Path({str(adapter)!r})))
gguf_writer.write(Path({str(tmp_path / "model.gguf")!r}), opened.metadata, opened.weights, values)
sys.exit(bool({{"torch", "transformers", "peft"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert gguf_reader.read(tmp_path / "model.gguf").tensors


def test_a_merge_holds_one_tensor_and_little_more(tmp_path: Path) -> None:
    """Of the largest tensor as float32, 48 MB here, nothing is held twice."""
    rows, width = 12_000, 1_000
    values = np.random.default_rng(0).standard_normal((rows, width), np.float32)
    save_file({"w": values.astype(np.float16)}, tmp_path / "w.safetensors")
    del values
    stored = safetensors_reader.read(tmp_path / "w.safetensors", BaseError)["w"]
    weight = base_weights.Weight("token_embd.weight", (rows, width), stored.load)
    tracemalloc.start()
    try:
        gguf_writer.write(tmp_path / "w.gguf", {}, [weight], ((w, w.load()) for w in [weight]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows * width * 4 < peak < 1.5 * rows * width * 4
    file = gguf_reader.read(tmp_path / "w.gguf")
    assert np.array_equal(file.load("token_embd.weight"), stored.load())


def test_a_tuned_head_knows_its_vocabulary(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """peft keeps a copy of the head beside its update; the update alone is merged."""
    of = base("qwen2", tied=False)
    adapter = tiny.make_adapter(tmp_path / "adapter", of, target_modules=["lm_head", "v_proj"])
    out = tmp_path / "model.gguf"
    assert main([str(adapter), "--quant", "F16", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checks"]["kld_f16"] < 1e-4
    path = adapter / "adapter_model.safetensors"
    key = "base_model.model.lm_head.lora_B.weight"
    save_file({k: v[:500].copy() if k == key else v for k, v in load_file(path).items()}, path)
    assert main([str(adapter), "--out", str(tmp_path / "other.gguf")]) == 2
    assert "belongs to another base" in capsys.readouterr().err


def test_a_tokenizer_larger_than_its_embedding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of = tiny.make_llama(tmp_path / "base")
    described = json.loads((of / "tokenizer.json").read_text())
    described["added_tokens"].append({**described["added_tokens"][0], "content": "<x>", "id": 999})
    (of / "tokenizer.json").write_text(json.dumps(described))
    assert main([str(of), "--out", str(tmp_path / "model.gguf")]) == 2
    assert "has token 999, its embedding 600 rows" in capsys.readouterr().err
