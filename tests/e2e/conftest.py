"""Repositories to learn."""

import shutil
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "server" / "budgetai_server"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A copy of the server's inference package as a repository without git: twenty files."""
    return _copied(SOURCES / "inference", tmp_path / "project")


@pytest.fixture
def large_repo(tmp_path: Path) -> Path:
    """The same of the whole server."""
    return _copied(SOURCES, tmp_path / "project")


def _copied(sources: Path, root: Path) -> Path:
    return Path(shutil.copytree(sources, root, ignore=shutil.ignore_patterns("__pycache__")))
