"""What an ignore file names is left alone, however the file was saved and wherever it lies; one
that cannot be read names everything below it."""

import os
import subprocess
from pathlib import Path

import pytest

from budgetai_core.errors import RepositoryError
from budgetai_core.repository import listing, sources
from budgetai_core.repository.gitignore import IgnoreFiles

IGNORE, GITIGNORE = ".budgetaiignore", ".gitignore"
LINES = "*.tmp\r\nprivate/\r\n"
SAVED = {
    "as it is": LINES.replace("\r", "").encode(),
    "Windows": LINES.encode(),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + LINES.encode(),
    "UTF-16": LINES.encode("utf-16"),
    "UTF-16 the other way round": b"\xfe\xff" + LINES.encode("utf-16-be"),
    "UTF-32": LINES.encode("utf-32"),
    "mark alone, one line": b"\xef\xbb\xbfprivate/",
}


def write(root: Path) -> Path:
    for path in ("a.py", "private/b.py", "src/c.py", "src/private/d.py"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x = 1\n")
    return root


def kept(root: Path) -> list[str]:
    return [file.path for file in sources(root)[0]]


@pytest.mark.parametrize("how", SAVED)
@pytest.mark.parametrize("name", [IGNORE, GITIGNORE])
def test_the_encoding_of_an_ignore_file(tmp_path: Path, name: str, how: str) -> None:
    write(tmp_path)
    (tmp_path / name).write_bytes(SAVED[how])
    assert kept(tmp_path) == ["a.py", "src/c.py"]


@pytest.mark.parametrize("how", SAVED)
def test_new_files_that_git_would_not_leave_out(tmp_path: Path, how: str) -> None:
    write(tmp_path)
    (tmp_path / GITIGNORE).write_bytes(SAVED[how])
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    listed = sorted(listing(tmp_path, untracked=True))
    assert listed == [".gitignore", "a.py", "src/c.py"]


@pytest.mark.parametrize("name", [IGNORE, GITIGNORE])
def test_ignore_files_above_the_folder(tmp_path: Path, name: str) -> None:
    write(tmp_path)
    (tmp_path / name).write_text("private/\n/src/c.py\n")
    assert kept(tmp_path / "src") == []
    (tmp_path / "src" / name).write_text("!c.py\n")
    assert kept(tmp_path / "src") == ["c.py"]


def test_a_folder_that_is_named_above_is_private(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / IGNORE).write_text("private/\n")
    assert kept(tmp_path / "private") == []
    assert kept(tmp_path / "src" / "private") == []


def test_a_folder_that_git_ignores_above_is_a_project_of_its_own(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / GITIGNORE).write_text("*\n")
    assert kept(tmp_path / "src") == ["c.py", "private/d.py"]


def test_a_gitignore_counts_up_to_the_top_of_the_work_tree(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / GITIGNORE).write_text("c.py\n")
    (tmp_path / "src" / ".git").mkdir()
    (tmp_path / "src" / "lib").mkdir()
    below = IgnoreFiles.from_work_tree(tmp_path / "src" / "lib", GITIGNORE)
    assert not below.covers("c.py")
    (tmp_path / "src" / GITIGNORE).write_text("c.py\n")
    assert IgnoreFiles.from_work_tree(tmp_path / "src" / "lib", GITIGNORE).covers("c.py")


UNREADABLE = {
    "UTF-16 without a mark": "private/\n".encode("utf-16-le"),
    "half of UTF-16": b"\xff\xfep\0r",
    "huge": b"#" * 1_000_001,
}


@pytest.mark.parametrize("how", [*UNREADABLE, "link", "pipe"])
def test_an_ignore_file_that_cannot_be_read(tmp_path: Path, how: str) -> None:
    write(tmp_path)
    for file in (tmp_path / "src" / IGNORE, tmp_path / "src" / GITIGNORE):
        if how == "link":
            file.symlink_to(tmp_path / "nowhere")
        elif how == "pipe":
            os.mkfifo(file)
        else:
            file.write_bytes(UNREADABLE[how])
    with pytest.raises(RepositoryError, match=r"src/\.gitignore cannot be read: .*\. Save it as"):
        sources(tmp_path)
    (tmp_path / "src" / GITIGNORE).unlink()
    files, decisions = sources(tmp_path)
    assert [file.path for file in files] == ["a.py", "private/b.py"]
    reasons = {d.reason for d in decisions if d.path.startswith("src/") and d.path.endswith(".py")}
    assert reasons == {".budgetaiignore cannot be read"}
