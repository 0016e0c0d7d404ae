"""A repository to learn."""

from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "server" / "budgetai_server"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A copy of the server's own sources as a repository without git."""
    root = tmp_path / "project"
    for file in SOURCES.rglob("*.py"):
        target = root / file.relative_to(SOURCES)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    return root
