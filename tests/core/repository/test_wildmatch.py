"""Ignore patterns mean what they mean to git: compared with git itself."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budgetai_core.repository.wildmatch import Pattern, Patterns

NAMES = ["a", "b", "ab", "a-b", "a1", "B", "a b", "ü", "[", "a]", "!a", "#a", "a\\", "^", "a:", "-"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose folders hold files of the same names, up to three levels deep."""
    root = tmp_path_factory.mktemp("tree")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    folders = ("", "d/", "a.d/", "d/a/", "a.d/b c/", "d/a/b.d/")
    for folder in folders:
        (root / folder).mkdir(exist_ok=True)
    for folder in folders:
        for name in NAMES:
            if not (root / folder / name).exists():
                (root / folder / name).write_text("")
    return root


def files(root: Path) -> list[str]:
    paths = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if not path.parts[0].startswith(".git"))


def ignored_by_git(root: Path, lines: list[str]) -> set[str]:
    (root / ".gitignore").write_bytes("".join(f"{line}\n" for line in lines).encode())
    asked = "\0".join(files(root)).encode()
    done = subprocess.run(
        ["git", "-C", str(root), "check-ignore", "--no-index", "-z", "--stdin"],
        input=asked,
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}


# Pieces that mean something, side by side as nobody would write them.
PIECES = st.sampled_from(
    [*"""a b d 1 ü * ** **/ /** / ? [ ] [! [^ - ! # \\ \\/ [a-b] [!a] []a] [a\\]b] [[:digit:]]
    [![:alpha:]] [[:no:]] [: :] a*b .d b\\c a/ [b-a] ^ :""".split(), " ", "b c"]  # noqa: SIM905
)  # fmt: skip
LINES = st.lists(PIECES, min_size=1, max_size=7).map("".join)


@settings(
    max_examples=int(os.environ.get("WILDMATCH_EXAMPLES", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(lines=st.lists(LINES, min_size=1, max_size=3))
def test_what_git_ignores_is_ignored(tree: Path, lines: list[str]) -> None:
    patterns = Patterns(lines)
    ours = {path for path in files(tree) if patterns.covers(path)}
    assert ours == ignored_by_git(tree, lines), lines


@pytest.mark.parametrize(
    ("line", "path", "matches"),
    [
        ("a[!x]b", "a/b", False),
        ("x/a[!x]b", "x/a/b", False),
        ("log[[:digit:]].py", "log7.py", True),
        ("log[[:digit:]].py", "logd.py", False),
        ("log[[:digits:]].py", "log7.py", False),
        ("a?.py", "aü.py", False),
        ("a??.py", "aü.py", True),
        ("a\\ ", "a ", True),
        ("a  ", "a", True),
        ("foo**/bar", "foo/x/bar", True),
        ("foo/**/bar", "foo/bar", True),
        ("build/", "build", False),
        ("build/", "src/build/", True),
    ],
)
def test_one_pattern(line: str, path: str, matches: bool) -> None:
    pattern = Pattern.of(line)
    assert (pattern is not None and pattern.matches(path)) is matches


@pytest.mark.parametrize("line", ["", "#a", "/", "!", "[a", "a\\", "[[:no:]]", "   "])
def test_lines_that_name_nothing(line: str) -> None:
    assert Pattern.of(line) is None


def test_a_folder_around_a_path_counts() -> None:
    patterns = Patterns(["private/", "!private/a.py", "!kept/"])
    assert patterns.covers("private/a.py") is True
    assert patterns.covers("x/private/b/c.py") is True
    assert patterns.covers("kept/a.py") is False
    assert patterns.covers("a.py") is None


@pytest.mark.parametrize("line", ["*a" * 12 + "b", "**/a*" * 8 + "b", "a/**/" * 12 + "b"])
def test_every_pattern_is_matched_in_the_end(line: str) -> None:
    """One that is tried again from each star would take years."""
    patterns = Patterns([line])
    assert patterns.covers("/".join(["a" * 200] * 12)) is None
    assert patterns.covers("a/" * 600 + "c") is None
