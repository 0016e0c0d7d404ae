"""A real Vim in a terminal, with a plugin that speaks the protocol."""

import os
from pathlib import Path

import pytest

from editors.terminal import Terminal
from editors.waiting import kill_server, until

# Where a checkout of each plugin lies; nothing is fetched here.
PLUGINS = {
    "vim-lsp": "BUDGETAI_VIM_LSP",
    "yegappan/lsp": "BUDGETAI_YEGAPPAN_LSP",
    "ALE": "BUDGETAI_ALE",
}
# Files as they are given, and keys that do what they say whether or not the popup is open.
_HERE = r"""
set noswapfile nofixendofline viminfo= shortmess+=I laststatus=2
set statusline=%t\ %{&modified?'changed':'unchanged'}
inoremap <expr> <F5> !pumvisible() ? '' :
    \ complete_info(['selected']).selected < 0 ? "\<C-n>\<C-y>" : "\<C-y>"
inoremap <expr> <F6> pumvisible() ? "\<C-e>" : ''
"""


def plugin_folder(plugin: str) -> Path:
    """Where a plugin lies. Skips the test where nobody says so."""
    variable = PLUGINS[plugin]
    folder = Path(os.environ.get(variable, ""))
    if not any((folder / f"plugin/{name}.vim").is_file() for name in ("lsp", "ale")):
        pytest.skip(f"{variable} names no checkout of {plugin}")
    return folder


class Vim:
    """One Vim in a workspace, with a plugin as a package and what a page prints for it."""

    name = ""

    def __init__(
        self, folder: Path, workspace: Path, env: dict[str, str], plugin: Path, vimrc: str
    ) -> None:
        self.workspace = workspace
        package = folder / "home/.vim/pack/plugins/start" / plugin.name
        package.parent.mkdir(parents=True)
        package.symlink_to(plugin.resolve())
        (folder / "home/.vimrc").write_text(vimrc + _HERE)
        # What the workspace is must come from the file, not from where Vim was started.
        env = env | {"HOME": str(folder / "home")}
        self.terminal = Terminal(folder / "home", ["vim"], env)
        self.terminal.shows("~")

    def _command(self, words: str) -> None:
        self.terminal.keys("Escape")
        self.terminal.type(f":{words}\r")

    def open(self, path: Path) -> None:
        self._path = path
        self._command(f"edit! {path}")
        self.terminal.shows(f"{path.name} unchanged")
        self.terminal.type("G$a")
        self.terminal.shows("-- INSERT --")

    def type(self, text: str) -> None:
        self.terminal.type(text)

    def take(self, words: str) -> None:
        before = self.terminal.screen().count(words)

        def listed() -> bool:
            self.terminal.keys("C-x", "C-o")
            if self.terminal.soon(lambda screen: screen.count(words) > before):
                return True
            self.terminal.keys("F6")
            return False

        until(listed, f"'{words}' in the popup")
        self.terminal.keys("F5")

    def press(self, action: str) -> None:
        if action == "delete":
            self.terminal.keys("BSpace")
        else:
            self._command("write!")
            self.terminal.shows(f"{self._path.name} unchanged")

    def kill_server(self) -> None:
        kill_server(self.terminal.pid())

    def close(self) -> None:
        self.terminal.close()
