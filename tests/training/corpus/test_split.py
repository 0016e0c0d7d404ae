"""What is learned and what is held out: copies are dropped, relatives stay together, and time can
draw the line."""

import json
import random
from pathlib import Path

import pytest

from budgetai_core.errors import BudgetAIError
from budgetai_training.corpus import load as corpus
from budgetai_training.corpus.records import Corpus
from budgetai_training.corpus.split import FixedSplit
from budgetai_training.options import TrainOptions
from support.revisions import commit, git

WORDS = ("apple", "bridge", "cloud", "dance", "earth", "flame", "grape", "house", "iron", "jewel")


def code(seed: int, functions: int = 12) -> str:
    """A module like no other: names and shapes are drawn."""
    rng = random.Random(seed)
    lines = [f'"""Module {seed}."""', ""]
    for number in range(functions):
        a, b, c, d = rng.sample(WORDS, 4)
        lines += [
            f"def {a}_{b}_{seed}_{number}({c}, {d}={rng.randint(0, 999)}):",
            f"    {b} = {rng.choice(WORDS)}_of({c}) {rng.choice('+-*/')} {rng.randint(2, 99)}",
            f"    if {d} {rng.choice('<>')} {rng.choice(WORDS)}.{a}[{rng.randint(0, 9)}]:",
            f"        return {rng.choice(WORDS)}({b}, {a}={d!s})",
            f"    return [{b} for {a} in {rng.choice(WORDS)}({c})]",
            "",
        ]
    return "\n".join(lines)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def read(root: Path, **options: object) -> Corpus:
    return corpus.read(TrainOptions(repo=root, **options))  # type: ignore[arg-type]


def reasons(divided: Corpus) -> dict[str, str]:
    return {d.path: d.reason for d in divided.decisions if d.reason}


def paths(files: tuple[object, ...]) -> list[str]:
    return [file.path for file in files]  # type: ignore[attr-defined]


def test_the_split_is_drawn_by_the_seed(tmp_path: Path) -> None:
    write(tmp_path, {f"m{n}.py": code(n) for n in range(30)})
    first, again, other = (read(tmp_path, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first.held_out != other.held_out
    assert len(first.train) + len(first.held_out) == 30
    assert 2 <= len(first.held_out) <= 5
    assert first.digests().keys() == set(paths(first.train))


def test_near_duplicates_are_dropped_and_the_first_stays(tmp_path: Path) -> None:
    text = code(1, functions=40)
    write(
        tmp_path,
        {
            "a.py": text,
            "b.py": text.replace("return [", "return  ["),
            "c/same.py": text + "\nextra = 1\n",
            "d.py": code(2, functions=40),
        },
    )
    assert reasons(read(tmp_path)) == {
        "b.py": "near-duplicate: a.py",
        "c/same.py": "near-duplicate: a.py",
    }
    assert read(tmp_path).reasons == {"near-duplicate": 2}


def test_relatives_are_on_the_same_side(tmp_path: Path) -> None:
    """Twelve pairs of files that share about two thirds of their text."""
    files = {}
    for n in range(12):
        shared = code(n, functions=20)
        files[f"{n}_one.py"] = shared + code(100 + n, functions=5)
        files[f"{n}_two.py"] = shared + code(200 + n, functions=5)
    write(tmp_path, files)
    for seed in range(6):
        divided = read(tmp_path, seed=seed)
        train, held = (
            {p.split("_")[0] for p in paths(f)} for f in (divided.train, divided.held_out)
        )
        assert held and not train & held
        assert not divided.reasons


def test_a_run_that_goes_on_keeps_its_split(tmp_path: Path) -> None:
    """Also where a later file is a copy or a relative of one that is held out."""
    write(tmp_path, {f"m{n}.py": code(n, functions=20) for n in range(8)})
    kept = FixedSplit(
        "run", frozenset({"m3.py"}), frozenset(f"m{n}.py" for n in range(8) if n != 3)
    )
    write(
        tmp_path,
        {
            "a_copy.py": code(3, functions=20) + "\nextra = 1\n",
            "relative.py": code(3, functions=20) + code(50, functions=7),
            "new.py": code(60, functions=20),
        },
    )
    divided = corpus.read(TrainOptions(repo=tmp_path), fixed=kept)
    assert paths(divided.held_out) == ["m3.py"]
    assert paths(divided.train) == ["m0.py", "m1.py", "m2.py", *[f"m{n}.py" for n in range(4, 8)],
                                  "new.py"]  # fmt: skip
    assert reasons(divided) == {
        "a_copy.py": "near-duplicate: m3.py",
        "relative.py": "relative of held-out m3.py",
    }
    assert {row.path for row in divided.rows if row.part == "held-out"} == {"m3.py"}
    assert [row.path for row in divided.rows] == sorted(row.path for row in divided.rows)


@pytest.mark.parametrize(
    ("path", "part", "words"),
    [
        ("m3.py", "train", "line 1 .* m3.py is held out by run"),
        ("m4.py", "held-out", "line 1 .* m4.py was learned by run"),
        ("m5.py", "held-out", ""),
    ],
)
def test_notes_against_a_split_that_is_fixed(
    tmp_path: Path, path: str, part: str, words: str
) -> None:
    root = write(tmp_path / "repo", {f"m{n}.py": code(n) for n in range(8)})
    notes = tmp_path / "corpus.jsonl"
    notes.write_text(json.dumps({"repository": "repo", "path": path, "part": part}) + "\n")
    kept = FixedSplit("run", frozenset({"m3.py"}), frozenset({"m4.py"}))
    options = TrainOptions(repo=root, corpus=notes)
    if not words:
        assert paths(corpus.read(options, fixed=kept).held_out) == ["m3.py", "m5.py"]
        return
    with pytest.raises(BudgetAIError, match=words):
        corpus.read(options, fixed=kept)


def test_what_cannot_be_split(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "x = 1\n", "b.py": "x = 1\n"})
    divided = read(tmp_path)
    assert (paths(divided.train), divided.held_out) == (["a.py"], ())


def test_a_large_file_is_not_held_out(tmp_path: Path) -> None:
    write(tmp_path, {"big.py": code(0, 200), "a.py": code(1, 8), "b.py": code(2, 9)})
    for seed in range(6):
        held = read(tmp_path, seed=seed).held_out
        assert held
        assert "big.py" not in paths(held)


def test_files_that_say_nothing(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.py": code(1),
            "pkg/__init__.py": '"""The package."""\n\nfrom .a import (\n    b,\n)\n\n'
            '__all__ = [\n    "b",\n]\n',
            "pkg/version.py": '__version__ = "1.0"\n',
            "index.ts": "// All of it.\nimport './polyfill';\nexport * from './a';\n",
            "doc.go": "// Package doc explains.\npackage doc\n",
            "real.ts": "import { a } from './a';\nexport const b = a + 1;\n",
        },
    )
    assert reasons(read(tmp_path)) == {
        "pkg/__init__.py": "low content",
        "index.ts": "low content",
        "doc.go": "low content",
    }


def test_globs_and_further_repositories(tmp_path: Path) -> None:
    shop = write(
        tmp_path / "one/shop",
        {"src/a.py": code(1), "src/a_test.py": code(2), "b.py": code(3), "src/c.py": code(4)},
    )
    other = write(tmp_path / "two/shop", {"src/a.py": code(5), "src/copy.py": code(1)})
    divided = read(shop, also=(other,), include=("src/",), exclude=("*_test.py", "other.py"))
    assert reasons(divided) == {
        "b.py": "--include",
        "src/a_test.py": "--exclude",
        "shop-2:src/copy.py": "near-duplicate: src/a.py",
    }
    assert [(f.repository, f.path) for f in (*divided.train, *divided.held_out)].count(
        ("shop-2", "src/a.py")
    )
    assert set(divided.digests()) | set(divided.held_out_names) == {
        "src/a.py", "src/c.py", "shop-2:src/a.py",
    }  # fmt: skip
    assert {file.repository for file in divided.held_out} == {"shop"}
    for wrong, words in (
        ({"also": (shop,)}, "named twice"),
        ({"exclude": ("a\\",)}, "is not a glob"),
        ({"exclude": ("*",)}, "nothing to learn among 4 files: 4 --exclude"),
    ):
        with pytest.raises(BudgetAIError, match=words):
            read(shop, **wrong)


def test_only_what_changed_since(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": code(1), "b.py": code(2), "old_name.py": code(3)})
    first = commit(tmp_path)
    (tmp_path / "old_name.py").rename(tmp_path / "new_name.py")
    write(tmp_path, {"b.py": code(2) + "\nx = 1\n", "c.py": code(4)})
    commit(tmp_path, date="2025-03-01T00:00:00")
    write(tmp_path, {"c.py": code(5)})
    for since in (first, first[:10], "HEAD~1", "2025-02-01", "2025-02-01T12:00:00"):
        divided = read(tmp_path, since=since)
        assert sorted(paths((*divided.train, *divided.held_out))) == ["b.py", "c.py"]
        assert reasons(divided) == {"a.py": "--since", "new_name.py": "--since"}
    assert not reasons(read(tmp_path, since="2024-01-01"))


@pytest.mark.parametrize(
    "revision", ["nonsense", "--output=x", "-h", "HEAD:a.py", "2025-99-99", "a\nb", "@{u}"]
)
def test_a_revision_is_never_an_option(tmp_path: Path, revision: str) -> None:
    write(tmp_path, {"a.py": code(1)})
    commit(tmp_path)
    before = sorted(tmp_path.iterdir())
    for options in ({"since": revision}, {"holdout": f"since:{revision}"}):
        with pytest.raises(BudgetAIError, match=r"is not a revision of|is not known"):
            read(tmp_path, **options)
    assert sorted(tmp_path.iterdir()) == before


def test_a_revision_needs_git(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": code(1)})
    with pytest.raises(BudgetAIError, match="is not a git repository"):
        read(tmp_path, since="HEAD")


def test_the_past_is_learned_and_what_came_later_is_held_out(tmp_path: Path) -> None:
    old = "def area(width, height):\n    return width * height\n\n\n"
    new = "def volume_of_a_box(width, height, depth):\n    return area(width, height) * depth\n"
    moved = code(7)
    write(tmp_path, {"shape.py": old, "moved.py": moved, "same.py": code(2), "gone.py": code(3)})
    first = commit(tmp_path)
    (tmp_path / "moved.py").rename(tmp_path / "elsewhere.py")
    (tmp_path / "gone.py").unlink()
    write(
        tmp_path,
        {
            "shape.py": old.replace("width * height\n", "height * width  # commutes\n") + new,
            "copied.py": moved.replace("1", "2"),
            "fresh.py": code(9),
            "note.md": "x",
        },
    )
    commit(tmp_path, date="2025-03-01T00:00:00")
    divided = read(tmp_path, holdout="since:2025-02-01")
    assert divided.holdout == f"since:{first}"
    assert divided == read(tmp_path, holdout=f"since:{first}")
    assert paths(divided.train) == ["gone.py", "moved.py", "same.py", "shape.py"]
    assert divided.train[-1].text == old
    assert divided.held_out_names == ("fresh.py", "shape.py")
    shape = divided.held_out[-1]
    assert shape.fresh is not None
    assert [shape.text[a:b] for a, b in shape.fresh] == [
        "    return height * width  # commutes\n", new,
    ]  # fmt: skip
    assert reasons(divided)["copied.py"] == reasons(divided)["elsewhere.py"] == "nothing new"
    with pytest.raises(BudgetAIError, match="begins after"):
        read(tmp_path, holdout="since:2024-01-01")
    with pytest.raises(BudgetAIError, match="since:REVISION"):
        read(tmp_path, holdout="v1.0")


def test_history_runs_nothing(tmp_path: Path) -> None:
    """A cloned repository may name programs for filters, differences, hooks and fetching."""
    write(tmp_path, {"a.py": code(1), ".gitattributes": "*.py filter=bad diff=bad\n"})
    first = commit(tmp_path)
    write(tmp_path, {"a.py": code(1) + code(2), "b.py": code(3)})
    commit(tmp_path, date="2025-03-01T00:00:00")
    ran = tmp_path.parent / "ran"
    bad = f"touch {ran}; cat"
    for name, value in {
        "filter.bad.clean": bad, "filter.bad.smudge": bad, "filter.bad.process": bad,
        "diff.bad.textconv": bad, "diff.bad.command": bad, "diff.external": bad,
        "core.fsmonitor": bad, "core.pager": bad, "core.sshCommand": bad,
        "remote.origin.url": f"ext::sh -c touch% {ran}", "protocol.ext.allow": "always",
        "remote.origin.promisor": "true", "remote.origin.partialclonefilter": "blob:none",
        "remote.origin.uploadpack": bad, "extensions.partialClone": "origin",
        "core.repositoryformatversion": "1",
    }.items():  # fmt: skip
        git(tmp_path, "config", name, value)
    blob = git(tmp_path, "rev-parse", f"{first}:a.py")
    lost = tmp_path / ".git/objects" / blob[:2] / blob[2:]
    lost.unlink()
    divided = read(tmp_path, holdout="since:HEAD")
    assert paths(divided.train) == ["a.py", "b.py"]
    with pytest.raises(BudgetAIError):
        read(tmp_path, holdout=f"since:{first}")
    assert not ran.exists()
