"""The next edit in real Neovims with the plugin."""

from collections.abc import Callable, Iterator

import pytest

from editors import next_edits
from editors.neovim import VERSIONS, NeovimNextEdits
from editors.next_edits import NextEditor
from editors.server import program

pytestmark = pytest.mark.editors


@pytest.fixture(scope="module", params=VERSIONS)
def neovim(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NeovimNextEdits]:
    folder = tmp_path_factory.mktemp("neovim")
    editor = NeovimNextEdits(request.param, folder, program(folder))
    yield editor
    editor.close()


@pytest.mark.parametrize("scenario", next_edits.ALL, ids=lambda scenario: scenario.__name__)
def test_next_edits(neovim: NeovimNextEdits, scenario: Callable[[NextEditor], None]) -> None:
    scenario(neovim)
    assert "Error" not in neovim.messages()
