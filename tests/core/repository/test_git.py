"""A repository that git does not read is said in git's words, with the command that mends it."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from budgetai_core.errors import RepositoryError
from budgetai_core.repository import git, listing
from budgetai_core.repository.history import CommitTree, resolve

WHO = ("-c", "user.name=a", "-c", "user.email=a@example.com")


def run(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *WHO, "-C", str(root), *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits, the first one tagged v1."""
    root = tmp_path / "it's a repo"
    root.mkdir()
    run(root, "init", "-q")
    for number in (1, 2):
        (root / "a.py").write_text(f"x = {number}\n")
        run(root, "add", "-A")
        run(root, "commit", "-q", "-m", str(number))
        if number == 1:
            run(root, "tag", "v1")
    return root


def pasted(error: RepositoryError) -> list[str]:
    """The command at the end of a message, as a shell reads it."""
    return shlex.split(str(error)[str(error).rindex(": git ") + 2 :])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="gives a folder away")
def test_a_repository_of_another_owner(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["chown", "-R", "12345:12345", str(repository)], check=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for ask in (lambda: list(listing(repository)), lambda: resolve(repository, "v1")):
        with pytest.raises(RepositoryError, match=r"dubious ownership.*another owner") as caught:
            ask()
    command = pasted(caught.value)
    assert command[:-1] == ["git", "config", "--global", "--add", "safe.directory"]
    subprocess.run(command, check=True)
    assert list(listing(repository)) == ["a.py"]


def test_a_repository_that_is_broken_is_not_none(repository: Path) -> None:
    (repository / "scratch.py").write_text("x = 1\n")
    (repository / ".git" / "config").write_text("[core\n")
    with pytest.raises(RepositoryError, match="bad config line 1"):
        listing(repository)
    (repository / ".git" / "config").unlink()
    (repository / ".git" / "index").write_bytes(b"DIRC")
    with pytest.raises(RepositoryError, match="git does not read"):
        listing(repository)


@pytest.mark.parametrize("leads", ["gitdir: /nowhere/at/all\n", ""])
def test_a_git_file_that_leads_nowhere(tmp_path: Path, leads: str) -> None:
    (tmp_path / ".git").write_text(leads)
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(RepositoryError, match="git does not read"):
        listing(tmp_path)


def test_a_folder_without_git(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    assert not git.has_repository(tmp_path)
    assert list(listing(tmp_path)) == ["a.py"]


def test_a_repository_without_commits(tmp_path: Path) -> None:
    run(tmp_path, "init", "-q")
    with pytest.raises(RepositoryError, match=r"has no commits yet.*git -C"):
        resolve(tmp_path, "v1")


def test_a_shallow_history(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "a clone"
    run(tmp_path, "clone", "-q", "--depth", "1", repository.as_uri(), str(clone))
    for revision in ("v1", "2001-01-01", "20 years ago"):
        with pytest.raises(RepositoryError, match=f"is shallow.*'{revision}'") as caught:
            resolve(clone, revision)
    subprocess.run(pasted(caught.value), check=True, capture_output=True)
    assert len(resolve(clone, "v1")) == 40


def test_a_partial_clone(repository: Path, tmp_path: Path) -> None:
    run(repository, "config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "a clone"
    run(tmp_path, "clone", "-q", "--filter=blob:none", repository.as_uri(), str(clone))
    with pytest.raises(RepositoryError, match="is a partial clone") as caught:
        CommitTree(clone, resolve(clone, "v1"))
    subprocess.run(pasted(caught.value), check=True, capture_output=True)
    assert [file.text for file in CommitTree(clone, resolve(clone, "v1")).examined()] == ["x = 1\n"]
