"""budgetai-train --dry-run: what a base knows before it is tuned."""

import json
from pathlib import Path

import pytest

from budgetai_training.cli import main


def test_what_the_base_knows_of_each_language(
    repo: Path, llama: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = ["--repo", str(repo), "--base", str(llama), "--load-in", "fp32", "--dry-run"]
    assert main([*asked, "--json"]) == 0
    assert "untuned" not in json.loads(capfd.readouterr().out)

    assert main([*asked, "--evaluate", "full"]) == 0
    table = capfd.readouterr().out
    assert "untuned: the higher, the more there is to gain" in " ".join(table.split())

    assert main([*asked, "--evaluate", "full", "--json"]) == 0
    untuned = json.loads(capfd.readouterr().out)["untuned"]
    (loss,) = untuned["languages"].values()
    assert list(untuned["languages"]) == ["python"]
    # Random weights know no text, whatever it is.
    assert loss == pytest.approx(untuned["python library"], rel=0.2)
    assert loss > 4
    assert f"{loss:.3f}" in table
