"""budgetai-eval --task edits: later commits, edited again hunk by hunk."""

import json
from pathlib import Path

import pytest

from budgetai_core.errors import OptionError
from budgetai_core.repository.commits import FileChange
from budgetai_server.cli import evaluate
from budgetai_server.evaluation.edits import done_by, evaluate_edits, hunks_of, replayed
from budgetai_server.evaluation.options import EvalOptions
from budgetai_server.next_edit.edit_rules import Rule
from budgetai_server.next_edit.proposer import NextEdits, Proposal
from budgetai_server.next_edit.ranking import Surroundings
from support import revisions

CALLS = "".join(
    f"def f{n}():\n    page = fetch_page(url{n}, 3)\n    show({n})\n\n\n" for n in range(6)
)
RENAMED = CALLS.replace("fetch_page", "load_page")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text(CALLS)
    revisions.git(tmp_path, "tag", "v1", revisions.commit(tmp_path))
    (tmp_path / "a.py").write_text(RENAMED)
    revisions.commit(tmp_path)
    (tmp_path / "a.py").write_text(RENAMED.replace("show(0)", "pass").replace("show(4)", "go()"))
    revisions.commit(tmp_path)
    return tmp_path


def proposed(first: int, last: int, *new: str) -> Proposal:
    return Proposal(
        "a.py", first, last, (), new, Rule("replace", "a", "b"), Surroundings("", (), ())
    )


def test_a_commit_is_edited_again(repo: Path) -> None:
    evaluation = evaluate_edits(EvalOptions(repo=repo, task="edits", commits="since:v1"))
    assert evaluation.commits == 2
    assert [answer.repeats for answer in evaluation.asked] == [False, *[True] * 5, False, False]
    assert [answer.silence for answer in evaluation.asked] == [False] * 6 + [True] * 2
    assert evaluation.right.mean == 1
    assert evaluation.proposed.mean >= 0.6
    assert evaluation.quiet.mean == 1
    assert evaluation.reversal.mean == 0


def test_it_is_printed_as_json_and_as_text(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--repo", str(repo), "--task", "edits", "--commits", "since:v1"]
    assert evaluate.main([*asked, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["repeats"] == 5
    assert result["right"]["mean"] == 1
    assert "fetch_page" not in json.dumps(result)
    assert evaluate.main(asked) == 0
    assert "right to the byte" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("proposal", "hunk"),
    [
        (proposed(6, 7, "    page = load_page(url1, 3)"), 1),
        (proposed(6, 7, "    page = load_page(url1, 4)"), None),
        (proposed(1, 2, "    page = load_page(url0, 3)"), None),
        (proposed(6, 8, "    page = load_page(url1, 3)"), None),
    ],
)
def test_right_is_what_a_later_hunk_does_to_the_byte(proposal: Proposal, hunk: int | None) -> None:
    todo = list(hunks_of([FileChange("a.py", CALLS, RENAMED)]))
    assert done_by(proposal, 0, todo) == hunk


def test_a_proposal_that_takes_back_is_seen() -> None:
    class Reverses(NextEdits):
        def propose(self, document: str, line: int, documents: object) -> Proposal:
            return proposed(1, 2, "    page = fetch_page(url0, 3)")

    (first, *_) = replayed("c", [FileChange("a.py", CALLS, RENAMED)], {}, Reverses())
    assert first.undoes == 1
    assert first.right is False


@pytest.mark.parametrize(
    "options",
    [
        {"task": "edits"},
        {"task": "edits", "commits": "since:v1", "model": (Path("m.gguf"),)},
        {"task": "edits", "commits": "since:v1", "patience": 1.0},
    ],
)
def test_options_without_a_use_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="edits"):
        EvalOptions(**options)  # type: ignore[arg-type]


def test_commits_are_named_as_elsewhere(repo: Path) -> None:
    with pytest.raises(OptionError, match="v1"):
        evaluate_edits(EvalOptions(repo=repo, task="edits", commits="v1"))
