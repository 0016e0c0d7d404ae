"""Which files are learned, which are held out, and why the others are left out."""

import os
import subprocess
from pathlib import Path

import pytest

from budgetai_server.errors import RepositoryError
from budgetai_server.repository import sources
from budgetai_training.corpus import read as corpus


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


def decisions(root: Path) -> dict[str, str]:
    return {d.path: d.reason for d in sources(root)[1]}


def test_every_file_gets_a_reason(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "good.py": "x = 1\n",
            "readme.md": "# hello\n",
            "picture.py": b"\x89PNG\0\0",
            "latin.py": "é = 1\n".encode("latin-1"),
            "big.py": "x = 1\n" * 100_000,
            "min.js": "var a=1;" * 500,
            "empty.py": "\n\n",
        },
    )
    outside = tmp_path.parent / "outside.py"
    outside.write_text("secret = 1\n")
    (tmp_path / "link.py").symlink_to(outside)
    os.mkfifo(tmp_path / "pipe.py")
    assert decisions(tmp_path) == {
        "good.py": "",
        "readme.md": "not code",
        "picture.py": "binary",
        "latin.py": "not UTF-8",
        "big.py": "too large",
        "min.js": "minified",
        "empty.py": "empty",
        "link.py": "symlink",
        "pipe.py": "not a regular file",
    }


def test_a_folder_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"secret.py": "x = 1\n"})
    root = write(tmp_path / "repo", {"a.py": "x = 1\n"})
    (root / "lib").symlink_to(outside)
    assert [f.path for f in sources(root)[0]] == ["a.py"]
    git(root, "init", "-q")
    git(root, "add", "-A")
    assert [f.path for f in sources(root)[0]] == ["a.py"]


def test_git_says_what_is_tracked(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "x = 1\n", "b.py": "y = 2\n"})
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "a.py")
    assert decisions(tmp_path) == {"a.py": ""}


def test_a_cloned_repository_cannot_make_git_run_a_program(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "x = 1\n"})
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "config", "core.fsmonitor", f"touch {tmp_path / 'ran'}; false")
    assert decisions(tmp_path) == {"a.py": ""}
    assert not (tmp_path / "ran").exists()


def test_ignore_rules_without_git(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            ".gitignore": "build/\n*.gen.py\n!keep.gen.py\n",
            "a.py": "x = 1\n",
            "b.gen.py": "x = 1\n",
            "build/c.py": "x = 1\n",
            "lib/.gitignore": "/d.py\n",
            "lib/d.py": "x = 1\n",
            "lib/e.py": "x = 1\n",
            ".venv/f.py": "x = 1\n",
        },
    )
    assert [f.path for f in sources(tmp_path)[0]] == ["a.py", "lib/e.py"]


def test_carriage_returns_are_normalised(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": b"\xef\xbb\xbfx = 1\r\ny = 2\r\n"})
    assert sources(tmp_path)[0][0].text == "x = 1\ny = 2\n"


def test_the_split_is_by_text_and_by_seed(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"m{n}.py": f"value = {n}\n" * 20 for n in range(40)}
    files |= {f"copy{n}.py": f"value = {n}\n" * 20 for n in range(40)}
    write(tmp_path, files)
    first, again, other = (corpus.read(tmp_path, seed) for seed in (0, 0, 1))
    assert first == again
    assert first.held_out != other.held_out
    assert len(first.train) + len(first.held_out) == 80
    assert 4 <= len(first.held_out) <= 16
    assert not {f.text for f in first.train} & {f.text for f in first.held_out}


def test_one_file_cannot_be_split(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "x = 1\n", "b.py": "x = 1\n"})
    found = corpus.read(tmp_path, 0)
    assert (len(found.train), len(found.held_out)) == (2, 0)


def test_a_large_file_is_not_held_out(tmp_path: Path) -> None:
    write(tmp_path, {"big.py": "x = 1\n" * 9000, "a.py": "y = 1\n" * 500, "b.py": "z\n" * 900})
    for seed in range(6):
        held = corpus.read(tmp_path, seed).held_out
        assert held
        assert "big.py" not in {f.path for f in held}


def test_a_folder_that_an_outer_repository_ignores(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    write(tmp_path, {".gitignore": "inner/\n", "inner/a.py": "x = 1\n"})
    assert decisions(tmp_path / "inner") == {"a.py": ""}


def test_odd_ignore_patterns_and_names(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "!\na\\\n[z-a]\nb.py\n", "a.py": "x = 1\n", "b.py": "y\n"})
    name = os.fsdecode(b"caf\xe9.py")
    (tmp_path / name).write_text("x = 2\n")
    assert decisions(tmp_path) == {".gitignore": "not code", "a.py": "", name: "unprintable name"}


@pytest.mark.parametrize(
    ("files", "words"),
    [({}, "is empty"), ({"a.md": "hi\n"}, "has no code files among 1")],
)
def test_nothing_to_learn(tmp_path: Path, files: dict[str, str | bytes], words: str) -> None:
    write(tmp_path, files)
    with pytest.raises(RepositoryError, match=words):
        corpus.read(tmp_path, 0)
