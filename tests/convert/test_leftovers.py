"""Temporary folders: cleared away at the end, after a kill, and never while somebody is at work."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from budgetai_convert.leftovers import temporary_folder

KILLED = """
import os, signal
from budgetai_convert.leftovers import temporary_folder
with temporary_folder() as folder:
    (folder / "weights").write_bytes(bytes(1000))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_what_a_killed_conversion_left_is_cleared_away(temporary: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = temporary.glob("budgetai-convert-*")
    assert (left / "files" / "weights").exists()
    with temporary_folder() as folder:
        assert not left.exists()
        assert [*folder.iterdir()] == []
    assert not [*temporary.glob("budgetai-*")]


def test_another_conversion_s_folder_stays(temporary: Path) -> None:
    with temporary_folder() as first:
        (first / "weights").touch()
        with temporary_folder() as second:
            assert first != second
            assert (first / "weights").exists()
        assert (first / "weights").exists()
    assert not [*temporary.glob("budgetai-*")]
