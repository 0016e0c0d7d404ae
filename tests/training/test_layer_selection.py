"""Layers chosen by short tries, each set with as many parameters as the others."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from budgetai_core.errors import OptionError
from budgetai_training import layer_selection
from budgetai_training.cli import main
from budgetai_training.hyperparameters.lora import Lora
from budgetai_training.methods import peft_adapter
from budgetai_training.options import TrainOptions
from support import tiny


def test_each_set_has_as_many_parameters_as_all_layers(tmp_path: Path) -> None:
    folder = tiny.make_llama(tmp_path)
    options = TrainOptions(rank=16, lora=Lora(target="auto"))

    def trained(given: TrainOptions) -> int:
        base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        return int(peft_adapter.attach(base, given).get_nb_trainable_parameters()[0])

    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ranks = layer_selection.equal_ranks(peft_adapter.attach(base, options), options)
    assert ranks["all"] == 16
    assert ranks["all of the upper half"] == 32
    whole = trained(TrainOptions(rank=16))
    for name, (target, layers) in layer_selection.SETS.items():
        parameters = trained(
            TrainOptions(rank=ranks[name], lora=Lora(target=target, layers=layers))
        )
        assert parameters == pytest.approx(whole, rel=0.04), name


def test_the_best_set_is_tuned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repo = tmp_path / "shop"
    repo.mkdir()
    for number in range(5):
        body = "".join(f"def total_{number}_{i}():\n    return {i}\n\n\n" for i in range(9))
        (repo / f"m{number}.py").write_text(body)
    out = tmp_path / "out"
    given = ["--repo", str(repo), "--base", str(tiny.make_llama(tmp_path / "m")), "--load-in",
             "fp32", "--max-steps", "2", "--learning-rate", "0.02", "--evaluate", "none",
             "--rank", "4", "--lora", "target=auto", "--out", str(out)]  # fmt: skip
    assert main(given) == 0
    line_of_tries = next(
        line for line in capsys.readouterr().err.splitlines() if "layers tried" in line
    )
    losses = {
        name: float(loss)
        for name, loss in (
            part.rsplit(" → ", 1) for part in line_of_tries.split(": ")[1].split(";")[0].split(", ")
        )
    }
    assert set(losses) == set(layer_selection.SETS)
    best = min(losses, key=lambda name: losses[name])
    assert f"tuned: {best}, rank" in line_of_tries
    config = json.loads((out / "adapter_config.json").read_text())
    assert config["r"] == json.loads((out / "manifest.json").read_text())["rank"]
    wanted = peft_adapter.TARGETS[layer_selection.SETS[best][0]]
    linear = {*peft_adapter.TARGETS["attention"], *peft_adapter.TARGETS["mlp"]}
    ends = {name.rpartition(".")[2] for name in config["target_modules"]}
    assert ends == (linear if wanted == "all-linear" else {*wanted})
    upper = layer_selection.SETS[best][1] == "upper"
    assert config["layers_to_transform"] == ([1] if upper else None)


def test_auto_is_for_lora() -> None:
    for method, text in (("dylora", "target=auto"), ("lora", "target=auto,layers=upper")):
        with pytest.raises(OptionError, match="target=auto chooses layers"):
            TrainOptions(method=method, lora=Lora.parse(text))
