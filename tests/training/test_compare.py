"""Methods side by side: the same samples, a budget each, one table."""

import json
from pathlib import Path
from typing import Any

import pytest

from budgetai_core.command import flags, parse
from budgetai_core.errors import OptionError
from budgetai_core.options import Seconds
from budgetai_training.cli import main
from budgetai_training.compare import MethodResult, table
from budgetai_training.hyperparameters.lora import Lora
from budgetai_training.options import TrainOptions
from budgetai_training.report import report_files as report


def test_flags_are_read_back_as_they_were() -> None:
    options = TrainOptions(
        repo=Path("/a b"), include=("*.py", "-x"), method="dylora", rank=8,
        lora=Lora(ranks="1,2,4", frozen=True), budget=Seconds(90.5), learning_rate=0.003,
        evaluate="none", out=Path("o"),
    )  # fmt: skip
    assert parse("x", "y", TrainOptions, flags(options)) == options


def test_options_of_one_method_are_no_mistake_beside_another() -> None:
    text = "rslora=on,ranks=1,2,frozen=on"
    options = TrainOptions(compare="lora,dylora,full", lora=Lora.parse(text))
    kept = [str(options.of_method(method).lora) for method in ("lora", "dylora", "full")]
    assert kept == ["rslora=on", text, ""]
    for wrong in ("lora,lora", "lora,", "qlora"):
        with pytest.raises(OptionError):
            TrainOptions(compare=wrong)
    clashes: tuple[dict[str, Any], ...] = ({"load_in": "4bit"}, {"evaluate": "none"})
    for more in clashes:
        with pytest.raises(OptionError):
            TrainOptions(compare="lora,full", **more)


def test_the_table_has_a_row_for_each() -> None:
    base = MethodResult("base", 0, 0, None, 0.0, 2.5, 1, 10, "")
    tuned = MethodResult("dylora", 4, 4_884_480, 1_900_000_000, 61.0, 2.125, 3, 10, "/out/dylora")
    lines = table([base, tuned]).splitlines()
    assert lines[1].split() == ["base", "-", "-", "-", "-", "2.500", "1", "of", "10"]
    assert lines[2].split() == [
        "dylora", "4", "4,884,480", "1,900", "61", "2.125", "3", "of", "10", "/out/dylora",
    ]  # fmt: skip


def test_each_method_is_trained_in_a_folder_of_its_own(
    llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = tmp_path / "shop"
    repo.mkdir()
    for number in range(4):
        # More than one window.
        body = "".join(f"def mean_{number}_{i}(values):\n    return {i}\n\n\n" for i in range(60))
        (repo / f"m{number}.py").write_text(body)
    out = tmp_path / "out"
    given = ["--repo", str(repo), "--base", str(llama), "--load-in", "fp32",
             "--max-steps", "1", "--learning-rate", "0.01", "--out", str(out)]  # fmt: skip
    assert main([*given, "--compare", "dylora", "--lora", "ranks=1,2", "--json"]) == 0
    before, dylora = json.loads(capsys.readouterr().out)
    assert before["method"] == "base"
    assert before["loss"] > 0
    assert dylora["adapter"] == str(out / "dylora")
    assert dylora["rank"] in (1, 2)
    assert dylora["lines"] == before["lines"] > 0
    # All there is, whatever the time.
    assert _windows(out / "dylora") > 1
    assert main([*given, "--compare", "lora"]) == 2
    assert "exists already" in capsys.readouterr().err


def _windows(adapter: Path) -> int:
    return next(group.samples for group in report.read(adapter).held_out if group.by == "all")
