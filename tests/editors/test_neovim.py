"""The plugin in real Neovims, with the real server and model."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from budgetai_server.artefacts.bases import EMBEDDED, resolve
from editors import scenarios
from editors.neovim import Neovim
from editors.scenarios import SOURCE, Editor, opened
from editors.server import program

pytestmark = pytest.mark.editors

BASE = str(resolve(EMBEDDED).path)
VERSIONS = ("0.12", "0.11")


@pytest.fixture(scope="module", params=VERSIONS)
def neovim(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Neovim]:
    folder = tmp_path_factory.mktemp("neovim")
    editor = Neovim(request.param, folder, [*program(folder), "--model", BASE])
    yield editor
    editor.close()


@pytest.mark.parametrize("scenario", scenarios.ALL, ids=lambda one: one.__name__)
def test_scenarios(neovim: Neovim, scenario: Callable[[Editor], None]) -> None:
    scenario(neovim)
    assert "Error" not in neovim.messages()
    assert "stack traceback" not in neovim.messages()
