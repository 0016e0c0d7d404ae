"""The tuned model in torch, its weights read from disk as they are needed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from budgetai_convert.checks import reference
from budgetai_convert.checks.reference import GreedyAnswer
from budgetai_core.errors import AdapterError
from support import tiny

MakeBase = Callable[..., Path]
GENERATED = [GreedyAnswer(tuple(range(5, 45)), 30, 12), GreedyAnswer(tuple(range(300, 320)), 18)]


def whole(base: Path, adapter: Path | None) -> list[np.ndarray]:
    """Logits of the model held in memory as transformers loads it, with peft's own merge."""
    import torch
    from peft import PeftModel

    model: Any = tiny._load(base)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    with torch.inference_mode():
        return [
            model(torch.tensor([rated_answer.tokens])).logits[0].numpy()
            for rated_answer in GENERATED
        ]


@pytest.mark.parametrize(
    ("family", "tied", "kind", "quant"),
    [
        ("llama", True, "folder", "F16"),
        ("qwen2", False, "folder", "F16"),
        ("qwen3", True, "folder", "F16"),
        ("starcoder2", False, "folder", "F16"),
        ("granite", True, "folder", "F16"),
        ("llama", False, "gguf", "Q8_0"),
        ("qwen2", True, "gguf", "Q4_K_M"),
        ("starcoder2", True, "gguf", "F16"),
    ],
)
def test_read_block_by_block_it_says_what_the_whole_model_says(
    family: str, tied: bool, kind: str, quant: str, base: MakeBase, tmp_path: Path
) -> None:
    of = base(family, tied=tied, kind=kind, quant=quant)
    targets = "all-linear" if tied else ["lm_head", "q_proj", "v_proj", "down_proj"]
    adapter = tiny.make_adapter(tmp_path / "adapter", of, target_modules=targets, use_dora=tied)
    for laid in (None, adapter):
        rated = reference.answers(of, laid, GENERATED, tmp_path)
        for answer, wanted in zip(rated, whole(of, laid), strict=True):
            assert np.allclose(answer.logits, wanted[answer.first :], atol=2e-4), laid


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "starcoder2", "granite"])
def test_a_gguf_file_is_the_model_of_its_folder(
    family: str, base: MakeBase, tmp_path: Path
) -> None:
    """Also where transformers cannot read the file: granite, and heads of another width."""
    file, folder = base(family, kind="gguf"), base(family)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    rated = reference.answers(file, None, GENERATED, tmp_path / "a")
    wanted = reference.answers(folder, None, GENERATED, tmp_path / "b")
    for rated_answer, other in zip(rated, wanted, strict=True):
        # The file's weights are rounded to 16 bits.
        assert np.abs(rated_answer.logits - other.logits).mean() < 0.01


def test_weights_that_are_not_there(base: MakeBase, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    adapter = tiny.make_adapter(tmp_path / "adapter", base("llama"))
    path = adapter / "adapter_model.safetensors"
    save_file({k: v for k, v in load_file(path).items() if "layers.1.mlp.up" not in k}, path)
    with pytest.raises(AdapterError, match=r"layers\.1\.mlp\.up_proj"):
        reference.answers(base("llama"), adapter, GENERATED, tmp_path)
