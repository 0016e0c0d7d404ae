"""How much of a history gives enough lines to type."""

from pathlib import Path

from budgetai_core.evaluation.typed_commits import newest_with
from support import revisions

OLD = "import os\n\n\ndef first(path):\n    return os.stat(path)\n"


def commit(root: Path, text: str) -> str:
    (root / "a.py").write_text(text)
    return revisions.commit(root)


def test_the_newest_commits_with_enough_to_type_are_held_back(tmp_path: Path) -> None:
    text, commits = OLD, []
    for number in range(11):
        text += f"first_value_{number} = os.stat({number})\nother_{number} = os.getpid()\n"
        commits.append(commit(tmp_path, text))
    assert newest_with(tmp_path, 2) == commits[-2]
    assert newest_with(tmp_path, 3) == commits[-3]
    # A fifth of the commits has no more than four lines.
    assert newest_with(tmp_path, 5) == ""
    # All of them, where so few are enough.
    assert newest_with(tmp_path, 5, at_least=4) == commits[-3]
    assert newest_with(tmp_path, 9, at_least=5) == ""


def test_without_a_history_nothing_is_held_back(tmp_path: Path) -> None:
    assert newest_with(tmp_path, 1) == ""
    commit(tmp_path, OLD)
    assert newest_with(tmp_path, 1) == ""
