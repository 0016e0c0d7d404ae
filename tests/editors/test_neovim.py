"""The plugin in real Neovims, with the real server and model."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from editors import docstrings, scenarios
from editors.docstrings import GhostWriter
from editors.neovim import PLUGIN, VERSIONS, Neovim, lua_string
from editors.scenarios import SOURCE, Editor, opened
from editors.server import program
from editors.waiting import until

pytestmark = pytest.mark.editors

BASE = str(resolve(EMBEDDED).path)


@pytest.fixture(scope="module", params=VERSIONS)
def neovim(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Neovim]:
    folder = tmp_path_factory.mktemp("neovim")
    # What the model is sure of differs with what it is shown, and so with the machine's speed.
    command = [*program(folder), "--model", BASE, "--min-confidence", "0"]
    editor = Neovim(request.param, folder, command)
    yield editor
    editor.close()


@pytest.mark.parametrize("scenario", scenarios.ALL, ids=lambda one: one.__name__)
def test_scenarios(neovim: Neovim, scenario: Callable[[Editor], None]) -> None:
    scenario(neovim)
    assert "Error" not in neovim.messages()
    assert "stack traceback" not in neovim.messages()


@pytest.mark.parametrize("scenario", docstrings.ALL, ids=lambda one: one.__name__)
def test_docstrings(neovim: Neovim, scenario: Callable[[GhostWriter], None]) -> None:
    scenario(neovim)
    assert "Error" not in neovim.messages()


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_model(version: str, tmp_path: Path) -> None:
    editor = Neovim(version, tmp_path, program(tmp_path))
    try:
        scenarios.no_model(editor)
        assert editor.messages().count("no model for this workspace") == 1
    finally:
        editor.close()


def test_toggle_and_statusline(neovim: Neovim) -> None:
    opened(neovim, "toggle.py", SOURCE)
    neovim.type("r")
    neovim.ghost("eturn")
    neovim.keys("<Esc>:BudgetAI toggle<CR>")
    neovim.state("off")
    assert neovim.shows_nothing()
    neovim.keys(":BudgetAI toggle<CR>a")
    neovim.state("ready")
    neovim.type("e")
    neovim.ghost("turn")


def test_dismissed_until_more_is_typed(neovim: Neovim) -> None:
    opened(neovim, "dismiss.py", SOURCE)
    neovim.type("r")
    neovim.ghost("eturn")
    neovim.keys("<Plug>(budgetai-dismiss)")
    assert neovim.shows_nothing()
    assert neovim.text() == SOURCE + "r"
    neovim.type("e")
    neovim.ghost("turn")


def test_accepting_is_counted(neovim: Neovim) -> None:
    def counts() -> dict[str, int]:
        client = "vim.lsp.get_clients({ name = 'budgetai' })[1]"
        request = f"{client}:request_sync('budgetai/status', vim.empty_dict(), 20000)"
        return dict(neovim.value(f"return {request}.result.items"))

    opened(neovim, "counted.py", SOURCE)
    neovim.type("r")
    neovim.ghost("eturn")
    before = counts()
    neovim.press("accept")
    assert counts()["accepted"] == before["accepted"] + 1


def test_health(neovim: Neovim) -> None:
    opened(neovim, "health.py", SOURCE)
    neovim.keys("<Esc>:checkhealth budgetai<CR>")
    until(lambda: "budgetai" in neovim.text() and "serves" in neovim.text(), "report")
    report = neovim.text()
    neovim.keys(":bdelete<CR>")
    assert "budgetai-server 0" in report
    assert "BudgetAI serves" in report
    assert "grey text" in report


def test_help_and_commands(neovim: Neovim) -> None:
    neovim.value(f"vim.cmd('helptags {PLUGIN}/doc')")
    (PLUGIN / "doc/tags").unlink()
    assert "docstring" in neovim.value("return vim.fn.getcompletion('BudgetAI ', 'cmdline')")
    opened(neovim, "commands.py", SOURCE)
    neovim.keys("<Esc>:BudgetAI status<CR>")
    assert "BudgetAI serves" in neovim.messages()
    neovim.keys("<Esc>:BudgetAI dance<CR>")
    assert "BudgetAI knows no dance" in neovim.messages()
    neovim.keys(":messages clear<CR>")


def test_restart_serves_again(neovim: Neovim) -> None:
    opened(neovim, "restart.py", SOURCE)
    before = neovim.value("return vim.lsp.get_clients({ name = 'budgetai' })[1].id")
    neovim.keys("<Esc>:BudgetAI restart<CR>")
    number = "(vim.lsp.get_clients({ name = 'budgetai' })[1] or { id = 0 }).id"
    until(lambda: neovim.value(f"return {number}") > before, "new server")
    neovim.state("ready")
    neovim.keys("ar")
    neovim.ghost("eturn")


PIECES = {
    ("return a - b", "word"): "return",
    (" a - b", "word"): " a",
    (" - b", "word"): " -",
    ("\n    return a", "word"): "\n    return",
    ("größe = 1", "word"): "größe",
    ("a = 1\nb = 2", "line"): "a = 1",
    ("\nb = 2\nc", "line"): "\nb = 2",
    ("a\nb", "all"): "a\nb",
    ("", "word"): "",
}


def test_pieces(neovim: Neovim) -> None:
    for (text, kind), piece in PIECES.items():
        call = f"require('budgetai.pieces').take({lua_string(text)}, '{kind}')"
        assert neovim.value(f"return {call}") == piece


def test_back_off(neovim: Neovim) -> None:
    code = """
    local next, delays, crashes = require('budgetai.backoff').next, {}, {}
    for at = 1, 6 do
      local delay
      delay, crashes = next(crashes, at)
      delays[at] = delay or 'never'
    end
    delays[7] = next(crashes, 1000)
    return delays
    """
    assert neovim.value(code) == [1, 2, 4, 8, 16, "never", 1]
