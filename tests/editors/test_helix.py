"""What the page prints, in a real Helix."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from editors import docstrings, listed
from editors.docstrings import Writer
from editors.helix import Helix
from editors.listed import ListEditor
from editors.neovim import EDITORS, ROOT
from editors.server import printed, there, workspace_with_model, workspace_without_model

pytestmark = pytest.mark.editors

PAGE = ROOT / "editor-clients/helix.md"


@pytest.fixture(scope="module")
def helix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Helix]:
    there(EDITORS, "helix")
    folder = tmp_path_factory.mktemp("helix")
    workspace, env = workspace_with_model(folder)
    editor = Helix(folder, workspace, env, printed(PAGE, "toml")[0])
    yield editor
    editor.close()


@pytest.mark.parametrize("scenario", listed.ALL, ids=lambda one: one.__name__)
def test_scenarios(helix: Helix, scenario: Callable[[ListEditor], None]) -> None:
    scenario(helix)


def test_without_a_model(tmp_path: Path) -> None:
    there(EDITORS, "helix")
    editor = Helix(tmp_path, *workspace_without_model(tmp_path), printed(PAGE, "toml")[0])
    try:
        listed.no_model(editor)
    finally:
        editor.close()


@pytest.mark.parametrize("scenario", docstrings.CHOSEN, ids=lambda one: one.__name__)
def test_docstrings(helix: Helix, scenario: Callable[[Writer], None]) -> None:
    scenario(helix)
