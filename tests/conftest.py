"""For all tests: a home of their own, so that nothing the user has is found, and no network."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    home = tmp_path / "budgetai-home"
    monkeypatch.setenv("BUDGETAI_HOME", str(home))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield home
