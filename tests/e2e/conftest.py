"""Repositories to learn, and what is kept of a base from test to test."""

import shutil
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "server"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A copy of a small package as a repository without git: a few files."""
    return _copied(SOURCES / "budgetai_core" / "evaluation", tmp_path / "project")


@pytest.fixture
def large_repo(tmp_path: Path) -> Path:
    """The same of the whole server."""
    return _copied(SOURCES / "budgetai_server", tmp_path / "project")


@pytest.fixture
def unpacked_before(own_home: Path, shared_home: Path) -> None:
    """Bases are unpacked once for all tests: that of SmolLM2 takes half a minute."""
    (shared_home / "bases").mkdir(exist_ok=True)
    own_home.mkdir()
    (own_home / "bases").symlink_to(shared_home / "bases")


def _copied(sources: Path, root: Path) -> Path:
    return Path(shutil.copytree(sources, root, ignore=shutil.ignore_patterns("__pycache__")))
