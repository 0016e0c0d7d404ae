"""What two models are asked, and which of them stays."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from budgetai_core.artifacts.manifest import BaseRecord, ModelManifest
from budgetai_core.context.prompt import PROMPT_FORMAT
from budgetai_server.completion.render import CompletionPolicy
from budgetai_server.evaluation import gate
from budgetai_server.evaluation.gate import AS_TYPED, CUT, Questions
from support import revisions
from support.knowing import Knows

COMMITS = 24


def text_after(commits: int, name: str = "old_name") -> str:
    """Five lines of each commit, no two alike, and a name that is in use."""
    lines = [f"def {name}(value):\n    return value\n"]
    for number in range(commits):
        # Numbers alone would not make other lines of them.
        letter = chr(ord("a") + number)
        calls = (f"total_{letter}_of_{i} = of({i}_{letter})\n" for i in "abcde")
        lines.append("".join(calls))
    return "\n\n".join(lines)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A repository, and its commits; the second calls a function otherwise."""
    root = tmp_path_factory.mktemp("shop")
    commits = []
    for number in range(COMMITS):
        name = "old_name" if number < 1 else "new_name"
        (root / "a.py").write_text(text_after(number, name))
        commits.append(revisions.commit(root, f"2025-01-{number + 1:02}T00:00:00"))
    return root, commits


MANIFEST = ModelManifest(
    prompt_format=PROMPT_FORMAT, base=BaseRecord(kind="gguf", location="x", digest="x"),
    adapter="20250101-120000", quant="F16", size=0, held_out=(), scores={}, checks={}, versions={},
)  # fmt: skip


def model(folder: Path, name: str, **values: object) -> Path:
    path = folder / f"{name}.gguf"
    path.write_bytes(b"GGUF")
    replace(MANIFEST, **values).write(path)  # type: ignore[arg-type]
    return path


def base(folder: Path) -> Path:
    (folder / "base.gguf").write_bytes(b"GGUF")
    return folder / "base.gguf"


def test_the_newest_commits_are_typed(history: tuple[Path, list[str]], tmp_path: Path) -> None:
    root, commits = history
    candidate = model(tmp_path, "new", holdout=f"since:{commits[0]}")
    asked = gate.questions_for(root, candidate, base(tmp_path))
    assert (asked.how, asked.count) == (AS_TYPED, 5 * (COMMITS - 1))
    assert str(asked) == "115 lines of the newest 23 commits with any, as typed"


@pytest.mark.parametrize(
    ("rival", "commit"),
    [
        ({"holdout": 2}, 2),
        ({"holdout": 0}, 1),
        # A training that began on that day has seen what was committed before.
        ({"adapter": "20250103-120000"}, 2),
    ],
)
def test_what_either_has_learned_is_not_asked(
    history: tuple[Path, list[str]], tmp_path: Path, rival: dict[str, object], commit: int
) -> None:
    root, commits = history
    if "holdout" in rival:
        rival = {"holdout": f"since:{commits[int(str(rival['holdout']))]}"}
    candidate = model(tmp_path, "new", holdout=f"since:{commits[1]}")
    asked = gate.questions_for(root, candidate, model(tmp_path, "old", **rival))
    assert asked.typed is not None and asked.typed.since == commits[commit]


def test_where_commits_are_few_or_learned_lines_are_cut(
    history: tuple[Path, list[str]], tmp_path: Path
) -> None:
    root, commits = history
    few = model(tmp_path, "few", holdout=f"since:{commits[-5]}")
    asked = gate.questions_for(root, few, base(tmp_path))
    assert (asked.how, asked.count) == (CUT, 20)
    assert gate.enough(asked, for_base=True) and not gate.enough(asked, for_base=False)
    held = model(tmp_path, "held", held_out=("a.py",))
    asked = gate.questions_for(root, held, base(tmp_path))
    assert (asked.how, asked.count) == (CUT, 117)
    assert gate.enough(asked, for_base=False)
    # Nothing of it was kept from both.
    assert not gate.questions_for(root, held, model(tmp_path, "other", held_out=("b.py",))).count


def test_a_history_that_was_written_anew(history: tuple[Path, list[str]], tmp_path: Path) -> None:
    candidate = model(tmp_path, "new", holdout=f"since:{'0' * 40}")
    assert not gate.questions_for(history[0], candidate, base(tmp_path)).count


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> dict[str, Knows]:
    """What is loaded for the name of a model."""
    loaded: dict[str, Knows] = {}

    @contextmanager
    def served(path: Path, task: str) -> Iterator[list[tuple[Knows, CompletionPolicy]]]:
        yield [(loaded[path.stem], CompletionPolicy(block=0))]

    monkeypatch.setattr(gate, "served", served)
    return loaded


def some_of(asked: Questions) -> Questions:
    """A few of the commits: typing takes a while."""
    assert asked.typed is not None
    return Questions(typed=replace(asked.typed, commits=asked.typed.commits[::5]))


FINISHED = text_after(COMMITS, "new_name")


@pytest.mark.parametrize(("before", "after"), [("", FINISHED), (FINISHED, FINISHED)])
def test_who_is_as_good_or_better_is_not_worse(
    before: str,
    after: str,
    history: tuple[Path, list[str]],
    engines: dict[str, Knows],
    tmp_path: Path,
) -> None:
    root, commits = history
    candidate = model(tmp_path, "new", holdout=f"since:{commits[0]}")
    engines |= {"base": Knows(a=before), "new": Knows(a=after)}
    told: list[int] = []
    asked = some_of(gate.questions_for(root, candidate, base(tmp_path)))
    compared = gate.compare(
        asked, base(tmp_path), candidate, lambda name, done, count: told.append(done)
    )
    assert not compared.worse
    assert told == [*range(1, 26)] * 2
    # Once for each line, however wrong it is.
    assert [len(engine.prompts) for engine in engines.values()] == [25, 25]


def test_who_knows_less_is_worse_by_every_measure(
    history: tuple[Path, list[str]], engines: dict[str, Knows], tmp_path: Path
) -> None:
    root, commits = history
    candidate = model(tmp_path, "new", holdout=f"since:{commits[0]}")
    engines |= {"base": Knows(a=FINISHED), "new": Knows()}
    asked = some_of(gate.questions_for(root, candidate, base(tmp_path)))
    compared = gate.compare(asked, base(tmp_path), candidate, lambda *_: None)
    told = [" ".join(str(worse).split()[:2]) for worse in compared.worse]
    assert told == ["exact lines", "edit similarity", "keystrokes saved"]


def test_names_that_are_gone_count(
    history: tuple[Path, list[str]], engines: dict[str, Knows], tmp_path: Path
) -> None:
    root, commits = history
    candidate = model(tmp_path, "new", holdout=f"since:{commits[0]}")
    engines |= {"base": Knows(), "new": Says("old_name(first)\n")}
    asked = some_of(gate.questions_for(root, candidate, base(tmp_path)))
    compared = gate.compare(asked, base(tmp_path), candidate, lambda *_: None)
    # While the function was called so, that was right.
    assert compared.names is not None
    assert (compared.names.before, compared.names.after) == (0, 20)
    assert compared.worse == (compared.names,)


def test_cut_lines_are_compared_too(
    history: tuple[Path, list[str]], engines: dict[str, Knows], tmp_path: Path
) -> None:
    root, _ = history
    candidate = model(tmp_path, "new", held_out=("a.py",))
    asked = gate.questions_for(root, candidate, base(tmp_path))
    engines |= {"base": Says("x"), "new": Says("x")}
    told: list[tuple[str, int, int]] = []
    compared = gate.compare(asked, base(tmp_path), candidate, lambda *row: told.append(row))
    assert not compared.worse and compared.names is None
    assert told[-1] == ("knows", 117, 117)
    engines["base"] = Knows(a=text_after(COMMITS - 1, "new_name"))
    assert gate.compare(asked, base(tmp_path), candidate, lambda *_: None).worse


def test_a_slow_machine_is_asked_no_more_than_what_may_decide(
    history: tuple[Path, list[str]],
    engines: dict[str, Knows],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root, commits = history
    monkeypatch.setattr(gate, "_SECONDS", 0.0)
    engines |= {"base": Says("x"), "new": Says("x")}
    typed = model(tmp_path, "new", holdout=f"since:{commits[0]}")
    cut = model(tmp_path, "cut", held_out=("a.py",))
    engines["cut"] = engines["new"]
    rows: list[tuple[str, int, int]] = []
    for candidate, least, count in ((typed, 8, 10), (cut, 8, 8)):
        asked = gate.questions_for(root, candidate, base(tmp_path))
        rows.clear()
        compared = gate.compare(
            asked, base(tmp_path), candidate, lambda *row: rows.append(row), least=least
        )  # fmt: skip
        assert compared.questions.count == count
        assert [done for _, done, _ in rows] == [*range(1, count + 1)] * 2


class Says(Knows):
    """One that says the same everywhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.says = text

    def generate(self, prompt, limit, cancelled, usage):  # type: ignore[no-untyped-def]
        self.texts = {prompt.path.removesuffix(".py"): (prompt.before or "") + self.says}
        yield from super().generate(prompt, limit, cancelled, usage)
