"""What the page prints, in a real Vim: the popup of two plugins."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from editors import listed
from editors.neovim import ROOT
from editors.scenarios import SOURCE, WHOLE, opened, saved
from editors.server import printed, program, workspace_with_model
from editors.vim import PLUGINS, Vim, plugin_folder
from editors.waiting import content, until

pytestmark = pytest.mark.editors

PAGE = dict(zip(PLUGINS, printed(ROOT / "editor-clients/vim.md", "vim"), strict=True))
# It puts in one line, and what was typed before belongs to the same undo.
WHAT_IT_CAN = (
    listed.first_item,
    listed.while_typing,
    listed.two_files,
    listed.behind_emoji,
    # The last one: only vim-lsp starts a server again.
    listed.after_a_crash,
)
CALL = "result = combine(\n    first,\n    second,\n)\n"


@pytest.fixture(scope="module", params=PLUGINS)
def vim(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vim]:
    plugin = plugin_folder(request.param)
    folder = tmp_path_factory.mktemp("vim")
    workspace, env = workspace_with_model(folder)
    program(folder, "--min-confidence", "0", "--latency-ms", "10000")
    editor = Vim(folder, workspace, env, plugin, PAGE[request.param])
    editor.name = request.param
    opened(editor, "opened.py", SOURCE)
    # The server measures its model last, before it answers. Beside other work it keeps nothing of
    # that.
    with suppress(AssertionError):
        until(lambda: content(folder / "budgetai-home/speeds.json"), "server that is ready", 20)
    yield editor
    editor.close()


def test_of_several_lines_the_first_is_put_in(vim: Vim) -> None:
    """A line break would stand in the file as a NUL byte."""
    if vim.name == "ALE":
        pytest.skip("it puts in what stands before the first bracket")
    path = opened(vim, "call.py", f"{CALL}\n\n{CALL}\n\nresult = combin")
    vim.type("e")
    vim.take("combine(")
    saved(vim, path, f"{CALL}\n\n{CALL}\n\nresult = combine(")


def test_crlf(vim: Vim) -> None:
    path = opened(vim, "crlf.py", SOURCE.replace("\n", "\r\n"))
    vim.type("r")
    vim.take("return a - b")
    saved(vim, path, WHOLE.replace("\n", "\r\n"))


@pytest.mark.parametrize("scenario", WHAT_IT_CAN, ids=lambda one: one.__name__)
def test_scenarios(vim: Vim, scenario: Callable[[Any], None]) -> None:
    if scenario is listed.after_a_crash and vim.name != "vim-lsp":
        pytest.skip("the plugin does not start a server again")
    scenario(vim)
