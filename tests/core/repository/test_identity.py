"""A repository is known again whatever its path, and another one is not taken for it."""

import os
from pathlib import Path

import pytest

from budgetai_core.artifacts import layout
from budgetai_core.artifacts.atomic_write import write_json
from budgetai_core.repository.identity import Identity, _same_for_all, identity
from support.clones import git, new_repository


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return new_repository(tmp_path / "first")


def with_model(root: Path, name: str = "20260101-000000-Q8_0.gguf") -> Path:
    model = layout.repository_folder(root) / "models" / name
    model.parent.mkdir(parents=True, exist_ok=True)
    model.write_bytes(b"GGUF")
    layout.remember(root)
    return model


def test_a_second_clone_a_worktree_and_a_copy_have_the_model(first: Path, tmp_path: Path) -> None:
    model = with_model(first)
    git(tmp_path, "clone", "-q", str(first), str(tmp_path / "second"))
    git(first, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "other")
    first.rename(tmp_path / "moved")
    # A worktree's way back is a path.
    git(tmp_path / "moved", "worktree", "repair", str(tmp_path / "tree"))
    for name in ("second", "tree", "moved", "second/pkg"):
        assert layout.newest_model(tmp_path / name) == model, name
    git(tmp_path / "second", "remote", "remove", "origin")
    assert layout.newest_model(tmp_path / "second") == model


def test_a_shallow_clone_is_known_by_where_it_comes_from(first: Path, tmp_path: Path) -> None:
    for name in ("second", "third"):
        arguments = ("--depth", "1", first.as_uri(), str(tmp_path / name))
        git(tmp_path, "clone", "-q", *arguments)
    known = identity(tmp_path / "second")
    assert known and not known.root_commit and known.remote
    model = with_model(tmp_path / "second")
    assert layout.newest_model(tmp_path / "third") == model


def test_another_repository_has_none(first: Path, tmp_path: Path) -> None:
    with_model(first)
    other = new_repository(tmp_path / "other", "y = 2\n")
    assert layout.newest_model(other) is None
    # Nor has one that took in its history.
    git(other, "fetch", "-q", str(first), "HEAD")
    git(other, "merge", "-q", "--allow-unrelated-histories", "-s", "ours", "FETCH_HEAD")
    assert layout.newest_model(other) is None
    plain = tmp_path / "plain"
    plain.mkdir()
    assert layout.newest_model(plain) is None


def test_what_was_made_here_goes_before_what_is_newer_elsewhere(
    first: Path, tmp_path: Path
) -> None:
    with_model(first, "20260301-000000-Q8_0.gguf")
    git(tmp_path, "clone", "-q", str(first), str(tmp_path / "second"))
    own = with_model(tmp_path / "second")
    assert layout.newest_model(tmp_path / "second") == own
    assert layout.newest_model(tmp_path / "second" / "pkg") == own


def test_a_model_of_a_part_is_for_that_part(first: Path, tmp_path: Path) -> None:
    part = with_model(first / "pkg")
    git(tmp_path, "clone", "-q", str(first), str(tmp_path / "second"))
    assert layout.newest_model(tmp_path / "second") is None
    assert layout.newest_model(tmp_path / "second" / "pkg") == part
    (tmp_path / "second" / "pkg2").mkdir()
    assert layout.newest_model(tmp_path / "second" / "pkg2") is None


def test_a_note_that_is_broken_hides_nothing(first: Path, tmp_path: Path) -> None:
    model = with_model(first)
    note = layout.repository_folder(first) / "repository.json"
    git(tmp_path, "clone", "-q", str(first), str(tmp_path / "second"))
    for text in ("{", "[]", '{"root_commit": 5}'):
        note.write_text(text)
        assert layout.newest_model(tmp_path / "second") is None
        assert layout.newest_model(first) == model
    # Two that nothing is known of are not the same.
    write_json(note, {})
    assert layout.newest_model(tmp_path / "second") is None


def test_a_repository_without_commits_is_known_by_its_address_alone(tmp_path: Path) -> None:
    root = tmp_path / "empty"
    root.mkdir()
    git(root, "init", "-q")
    assert identity(root) is None
    git(root, "remote", "add", "origin", "https://host.example/a/b")
    assert identity(root) == Identity(remote=identity(root).remote)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("https://Host.example/a/b.git", "host.example/a/b"),
        ("https://user:word@host.example:8443/a/b/", "host.example/a/b"),
        ("ssh://git@host.example:22/a/b.git", "host.example/a/b"),
        ("git@host.example:a/b.git", "host.example/a/b"),
        ("host.example:a/b", "host.example/a/b"),
        ("file:///srv/a/b.git", "/srv/a/b"),
        ("/srv/a/b/", "/srv/a/b"),
        ("../b", ""),
        ("", ""),
    ],
)
def test_addresses_of_one_place(address: str, same: str) -> None:
    assert _same_for_all(address) == same


def test_no_address_is_kept(first: Path) -> None:
    git(first, "remote", "add", "origin", "https://word@secret.example/a/b")
    with_model(first)
    text = (layout.repository_folder(first) / "repository.json").read_text()
    assert "secret" not in text and "word" not in text and os.fspath(first) not in text
