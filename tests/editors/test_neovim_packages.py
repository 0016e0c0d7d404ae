"""The repository as Neovim's package managers take it, though the plugin lies in a folder of it.

lazy.nvim, and a clone of nvim-lspconfig, are driven where BUDGETAI_LAZY_NVIM and
BUDGETAI_NVIM_LSPCONFIG name a checkout.
"""

import os
import subprocess
from pathlib import Path

import pytest

from editors.neovim import ROOT, installed, lua_string

pytestmark = pytest.mark.editors

REGISTRY = ROOT / "editor-clients/neovim/registry"
# What a user has then: the module, the command, the help, the health check, and a configuration.
LOOK = """
local told = {}
told[#told + 1] = tostring(pcall(require, 'budgetai'))
told[#told + 1] = tostring(vim.fn.exists(':BudgetAI'))
told[#told + 1] = tostring(vim.lsp.config.budgetai and vim.lsp.config.budgetai.cmd[1])
told[#told + 1] = tostring(vim.lsp.is_enabled and vim.lsp.is_enabled('budgetai'))
told[#told + 1] = tostring(#vim.api.nvim_get_runtime_file('lua/budgetai/health.lua', true))
told[#told + 1] = tostring(#vim.api.nvim_get_runtime_file('doc/budgetai.txt', true))
vim.cmd('checkhealth budgetai')
local health = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), ' ')
told[#told + 1] = tostring(health:find('Neovim') ~= nil)
vim.fn.writefile(told, OUT)
vim.cmd('qall!')
"""
ALL = ["true", "2", "budgetai-server", "true", "1", "1", "true"]


def look(folder: Path, init: str, version: str = "0.12") -> list[str]:
    """Start Neovim with an init.lua in an empty home; return what LOOK has found there."""
    program, environment = installed(version)
    config = folder / "config" / "nvim" / "init.lua"
    config.parent.mkdir(parents=True)
    config.write_text(init)
    out = folder / "told"
    (folder / "look.lua").write_text(LOOK.replace("OUT", lua_string(out)))
    homes = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("DATA", "STATE", "CACHE")}
    done = subprocess.run(
        [program, "--headless", "-c", f"luafile {folder / 'look.lua'}"],
        env=os.environ | environment | homes | {"XDG_CONFIG_HOME": str(folder / "config")},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert out.exists(), done.stdout + done.stderr
    assert "Error" not in done.stderr, done.stderr
    return out.read_text().splitlines()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is committed, and what is about to be: as a manager would clone it."""
    folder = tmp_path_factory.mktemp("clone") / "budgetai"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    for name in ("plugin", "editor-clients/neovim"):
        command = ["cp", "-r", f"{ROOT / name}/.", str(folder / name)]
        (folder / name).mkdir(parents=True, exist_ok=True)
        subprocess.run(command, check=True)
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "-C", str(folder), "add", "-A"], check=True)
    commit = ["git", "-C", str(folder), *who, "commit", "-qm", "x", "--allow-empty"]
    subprocess.run(commit, check=True)
    return folder


def test_vim_pack(clone: Path, tmp_path: Path) -> None:
    """With load, since the folder is known once plugin/ at the root has run."""
    spec = f"{{ src = {lua_string(clone.as_uri())}, name = 'budgetai' }}"
    init = (
        f"vim.pack.add({{ {spec} }}, {{ load = true, confirm = false }})\n"
        "require('budgetai').setup()\n"
    )
    assert look(tmp_path, init) == ALL


@pytest.mark.parametrize("version", ["0.12", "0.11"])
def test_a_native_package(clone: Path, tmp_path: Path, version: str) -> None:
    site = tmp_path / "data" / "nvim" / "site" / "pack" / "any" / "start"
    site.mkdir(parents=True)
    (site / "budgetai").symlink_to(clone)
    init = "vim.api.nvim_create_autocmd('VimEnter', { callback = function()\n"
    init += "  require('budgetai').setup()\nend })\n"
    told = look(tmp_path, init, version)
    # 0.11 cannot tell whether a configuration is enabled.
    assert told[:3] + told[4:] == ALL[:3] + ALL[4:]


@pytest.mark.skipif("BUDGETAI_LAZY_NVIM" not in os.environ, reason="lazy.nvim is not named")
def test_lazy(clone: Path, tmp_path: Path) -> None:
    lazy = os.environ["BUDGETAI_LAZY_NVIM"]
    init = (
        f"vim.opt.rtp:prepend({lua_string(lazy)})\n"
        "require('lazy').setup({ { name = 'budgetai', "
        f"url = {lua_string(clone.as_uri())}, "
        "config = function() require('budgetai').setup() end } })\n"
    )
    assert look(tmp_path, init) == ALL


@pytest.mark.skipif("BUDGETAI_NVIM_LSPCONFIG" not in os.environ, reason="it is not named")
def test_nvim_lspconfig(tmp_path: Path) -> None:
    """The file for nvim-lspconfig, alone: without the plugin."""
    others = Path(os.environ["BUDGETAI_NVIM_LSPCONFIG"])
    copy = tmp_path / "nvim-lspconfig"
    subprocess.run(["cp", "-r", str(others), str(copy)], check=True)
    (copy / "lsp" / "budgetai.lua").write_bytes((REGISTRY / "lspconfig.lua").read_bytes())
    init = f"vim.opt.rtp:prepend({lua_string(copy)})\nvim.lsp.enable('budgetai')\n"
    (tmp_path / "nvim").mkdir()
    assert look(tmp_path / "nvim", init)[2:4] == ALL[2:4]
