"""budgetai-eval --commits: lines of later commits, typed into the files of before."""

import json
from pathlib import Path

import pytest

from budgetai_core.errors import OptionError, RepositoryError
from budgetai_server.cli import evaluate
from budgetai_server.completion.render import CompletionPolicy
from budgetai_server.evaluation import typed
from budgetai_server.evaluation.options import EvalOptions
from budgetai_server.evaluation.typed import change, scores, typed_set
from support import revisions, tiny
from support.knowing import Knows

OLD = "import os\n\n\ndef first(path):\n    return os.stat(path)\n\n\ndef last(path):\n    pass\n"
ADDED = "    size = os.path.getsize(path)\n    return size * 2\n"
NEW = OLD.replace("    return os.stat(path)\n", ADDED)
OTHER = "import first_module\n\nTABLE = first_module.make_a_table()\n"


def commit(root: Path, **files: str) -> str:
    for name, text in files.items():
        (root / f"{name}.py").write_text(text)
    return revisions.commit(root)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    git_first = commit(tmp_path, a=OLD)
    revisions.git(tmp_path, "tag", "v1", git_first)
    commit(tmp_path, a=NEW, b=OTHER)
    return tmp_path


def since_v1(repo: Path, **more: object) -> EvalOptions:
    return EvalOptions(repo=repo, commits="since:v1", **more)  # type: ignore[arg-type]


def test_lines_are_typed_into_the_old_text(repo: Path) -> None:
    lines = typed_set(since_v1(repo), [])
    assert [line.expected for commit in lines.commits for line in commit.lines] == [
        "size = os.path.getsize(path)",
        "return size * 2",
        "import first_module",
        "TABLE = first_module.make_a_table()",
    ]
    engine = Knows(a=NEW, b=OTHER)
    evaluation = typed.evaluate(engine, CompletionPolicy(block=0), lines)  # type: ignore[arg-type]
    old = next(prompt for prompt in engine.prompts if prompt.path == "a.py")
    assert old.before.endswith("def first(path):\n    ")
    assert "def last(path):" in old.after
    assert "return os.stat(path)" not in old.before + old.after
    # As in an editor, the line above has been read, and drafts know the old text only.
    assert [prompt.before.rpartition("\n")[2] for prompt in engine.warmed] == [
        "    size = os.path.getsize(path)",
        "",
    ]
    assert engine.learned == [OLD]
    # The new text is nowhere until it has been typed.
    assert not any("getsize" in chunk.text for p in engine.prompts[:1] for chunk in p.chunks)
    assert evaluation.scores.count == 2
    assert evaluation.new_files.count == 2
    assert evaluation.scores.exact_match.mean == 1
    assert evaluation.scores.raw_exact_match.mean == 1
    assert evaluation.misses == {"chunk": 0, "prompt": 0, "tree": 0, "nowhere": 0}
    # One key a line.
    characters = len("size = os.path.getsize(path)" + "return size * 2")
    assert evaluation.scores.keystrokes_saved.mean == pytest.approx(1 - 2 / characters)
    assert (evaluation.scores.shown_per_line, evaluation.scores.taken_share) == (1, 1)


def test_what_was_typed_elsewhere_in_the_commit_counts_as_just_edited(tmp_path: Path) -> None:
    said = "# Said before.\nNUMBER = 1\n" * 60
    revisions.git(tmp_path, "init", "-q")
    revisions.git(tmp_path, "tag", "v1", commit(tmp_path, a=said, b=said))
    new = f"{said}def count(shop):\n    shop.opened()\n    return shop.counted()\n"
    commit(tmp_path, a=new, b=new)
    engine = Knows()
    lines = typed_set(since_v1(tmp_path), [])
    typed.evaluate(engine, CompletionPolicy(block=0), lines)  # type: ignore[arg-type]
    asked = next(p for p in engine.prompts if p.path == "b.py" and "opened()" in p.before)
    assert [chunk.path for chunk in asked.chunks] == ["a.py"]
    assert "return shop.counted()" in asked.chunks[0].text


def test_a_model_without_sense_saves_nothing_and_the_difference_is_told(repo: Path) -> None:
    lines = typed_set(since_v1(repo), [])
    policy = CompletionPolicy(block=0)
    dumb = typed.evaluate(Knows(), policy, lines)  # type: ignore[arg-type]
    good = typed.evaluate(Knows(a=NEW, b=OTHER), policy, lines)  # type: ignore[arg-type]
    assert dumb.scores.exact_match.mean == dumb.scores.keystrokes_saved.mean == 0
    assert sum(dumb.misses.values()) == lines.count
    difference = change(dumb, good)
    assert (difference.better, difference.worse) == (2, 0)
    assert difference.exact_match.mean == 1
    assert scores([]).count == 0


def test_where_the_text_of_a_miss_stood(repo: Path) -> None:
    revisions.git(repo, "tag", "v2")
    commit(repo, a=NEW + "\n\nTABLE = first_module.make_a_table()\nUNHEARD_OF = os.getpid()\n")
    lines = typed_set(EvalOptions(repo=repo, commits="since:v2"), [])
    evaluation = typed.evaluate(Knows(), CompletionPolicy(block=0), lines)  # type: ignore[arg-type]
    assert evaluation.misses["nowhere"] == 1
    assert evaluation.misses["chunk"] + evaluation.misses["tree"] == 1


def test_the_seed_draws_the_lines_and_no_commit_gives_more_than_five(repo: Path) -> None:
    many = "".join(f"value_{number} = call_{number}(1)\n" for number in range(40))
    commit(repo, c=many)
    first = typed_set(since_v1(repo, holes=6), [])
    assert first == typed_set(since_v1(repo, holes=6), [])
    assert first.count == 6
    assert max(len(commit.lines) for commit in typed_set(since_v1(repo), []).commits) == 5


def test_what_is_refused(repo: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--commits v1 is not known"):
        typed_set(EvalOptions(repo=repo, commits="v1"), [])
    with pytest.raises(RepositoryError, match="'nothing' is not a revision"):
        typed_set(EvalOptions(repo=repo, commits="since:nothing"), [])
    with pytest.raises(OptionError, match="--patience"):
        EvalOptions(patience=3)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="--commits is about lines"):
        EvalOptions(commits="since:v1", task="docstring")


def test_the_command(
    repo: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path_factory.mktemp("model")
    model = tiny.make_gguf(tiny.make_llama(folder / "llama"), folder / "llama.gguf")
    base = ["--repo", str(repo), "--model", str(model), "--holes", "2"]
    assert evaluate.main([*base, "--commits", "since:v1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["lines"] == 2
    (of_model,) = result["models"]
    assert of_model["scores"]["count"] + of_model["new_files"]["count"] == 2
    assert "getsize" not in json.dumps(result)
    assert evaluate.main([*base, "--commits", "since:v1"]) == 0
    assert capsys.readouterr().out.startswith("2 lines of 1 commits, as they were typed\n")
    assert evaluate.main([*base, "--commits", "since:HEAD"]) == 0
    printed = capsys.readouterr()
    assert "No commit since:HEAD has a line to type; lines are cut instead" in printed.err
    assert "lines; all files" in printed.out
