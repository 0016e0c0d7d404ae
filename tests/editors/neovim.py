"""A real Neovim without a screen, driven over its own socket."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from editors.waiting import kill_server, until

ROOT = Path(__file__).parents[2]
EDITORS = ROOT / ".editors"
PLUGIN = ROOT / "editor-clients/neovim"
VERSIONS = ("0.12", "0.11")

INIT = """
vim.opt.runtimepath:prepend({plugin})
vim.cmd('runtime plugin/budgetai.lua')
vim.o.fixendofline = false
vim.o.swapfile = false
local budgetai = require('budgetai')
budgetai.setup({{ cmd = {command} }})
"""

# The grey text as it stands on the screen, and what stands left of it.
GHOST = """
local words, behind = {}, ''
for name, space in pairs(vim.api.nvim_get_namespaces()) do
  if name:find('inline_completion') then
    local marks = vim.api.nvim_buf_get_extmarks(0, space, 0, -1, { details = true })
    for _, mark in ipairs(marks) do
      local row, col = mark[2], mark[3]
      behind = vim.api.nvim_buf_get_lines(0, row, row + 1, false)[1]:sub(1, col)
      local lines = { mark[4].virt_text or {} }
      vim.list_extend(lines, mark[4].virt_lines or {})
      for at, line in ipairs(lines) do
        words[#words + 1] = at > 1 and '\\n' or ''
        for _, chunk in ipairs(line) do words[#words + 1] = chunk[1] end
      end
    end
  end
end
return { table.concat(words), behind }
"""

# What the next edit would write, or where it is.
NEXT_EDIT = """
local space = vim.api.nvim_get_namespaces()['budgetai.next_edit']
local marks = vim.api.nvim_buf_get_extmarks(0, space, 0, -1, { details = true })
local words = {}
for _, mark in ipairs(marks) do
  for _, line in ipairs(mark[4].virt_lines or { mark[4].virt_text }) do
    for _, chunk in ipairs(line) do words[#words + 1] = chunk[1] end
  end
end
return #words > 0 and table.concat(words, '\\n') or #marks > 0 and 'delete' or ''
"""

KEYS = {
    "accept": "accept",
    "word": "accept-word",
    "line": "accept-line",
}


def lua_string(value: object) -> str:
    """JSON strings and arrays of them, as Lua."""
    if isinstance(value, list):
        return "{ " + ", ".join(map(lua_string, value)) + " }"
    return json.dumps(str(value), ensure_ascii=False)


def installed(version: str) -> tuple[Path, dict[str, str]]:
    """The program of a version, and what it needs in its environment."""
    folder = EDITORS / f"neovim-{version}"
    for name in ("usr", "."):
        program = folder / name / "bin/nvim"
        if program.exists():
            return program, {"VIMRUNTIME": str(folder / name / "share/nvim/runtime")}
    raise FileNotFoundError(f"{folder} holds no Neovim; run make test-editors")


class Neovim:
    """One Neovim with a workspace and an `init.lua`."""

    def __init__(
        self, version: str, folder: Path, command: list[str], init: str | None = None
    ) -> None:
        self.workspace = folder / "workspace"
        (self.workspace / ".git").mkdir(parents=True)
        text = init or INIT.format(plugin=lua_string(PLUGIN), command=lua_string(command))
        (folder / "init.lua").write_text(text, encoding="utf-8")
        self._program, more = installed(version)
        self._socket = folder / "socket"
        self._env = {**os.environ, **more}
        for name in ("CONFIG", "STATE", "CACHE", "DATA"):
            self._env[f"XDG_{name}_HOME"] = str(folder / name.lower())
        flags = ["--clean", "--headless", "-n", "-u", str(folder / "init.lua")]
        flags += ["--listen", str(self._socket)]
        self._log = (folder / "nvim.log").open("wb")
        self._process = subprocess.Popen(
            [self._program, *flags], env=self._env, cwd=self.workspace, stderr=self._log
        )
        until(self._socket.exists, "socket of Neovim")

    def lua(self, code: str) -> Any:
        """Run Lua in the editor and return what it returns."""
        inside = f"vim.json.encode({{ (function() {code} end)() }})".replace("'", "''")
        return json.loads(self._remote("--remote-expr", f"luaeval('{inside}')") or "[]")

    def value(self, code: str) -> Any:
        found = self.lua(code)
        return found[0] if found else None

    def keys(self, keys: str) -> None:
        self._remote("--remote-send", keys)

    def _remote(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._program, "--clean", "--server", self._socket, *arguments],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def open(self, path: Path) -> None:
        self.keys(f"<Esc>:edit {path}<CR>")
        until(lambda: self.value("return vim.api.nvim_buf_get_name(0)") == str(path), str(path))
        until(lambda: self.statusline() not in ("", "BudgetAI starting"), "state")
        self.keys("G$a")

    def type(self, text: str) -> None:
        self.keys(text.replace("<", "<lt>"))

    def press(self, action: str) -> None:
        if action in KEYS:
            before = self.text()
            self.keys(f"<Plug>(budgetai-{KEYS[action]})")
            until(lambda: self.text() != before, f"change by {action}")
        elif action == "save":
            self.keys("<Esc>:silent write<CR>")
            until(lambda: not self.value("return vim.bo.modified"), "saved file")
        else:
            self.keys({"undo": "<Esc>u", "delete": "<BS>"}[action])
        # Typed ahead: what is asked next comes after it.
        self.value("return 1")

    def docstring(self) -> None:
        self.keys("<Esc>:BudgetAI docstring<CR>")

    def line_above(self) -> None:
        self.keys("<Esc>O")

    def ghost(self, *words: str) -> str:
        def shown() -> str:
            text, _ = self.value(GHOST)
            return str(text) if text and all(word in text for word in words) else ""

        return until(shown, f"grey text with {words}")

    def behind(self) -> str:
        return str(self.value(GHOST)[1])

    def shows_nothing(self) -> bool:
        return bool(self.value(GHOST)[0] == "")

    def text(self) -> str:
        return str(
            self.value("return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\\n')")
        )

    def state(self, name: str) -> None:
        until(lambda: self.statusline() == f"BudgetAI {name}", f"BudgetAI {name}")

    def statusline(self) -> str:
        return str(self.value("return require('budgetai').statusline()"))

    def messages(self) -> str:
        return str(self.value("return vim.fn.execute('messages')"))

    def kill_server(self) -> None:
        """Returns when the editor has noticed: it says "ready" until then."""
        kill_server(self._process.pid)
        until(lambda: self.statusline() != "BudgetAI ready", "noticed end")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        self._log.close()


class NeovimNextEdits(Neovim):
    """One that shows next edits; it is in normal mode."""

    next_edit_keys = "<Plug>(budgetai-next-edit)"
    dismissing_keys = "<Plug>(budgetai-next-edit-dismiss)"

    def open(self, path: Path) -> None:
        super().open(path)
        self.keys("<Esc>")

    def replace(self, line: int, old: str, new: str) -> None:
        self.keys(f":{line}s/{old}/{new}/<CR>")

    def delete_line(self, line: int) -> None:
        self.keys(f":{line}delete<CR>")

    def proposed(self) -> str:
        return str(self.value(NEXT_EDIT))

    def next_edit(self) -> None:
        self.keys(self.next_edit_keys)

    def dismiss(self) -> None:
        self.keys(self.dismissing_keys)

    def place(self) -> tuple[str, int]:
        name, line = self.value("return { vim.fn.expand('%:t'), vim.fn.line('.') }")
        return str(name), int(line)
