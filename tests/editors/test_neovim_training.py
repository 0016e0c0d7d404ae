"""The main job without leaving Neovim, with the real base and a few steps."""

import subprocess
from pathlib import Path

import pytest

from editors.neovim import Neovim
from editors.scenarios import SOURCE, opened, suggests
from editors.server import program, script
from editors.waiting import until
from support import tiny

pytestmark = pytest.mark.editors


@pytest.mark.timeout(1200)
def test_a_repository_is_learned_converted_and_served(tmp_path: Path) -> None:
    command = program(tmp_path, "--min-confidence", "0")
    script(tmp_path, "train", "--max-steps", "3", "--evaluate", "none")
    editor = Neovim("0.12", tmp_path, command)
    try:
        tiny.make_repository(editor.workspace)
        for words in (["init", "-q"], ["add", "-A"]):
            subprocess.run(["git", *words], cwd=editor.workspace, check=True)
        opened(editor, "before.py", SOURCE)
        editor.state("no model")
        editor.keys("<Esc>:BudgetAI train --budget 3m<CR>")
        until(lambda: "new model" in editor.messages(), "new model", patience=1000)
        opened(editor, "after.py", SOURCE)
        editor.state("ready")
        editor.type("r")
        suggests(editor, "eturn a - b")
    finally:
        editor.close()


def test_the_log_is_shown(tmp_path: Path) -> None:
    editor = Neovim("0.12", tmp_path, program(tmp_path))
    try:
        opened(editor, "log.py", SOURCE)
        editor.keys("<Esc>:BudgetAI log<CR>")
        until(lambda: "lsp.log" in editor.value("return vim.api.nvim_buf_get_name(0)"), "log")
    finally:
        editor.close()
