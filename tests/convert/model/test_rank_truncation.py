"""An adapter of all ranks, cut to one: for peft, for llama.cpp, and as training saw it. One of a
single rank, cut by its singular values."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from budgetai_convert.checks.agreement import rate
from budgetai_convert.checks.reference import Answer
from budgetai_convert.cli import main
from budgetai_convert.model import adapter as adapters
from budgetai_convert.model import rank_truncation
from budgetai_core.artifacts.manifest import COMPARED, AdapterManifest, ModelManifest
from budgetai_core.llama.scoring import ScoringModel
from budgetai_training.methods.dylora import DyLoRA
from budgetai_training.options import TrainOptions
from support import tiny

MakeBase = Callable[..., Path]
SIZE = 8
IDS = list(range(20, 60))


@pytest.fixture(params=[False, True], ids=["lora", "rslora"])
def nested(request: pytest.FixtureRequest, base: MakeBase, tmp_path: Path) -> Path:
    """An adapter of the ranks 1 to 8, of which training chose 2."""
    folder = tiny.make_adapter(
        tmp_path / "all", base("qwen2"), rank=SIZE, alpha=4, use_rslora=request.param
    )
    manifest = AdapterManifest.read(folder)
    dataclasses.replace(
        manifest, method="dylora frozen", chosen_rank=2, rank_losses={"1": 2.2, "2": 2.0}
    ).write(folder)
    return folder


def plain(base: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)


@torch.no_grad()
def logits(model: Any) -> np.ndarray:
    computed_logits: np.ndarray = model.eval()(torch.tensor([IDS])).logits[0].numpy()
    return computed_logits


def hooked(base: Path, folder: Path, rank: int) -> np.ndarray:
    """As training saw it at this rank."""
    model = PeftModel.from_pretrained(plain(base), folder)
    DyLoRA(model, TrainOptions(method="dylora", rank=SIZE)).cut(rank)
    return logits(model)


@pytest.mark.parametrize("rank", [1, 5])
def test_a_cut_is_what_training_saw(
    nested: Path, rank: int, base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of, small = base("qwen2"), tmp_path / "small"
    assert main([str(nested), "--rank", str(rank), "--peft", str(small), "--json"]) == 0
    capsys.readouterr()
    seen = hooked(of, nested, rank)
    by_peft = PeftModel.from_pretrained(plain(of), small)
    assert by_peft.active_peft_config.r == rank
    np.testing.assert_allclose(logits(by_peft), seen, atol=5e-4)

    out = tmp_path / "model.gguf"
    assert main([str(nested), "--rank", str(rank), "--quant", "F16", "--out", str(out)]) == 0
    assert f"rank       {rank}" in capsys.readouterr().out
    with ScoringModel(out) as native, native.evaluating(len(IDS)) as evaluate:
        of_rank, of_whole = (
            rate(Answer(tokens=tuple(IDS), prompt=len(IDS), logits=rows), evaluate(IDS, 0))
            for rows in (seen, hooked(of, nested, SIZE))
        )
    assert of_rank.kld < 1e-4
    assert of_whole.kld > 0.05, "the ranks are too alike for this test to mean anything"
    manifest = ModelManifest.find(out)
    assert manifest is not None
    assert manifest.rank == rank
    assert manifest.adapter == "all"
    # The loss that training measured was another rank's.
    assert set(manifest.scores.values()) == {None}


def test_without_a_rank_the_chosen_one_is_taken(
    nested: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small, smaller = tmp_path / "small", tmp_path / "smaller"
    assert main([str(nested), "--peft", str(small), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["rank"] == 2
    assert printed["scores"] == AdapterManifest.read(nested).scores
    # A cut can be cut again, to what the whole one would have been cut to.
    assert main([str(small), "--rank", "1", "--peft", str(smaller)]) == 0
    config = json.loads((smaller / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (1, 4)
    assert main([str(nested), "--peft", str(small)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_ranks_that_are_not_there(
    nested: Path, base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for rank in ("9", "-1"):
        assert main([str(nested), "--rank", rank]) == 2
        assert "holds the ranks up to 8" in capsys.readouterr().err
    dora = tiny.make_adapter(tmp_path / "dora", base("qwen2"), use_dora=True)
    assert main([str(dora), "--rank", "2", "--peft", str(tmp_path / "cut")]) == 2
    assert "is DoRA, which has no lower ranks" in capsys.readouterr().err
    assert not (tmp_path / "cut").exists()


def test_what_is_no_number_has_no_singular_values(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    single = tiny.make_adapter(tmp_path / "single", base("qwen2"), scale=float("inf"))
    assert main([str(single), "--rank", "2", "--peft", str(tmp_path / "cut")]) == 2
    assert "NaN or infinite" in capsys.readouterr().err
    assert not (tmp_path / "cut").exists()


@pytest.mark.parametrize("rslora", [False, True])
def test_a_lora_of_one_rank_becomes_the_nearest_of_a_lower_one(
    rslora: bool, base: MakeBase, tmp_path: Path
) -> None:
    of, small = base("qwen2"), tmp_path / "small"
    single = tiny.make_adapter(tmp_path / "single", of, rank=SIZE, alpha=4, use_rslora=rslora)
    assert main([str(single), "--rank", "3", "--peft", str(small)]) == 0
    assert AdapterManifest.read(small).rank == 3
    whole, cut = (
        PeftModel.from_pretrained(plain(of), folder).merge_and_unload()
        for folder in (single, small)
    )
    tuned_names = []
    for (name, before), tuned, lower in zip(
        plain(of).named_parameters(), whole.parameters(), cut.parameters(), strict=True
    ):
        update = (tuned - before).detach().numpy()
        if not update.any():
            continue
        tuned_names.append(name)
        u, s, v = np.linalg.svd(update)
        wanted = (u[:, :3] * s[:3]) @ v[:3]
        np.testing.assert_allclose((lower - before).detach().numpy(), wanted, atol=2e-5)
    assert len(tuned_names) == 2 * 7


@pytest.mark.parametrize("method", COMPARED)
def test_what_is_there_to_be_compared_with_cannot_be_converted(
    method: str, base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny.make_adapter(tmp_path / "adapter", base("qwen2"))
    dataclasses.replace(AdapterManifest.read(folder), method=method).write(folder)
    for more in ((), ("--peft", tmp_path / "peft")):
        assert main([str(folder), *map(str, more)]) == 2
        assert f"trained by --method {method}" in capsys.readouterr().err


def test_a_cut_of_matrices_of_several_ranks(base: Callable[..., Path], tmp_path: Path) -> None:
    """What is above the rank becomes the nearest matrix of it, what is below stays as it was."""
    made = tiny.make_adapter(
        tmp_path / "adapter",
        base("llama"),
        rank_pattern={"q_proj": 2},
        alpha_pattern={"q_proj": 3, "k_proj": 1},
    )
    with rank_truncation.at_rank(made, 3) as cut:
        whole = adapters.read(made)
        assert cut.updates.keys() == whole.updates.keys()
        for module, update in cut.updates.items():
            (a, b), (wanted_a, wanted_b) = update.load(module), whole.updates[module].load(module)
            assert len(a) == (2 if "q_proj" in module else 3)
            lost = np.linalg.svd(wanted_b @ wanted_a, compute_uv=False)[len(a) :]
            apart = np.linalg.norm(b @ a - wanted_b @ wanted_a)
            assert np.isclose(apart, np.linalg.norm(lost), atol=1e-4), module
