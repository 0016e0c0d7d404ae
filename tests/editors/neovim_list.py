"""A real Neovim with its own list of completions, as the plugin's page prints it."""

from pathlib import Path

from editors.neovim import INIT, PLUGIN, Neovim, lua_string
from editors.server import printed
from editors.waiting import until

LISTED = "return vim.tbl_map(function(item) return item.abbr end, vim.fn.complete_info().items)"


class ListNeovim(Neovim):
    """One Neovim with a workspace that is asked for its list, by the keys for it."""

    def __init__(self, version: str, folder: Path, command: list[str]) -> None:
        (block,) = (
            one for one in printed(PLUGIN / "README.md", "lua") if "completion.enable" in one
        )
        plugin = INIT.format(plugin=lua_string(PLUGIN), command=lua_string(command))
        super().__init__(version, folder, command, plugin + block)

    def take(self, words: str) -> None:
        def listed() -> bool:
            self.keys("<C-x><C-o>")
            try:
                until(lambda: any(words in one for one in self.listed()), "item", 6.0)
            except AssertionError:
                # The model may still be loading. Where no list is open, the key takes back what was
                # typed.
                if self.listed():
                    self.keys("<C-e>")
                return False
            return True

        until(listed, f"'{words}' in the list")
        before = self.text()
        self.keys("<C-n><C-y>")
        until(lambda: self.text() != before and not self.listed(), "chosen item")

    def listed(self) -> list[str]:
        return list(self.value(LISTED))
