"""Going on from an adapter that held out what was written after a commit."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from budgetai_core.artifacts.manifest import AdapterManifest
from budgetai_training import cli
from budgetai_training.options import TrainOptions
from support import revisions
from support.learnable import write_modules

Train = Callable[..., dict[str, Any]]


@pytest.fixture
def commits(tmp_path: Path) -> list[str]:
    """Of a repository that gets three modules more with each."""
    made = []
    for last in (3, 6, 9, 12):
        write_modules(tmp_path / "shop", range(last - 3, last), constant=last * 100)
        made.append(revisions.commit(tmp_path / "shop"))
    return made


@pytest.fixture
def arguments(tmp_path: Path, llama: Path) -> list[object]:
    # So that there is time for each file.
    enough = ["--max-steps", 12, "--evaluate", "none"]
    return ["--repo", tmp_path / "shop", "--base", llama, *enough]


def test_later_commits_are_learned_and_those_after_them_held_out(
    commits: list[str],
    arguments: list[object],
    trained: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = trained(*arguments, "--holdout", f"since:{commits[1]}", "--out", tmp_path / "first")
    assert first["counts"]["files"] == 6
    onward = [*arguments, "--continue-from", tmp_path / "first", "--old-share", 0]
    second = trained(*onward, "--holdout", f"since:{commits[2]}", "--out", tmp_path / "second")
    # The three that are new, and none that is newer.
    assert second["counts"]["files"] == 3
    assert len(second["learned"]) == 9
    assert second["holdout"] == f"since:{commits[2]}"
    assert all(
        path in ("module_9.py", "module_10.py", "module_11.py") for path in second["held_out"]
    )

    def refused(*more: object) -> str:
        asked = [*onward, *more, "--out", tmp_path / "none"]
        assert cli.main([*map(str, asked)]) == 2
        (line,) = capsys.readouterr().err.splitlines()[-1:]
        return line

    assert "which would now be learned. Add --holdout since:" in refused()
    earlier = refused("--holdout", f"since:{commits[0]}")
    assert "Name a later revision with --holdout" in earlier
    assert "nothing has changed" in refused("--holdout", f"since:{commits[1]}")


def test_an_adapter_that_holds_out_files_may_have_learned_any_commit(
    commits: list[str],
    arguments: list[object],
    trained: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained(*arguments, "--out", tmp_path / "first")
    onward = ["--continue-from", tmp_path / "first", "--holdout", f"since:{commits[2]}"]
    assert cli.main([*map(str, [*arguments, *onward])]) == 2
    assert "holds out files, and may have learned what since:" in capsys.readouterr().err
    # A run that goes on to a model leaves it at that.
    options = TrainOptions(repo=tmp_path / "shop", convert=True, continue_from=tmp_path / "first")
    assert cli._kept_apart(options) == options


def test_a_model_is_kept_from_the_commits_that_it_is_judged_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commits: list[str]
) -> None:
    """With histories long enough; here two lines of one commit in four have to do."""
    from budgetai_core.evaluation import not_worse

    monkeypatch.setattr(not_worse, "LINES", 2)
    monkeypatch.setattr(not_worse, "MIN_LINES", 1)
    repo = tmp_path / "shop"
    plain = TrainOptions(repo=repo, convert=True)
    # A fifth of four commits is none.
    assert cli._kept_apart(plain) == plain
    for number in range(6):
        with (repo / "module_0.py").open("a") as file:
            file.write(f"\n\ndef another_{'abcdef'[number]}(price, count):\n    return price\n")
        commits.append(revisions.commit(repo))
    assert cli._kept_apart(plain).holdout == f"since:{commits[-2]}"
    assert not cli._kept_apart(TrainOptions(repo=repo)).holdout
    given = TrainOptions(repo=repo, convert=True, holdout=f"since:{commits[0]}")
    assert cli._kept_apart(given) == given
    # One that goes on from an adapter that was kept from commits is so again.
    before = SimpleNamespace(holdout="since:x")
    monkeypatch.setattr(AdapterManifest, "read", lambda folder: before)
    onward = TrainOptions(repo=repo, convert=True, continue_from=tmp_path)
    assert cli._kept_apart(onward).holdout == f"since:{commits[-2]}"
