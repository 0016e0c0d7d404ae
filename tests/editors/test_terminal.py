"""What the README prints, in a real terminal: grey text is read off the screen."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from editors import docstrings
from editors.neovim import PLUGIN, ROOT, VERSIONS, installed
from editors.picture import draw
from editors.scenarios import SOURCE, WHOLE
from editors.server import printed, workspace_with_model
from editors.terminal import Terminal
from editors.waiting import until

pytestmark = pytest.mark.editors


README = printed(ROOT / "README.md", "lua")[0]


@contextmanager
def neovim(
    folder: Path, text: str, init: str = README, version: str = "0.12"
) -> Iterator[tuple[Terminal, Path]]:
    """Neovim with lines in its `init.lua`, and the file that it has opened."""
    workspace, env = workspace_with_model(folder)
    (folder / "init.lua").write_text(init)
    file = workspace / "new.py"
    file.write_text(text)
    nvim, more = installed(version)
    homes = ("CONFIG", "STATE", "DATA", "CACHE")
    env |= more | {f"XDG_{name}_HOME": str(folder / name) for name in homes}
    flags = ["-n", "--cmd", "set termguicolors", "-u", str(folder / "init.lua"), str(file)]
    terminal = Terminal(workspace, [str(nvim), *flags], env)
    try:
        terminal.shows("def ")
        yield terminal, file
    finally:
        terminal.close()


def test_the_lines_of_the_readme(tmp_path: Path) -> None:
    with neovim(tmp_path, SOURCE + "\n") as (terminal, file):
        terminal.keys("G", "A")
        until(lambda: terminal.suggested("r", "return a - b"), "grey text on the screen")
        assert file.read_text() == SOURCE + "\n"
        draw(terminal.screen(colours=True), "Neovim 0.12", PLUGIN / "screenshot.svg")
        terminal.keys("Tab")
        terminal.keys("Escape", ":w", "Enter")
        until(lambda: file.read_text() == WHOLE + "\n", "accepted line in the file")


def test_docstrings_with_the_lines_of_the_readme(tmp_path: Path) -> None:
    with neovim(tmp_path, docstrings.STALE + "\n") as (terminal, file):
        # Room to say that the server is still starting: it does not while a longer message waits.
        terminal.type("G:set cmdheight=3\r")

        def listed() -> bool:
            terminal.keys("g", "r", "a")
            return terminal.soon(lambda screen: "1: Update docstring" in screen)

        until(listed, "list of what is offered")
        terminal.type("1\r")
        terminal.shows("height: The")
        terminal.keys("u", ":w", "Enter")
        terminal.shows("depth: The")
        terminal.type(":lua vim.lsp.buf.code_action({ apply = true })\r")
        terminal.shows("height: The")
        terminal.keys(":w", "Enter")
        named = ["width", "height"]
        until(lambda: docstrings.parameters(file.read_text()) == named, "docstring in the file")
        assert docstrings.without(file.read_text()) == docstrings.BARE + "\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_plugin_as_a_native_package(tmp_path: Path, version: str) -> None:
    """With the lines that its page prints: the whole, a word, a line, and the statusline."""
    package = tmp_path / "DATA/nvim/site/pack/budgetai/start/budgetai"
    package.parent.mkdir(parents=True)
    package.symlink_to(PLUGIN)
    (init,) = (one for one in printed(PLUGIN / "README.md", "lua") if "statusline" in one)
    line, column = SOURCE.count("\n") + 1, len("    r") + 1
    with neovim(tmp_path, SOURCE + "\n", init, version) as (terminal, file):
        terminal.shows("BudgetAI ready")
        terminal.keys("G", "A")
        until(lambda: terminal.suggested("r", "return a - b"), "grey text on the screen")
        terminal.shows(f" {line}:{column}")
        terminal.keys("M-Right")
        terminal.shows(f" {line}:{column + len('eturn')}")
        terminal.keys("Escape", ":w", "Enter")
        until(lambda: file.read_text() == SOURCE + "return\n", "accepted word in the file")
        terminal.keys("A")
        until(lambda: terminal.suggested(" ", "return a - b"), "grey text behind the word")
        terminal.keys("M-Down")
        terminal.shows(f" {line}:{column + len('eturn a - b')}")
        terminal.keys("Escape", ":w", "Enter")
        until(lambda: file.read_text() == WHOLE + "\n", "accepted line in the file")
