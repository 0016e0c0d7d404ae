"""For all tests: a home of their own, so that nothing the user has is found, and no network."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is not a fault of the code.
settings.register_profile("any-speed", deadline=None)
settings.load_profile("any-speed")


@pytest.fixture(scope="session", autouse=True)
def home_of_what_is_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For what is made once for several tests, before any of them has its own home."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BUDGETAI_HOME", str(tmp_path_factory.mktemp("shared-home")))
        environment.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    home = tmp_path / "budgetai-home"
    monkeypatch.setenv("BUDGETAI_HOME", str(home))
    yield home


@pytest.fixture
def measured_before(own_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What servers of tests before have measured of this machine: each would do it again."""
    kept = tmp_path_factory.getbasetemp() / "speeds.json"
    if kept.exists():
        own_home.mkdir()
        shutil.copy(kept, own_home)
    yield
    if (own_home / kept.name).exists():
        shutil.copy(own_home / kept.name, kept)
