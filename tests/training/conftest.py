"""A tiny base, made once; a repository to learn; runs in this process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import tiny
from support.learnable import write_modules


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that no test changes."""
    return tiny.make_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return write_modules(tmp_path / "shop")


@pytest.fixture
def trained(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Run the command in this process: what it prints with --json."""
    from budgetai_training.cli import main

    def run(*arguments: object) -> dict[str, Any]:
        capsys.readouterr()
        assert main([*map(str, arguments), "--json"]) == 0
        printed: dict[str, Any] = json.loads(capsys.readouterr().out)
        return printed

    return run
