"""A model that learned a repository as of a commit is judged on what was written since."""

from pathlib import Path

import pytest

from budgetai_core.artifacts.manifest import BaseRecord, ModelManifest
from budgetai_core.context.prompt import PROMPT_FORMAT
from budgetai_core.errors import RepositoryError
from budgetai_server.evaluation.lines import eval_set
from budgetai_server.evaluation.options import EvalOptions
from support.revisions import commit

OLD = "".join(f"def known_function_{n}(argument):\n    return argument + {n}\n" for n in range(30))
NEW = "".join(f"def added_{n}_later(first, second):\n    return first * second\n" for n in range(6))


def model(
    folder: Path,
    name: str,
    *,
    held_out: tuple[str, ...] = (),
    holdout: str = "",
    also: tuple[str, ...] = (),
) -> Path:
    ModelManifest(
        prompt_format=PROMPT_FORMAT,
        base=BaseRecord(kind="gguf", location="x", digest="x"),
        adapter="x", quant="F16", size=0, held_out=held_out, holdout=holdout, also=also,
        scores={}, checks={}, versions={},
    ).write(folder / f"{name}.gguf")  # fmt: skip
    return folder / f"{name}.gguf"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    (root / "a.py").write_text(OLD)
    (root / "b.py").write_text(OLD.replace("known", "other"))
    return root


def test_holes_are_cut_in_what_was_added(repo: Path, tmp_path: Path) -> None:
    first = commit(repo)
    (repo / "a.py").write_text(OLD[:200] + "\n" + NEW + "\n" + OLD[200:])
    since = model(tmp_path, "since", holdout=f"since:{first}")
    options = EvalOptions(repo=repo, holes=1000)
    questions = eval_set(options, [since])
    assert {span.path for span in questions.spans} == {"a.py"}
    assert len(questions.spans) == 12
    for span in questions.spans:
        assert span.expected in NEW
    # Compared with one that had b.py held out, nothing is left that both have not seen.
    with pytest.raises(RepositoryError, match="no line to complete"):
        eval_set(options, [since, model(tmp_path, "b", held_out=("b.py",))])
    both = eval_set(options, [since, model(tmp_path, "a", held_out=("a.py", "b.py"))])
    assert len(both.spans) == 12


def test_each_of_several_repositories_is_judged_on_its_own_files(
    repo: Path, tmp_path: Path
) -> None:
    """What --also added has its repository's name in front; a.py was learned there."""
    of_two = model(tmp_path, "two", held_out=("a.py", "repo:b.py"))
    questions = eval_set(EvalOptions(repo=repo, holes=1000), [of_two])
    assert {span.path for span in questions.spans} == {"b.py"}
    # Of a repository that was learned and of which nothing was held out nothing is asked: a.py is
    # held out in the main one.
    of_one = model(tmp_path, "one", held_out=("a.py",), also=("repo",))
    with pytest.raises(RepositoryError, match="no line to complete"):
        eval_set(EvalOptions(repo=repo, holes=1000), [of_one])
    other = repo.rename(tmp_path / "main")
    questions = eval_set(EvalOptions(repo=other, holes=1000), [of_two])
    assert {span.path for span in questions.spans} == {"a.py"}


def test_a_commit_that_is_not_there(repo: Path, tmp_path: Path) -> None:
    lost = model(tmp_path, "lost", holdout="since:" + "0" * 40)
    with pytest.raises(RepositoryError, match="no commit 000000000000"):
        eval_set(EvalOptions(repo=repo), [lost])
    commit(repo)
    with pytest.raises(RepositoryError, match="no commit 000000000000"):
        eval_set(EvalOptions(repo=repo), [lost])
