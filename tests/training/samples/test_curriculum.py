"""Hard files are shown more often, the same ones after a resume."""

import json
from pathlib import Path

import pytest
import torch

from budgetai_training.corpus.last_changed import last_changes
from budgetai_training.samples.curriculum import CONTRAST, Curriculum
from support.revisions import commit


def noted(curriculum: Curriculum) -> Curriculum:
    """Files a, b and c with mean losses 1, 2 and 3; a has two rows in a batch of three."""
    labels = torch.tensor([[-100, 1, 1], [-100, 1, -100], [-100, -100, 1]])
    keys = [("r", "a"), ("r", "c"), ("r", "a")]
    curriculum.note({"labels": labels, "keys": keys}, torch.tensor([0.5, 1.5, 3.0, 1.0]))
    curriculum.note({"labels": labels[1:2], "keys": [("r", "b")]}, torch.tensor([2.0]))
    return curriculum


def test_the_hardest_file_weighs_most_and_a_pass_keeps_its_length() -> None:
    weights = noted(Curriculum("hard")).weights(1)
    assert weights["r", "a"] < weights["r", "b"] < weights["r", "c"]
    assert weights["r", "c"] / weights["r", "a"] == pytest.approx(CONTRAST)
    assert sum(weights.values()) == pytest.approx(3)


def test_the_first_pass_and_a_curriculum_that_is_off_weigh_nothing() -> None:
    assert noted(Curriculum("hard")).weights(0) == {}
    assert noted(Curriculum("none")).weights(1) == {}


def test_what_was_changed_last_weighs_most_from_the_first_pass_on() -> None:
    recent = noted(Curriculum("recent", {("r", "a"): 30, ("r", "b"): 10, ("r", "c"): 20}))
    weights = recent.weights(0)
    assert weights["r", "b"] < weights["r", "c"] < weights["r", "a"]
    assert recent.weights(1) == weights


def test_the_history_tells_when_a_file_was_changed(tmp_path: Path) -> None:
    def written(when: int, **files: str) -> None:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        commit(tmp_path, f"{when} +0000")

    assert last_changes(tmp_path) == {}
    written(1_000_000_000, old="x", new="x")
    written(1_100_000_000, new="y", café="z")
    assert last_changes(tmp_path) == {
        "old.py": 1_000_000_000, "new.py": 1_100_000_000, "café.py": 1_100_000_000,
    }  # fmt: skip


def test_a_resumed_one_goes_on_alike(tmp_path: Path) -> None:
    before = noted(Curriculum("hard"))
    laid_out = before.weights(1)
    noted(before)
    file = tmp_path / "curriculum.json"
    file.write_text(json.dumps(before.state()))
    after = Curriculum("hard")
    after.resume(file)
    assert after.weights(1) == laid_out
    assert after.weights(2) == before.weights(2) != {}
    assert after.weights(0) == {}
