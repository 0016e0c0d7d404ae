"""What the README prints, in a real terminal: grey text is read off the screen."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from editors import docstrings
from editors.neovim import PLUGIN, ROOT, installed
from editors.picture import draw
from editors.scenarios import SOURCE, WHOLE
from editors.server import printed, workspace_with_model
from editors.terminal import Terminal
from editors.waiting import until

pytestmark = pytest.mark.editors


@contextmanager
def neovim(folder: Path, text: str) -> Iterator[tuple[Terminal, Path]]:
    """Neovim 0.12 with the lines of the README, and the file that it has opened."""
    workspace, env = workspace_with_model(folder)
    init = folder / "init.lua"
    init.write_text(printed(ROOT / "README.md", "lua")[0])
    file = workspace / "new.py"
    file.write_text(text)
    nvim, more = installed("0.12")
    env |= more | {f"XDG_{name}_HOME": str(folder / name) for name in ("STATE", "DATA", "CACHE")}
    flags = ["--clean", "-n", "--cmd", "set termguicolors", "-u", str(init), str(file)]
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
