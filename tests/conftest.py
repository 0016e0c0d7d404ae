"""For all tests: a home of their own, so that nothing the user has is found, and no network."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is not a fault of the code.
settings.register_profile("any-speed", deadline=None)
settings.load_profile("any-speed")

# Tests send these, which a suite under nohup or in the background of a script would ignore.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _name in ("SIGHUP", "SIGTERM"):
    signal.signal(getattr(signal, _name), signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """For what is made once for several tests, before any of them has its own home."""
    base = tmp_path_factory.getbasetemp()
    # Below that folder each process of pytest-xdist has one of its own.
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared-home"
    home.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BUDGETAI_HOME", str(home))
        environment.setenv("HF_HUB_OFFLINE", "1")
        yield home


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    home = tmp_path / "budgetai-home"
    monkeypatch.setenv("BUDGETAI_HOME", str(home))
    yield home


@pytest.fixture(scope="session")
def speeds(shared_home: Path) -> Path:
    """The file of what a server has measured of this machine, with speeds that none has measured:
    it takes five seconds, and is done at each start where other tests keep the machine busy."""
    from support.serving import keep_speeds

    keep_speeds()
    return shared_home / "speeds.json"


@pytest.fixture
def measured_before(own_home: Path, speeds: Path) -> None:
    own_home.mkdir()
    shutil.copy(speeds, own_home)
