"""sidekick.nvim, unmodified, in a real Neovim with the server, set up as the page says.

Neovim 0.11 does not tell a plugin which request an answer is for, and this one drops all of them.
BUDGETAI_PLUGINS names a folder with a checkout of it; nothing is fetched here.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from editors import next_edits
from editors.neovim import ROOT, NeovimNextEdits, lua_string
from editors.next_edits import NextEditor
from editors.server import printed, program
from editors.waiting import until

pytestmark = pytest.mark.editors

(PRINTED,) = (block for block in printed(ROOT / "docs/next-edits.md", "lua") if "sidekick" in block)
INIT = """
vim.opt.runtimepath:prepend({plugin})
vim.o.fixendofline = false
vim.o.swapfile = false
{printed}
"""
PROPOSED = """
local words = {}
for _, edit in ipairs(require('sidekick.nes').get(vim.api.nvim_get_current_buf())) do
  words[#words + 1] = edit.text == '' and 'delete' or edit.text
end
return table.concat(words, '\\n')
"""


class Sidekick(NeovimNextEdits):
    """A Neovim with the plugin. Its edits go away by a key that it watches itself."""

    next_edit_keys = ":lua require('sidekick').nes_jump_or_apply()<CR>"
    dismissing_keys = "<Esc>"

    def open(self, path: Path) -> None:
        self.keys(f"<Esc>:edit {path}<CR>")
        until(lambda: self.value("return vim.api.nvim_buf_get_name(0)") == str(path), str(path))
        client = "return #vim.lsp.get_clients({ bufnr = 0, name = 'copilot' })"
        until(lambda: self.value(client) == 1, "server")
        initialized = "return vim.lsp.get_clients({ bufnr = 0 })[1].initialized"
        until(lambda: self.value(initialized), "server that has started")

    def proposed(self) -> str:
        return str(self.value(PROPOSED))


@pytest.fixture(scope="module")
def sidekick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidekick]:
    plugin = Path(os.environ.get("BUDGETAI_PLUGINS", "")) / "sidekick.nvim"
    if not (plugin / "lua").is_dir():
        pytest.skip("BUDGETAI_PLUGINS names no folder with a checkout of sidekick.nvim")
    folder = tmp_path_factory.mktemp("sidekick")
    (command,) = program(folder)
    page = PRINTED.replace("/path/to/budgetai-server", command)
    init = INIT.format(plugin=lua_string(str(plugin)), printed=page)
    editor = Sidekick("0.12", folder, [command], init)
    yield editor
    editor.close()


@pytest.mark.parametrize("scenario", next_edits.HERE, ids=lambda scenario: scenario.__name__)
def test_next_edits(sidekick: Sidekick, scenario: Callable[[NextEditor], None]) -> None:
    scenario(sidekick)
    messages = sidekick.messages()
    assert "Error" not in messages
    assert "unknown" not in messages
