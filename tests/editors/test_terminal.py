"""What the README prints, in a real terminal: grey text is read off the screen."""

from pathlib import Path

import pytest

from editors.neovim import PLUGIN, ROOT, installed
from editors.picture import draw
from editors.scenarios import SOURCE, WHOLE
from editors.server import printed, workspace_with_model
from editors.terminal import Terminal
from editors.waiting import until

pytestmark = pytest.mark.editors


def test_the_lines_of_the_readme(tmp_path: Path) -> None:
    workspace, env = workspace_with_model(tmp_path)
    init = tmp_path / "init.lua"
    init.write_text(printed(ROOT / "README.md", "lua")[0])
    file = workspace / "new.py"
    file.write_text(SOURCE + "\n")
    nvim, more = installed("0.12")
    env |= more | {f"XDG_{name}_HOME": str(tmp_path / name) for name in ("STATE", "DATA", "CACHE")}
    flags = ["--clean", "-n", "--cmd", "set termguicolors", "-u", str(init), str(file)]
    terminal = Terminal(workspace, [str(nvim), *flags], env)
    try:
        terminal.shows("def sub")
        terminal.keys("G", "A")
        until(lambda: terminal.suggested("r", "return a - b"), "grey text on the screen")
        assert file.read_text() == SOURCE + "\n"
        draw(terminal.screen(colours=True), "Neovim 0.12", PLUGIN / "screenshot.svg")
        terminal.keys("Tab")
        terminal.keys("Escape", ":w", "Enter")
        until(lambda: file.read_text() == WHOLE + "\n", "accepted line in the file")
    finally:
        terminal.close()
