"""The whole path, command by command, each in a process of its own, as a user runs it."""

import asyncio
from pathlib import Path

import pytest

from budgetai_core.artifacts import layout
from budgetai_core.context.prompt import PROMPT_FORMAT
from budgetai_server.cli.demo_editor import position_after, started
from budgetai_server.inference.local import FORMAT_KEY
from budgetai_server.inference.local import LocalEngine as Engine
from support import tiny
from support.learnable import write_modules
from support.running import command


async def ask(root: Path, before: str) -> tuple[list[str], list[str]]:
    """What a server says that is told nothing but the workspace."""
    async with started() as editor:
        await editor.open_workspace(root)
        uri = (root / "new.py").as_uri()
        editor.open(uri, before)
        return await editor.inline(uri, position_after(before)), editor.messages


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_tiny_models_from_training_to_completion(family: str, repo: Path, tmp_path: Path) -> None:
    make = {"llama": tiny.make_llama, "qwen2": tiny.make_qwen2}[family]
    base = make(tmp_path / "base", tied=False)
    trained = command("budgetai_training", "--repo", repo, "--base", base, "--max-steps", 6,
                      "--learning-rate", 0.01, "--budget", "2m")  # fmt: skip
    scores = trained["scores"]
    assert scores["held_out_loss_after"] < scores["held_out_loss_before"]
    models = []
    for quant in ("Q4_0", "Q8_0"):
        made = command("budgetai_convert", trained["adapter"], "--quant", quant, "--no-gate")
        models.append(made["model"])
        assert made["checks"]["greedy_equal"] == 1
        assert made["checks"]["kld_f16"] < 0.01
    model = layout.newest_model(repo)
    assert model is not None
    engine = Engine(model)
    assert engine.metadata(FORMAT_KEY) == str(PROMPT_FORMAT)
    assert engine.markers.file is not None
    assert engine.markers.fills_middle == (family == "qwen2")
    engine.close()
    both = command("budgetai_server.cli.evaluate", "--repo", repo, "--holes", 8, "--model", *models)
    before, after = (compared["scores"]["right"] for compared in both["models"])
    (change,) = both["changes"]
    assert change["better"] - change["worse"] == sum(after) - sum(before)
    answers, messages = asyncio.run(ask(repo, "def f("))
    assert messages[0].startswith(f"BudgetAI serves {model.name}: reads ")
    assert isinstance(answers, list)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("unpacked_before")
def test_smollm2_end_to_end(tmp_path: Path) -> None:
    """On few lines: each that is held out costs a conversion seconds."""
    repo = write_modules(tmp_path / "shop", range(4), functions=2)
    # No share of the budget is used up, however quick the machine.
    trained = command("budgetai_training", "--repo", repo, "--max-steps", 2, "--budget", "10m",
                      "--learning-rate", 0.0003, "--evaluate", "none")  # fmt: skip
    assert trained["counts"]["steps"] == 2
    assert trained["base"]["location"] == "smollm2-135m"
    made = command("budgetai_convert", "--repo", repo)
    assert made["checks"]["kld"] < 0.1
    model = layout.newest_model(repo)
    assert model is not None
    answers, messages = asyncio.run(
        ask(repo, "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    ")
    )
    assert messages[0].startswith(f"BudgetAI serves {model.name}: reads ")
    assert answers == ["return a - b"]
    evaluation = command("budgetai_server.cli.evaluate", "--repo", repo, "--holes", 4)
    assert evaluation["holes"] == 4
    assert evaluation["held_out"] == "files held out by the models' training"
    assert evaluation["models"][0]["model"] == str(model)
    assert 0 <= evaluation["models"][0]["scores"]["exact_match"]["mean"] <= 1
    assert evaluation["changes"] == []
