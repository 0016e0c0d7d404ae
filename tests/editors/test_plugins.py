"""Plugins made for other servers, unmodified, in real Neovims with the gateway or the server.

BUDGETAI_PLUGINS names a folder with a checkout of each by its name; nothing is fetched here.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from editors.neovim import VERSIONS, Neovim, lua_string
from editors.scenarios import SOURCE, WHOLE
from editors.server import program, running_gateway
from editors.waiting import content, until

pytestmark = pytest.mark.editors

BASE = str(resolve(EMBEDDED).path)
ABOVE = SOURCE.rpartition("\n")[0]
# What the model is sure of differs with what it is shown, and so with the machine's speed.
SURE = ("--model", BASE, "--min-confidence", "0", "--latency-ms", "10000")
SETTINGS = """
vim.opt.runtimepath:prepend({plugins})
vim.o.fixendofline = false
vim.o.swapfile = false
vim.env.BUDGETAI_GATEWAY_KEY = {key}
vim.lsp.handlers['$/budgetai/state'] = function(_, state) vim.g.budgetai_state = state.name end
{setup}
"""
SETUPS = {
    "llama.vim": """
vim.g.llama_config = { endpoint_fim = ADDRESS .. '/infill', api_key = KEY }
vim.cmd('runtime plugin/llama.vim')
vim.cmd('call llama#init()')
""",
    "minuet-ai.nvim": """
require('minuet').setup {
  provider = 'openai_fim_compatible',
  request_timeout = 60,
  provider_options = { openai_fim_compatible = {
    name = 'BudgetAI', model = 'budgetai', api_key = 'BUDGETAI_GATEWAY_KEY', stream = false,
    end_point = ADDRESS .. '/v1/completions',
  } },
  virtualtext = { auto_trigger_ft = { '*' }, keymap = { accept = '<Tab>' } },
}
""",
    "copilot.lua": """
require('copilot').setup {
  server = { type = 'binary', custom_server_filepath = COMMAND },
  suggestion = { auto_trigger = true, keymap = { accept = '<Tab>' } },
}
""",
    # Before 1.30 the option had another name.
    "copilot.vim": """
vim.g.copilot_command = COMMAND
vim.g.copilot_agent_command = COMMAND
vim.cmd('runtime plugin/copilot.vim')
""",
    # In the words of Ollama, which has no key: it stands in the path.
    "cmp-ai": """
require('cmp_ai.config'):setup {
  provider = 'Ollama',
  provider_options = {
    base_url = ADDRESS .. '/key/' .. KEY .. '/api/generate', model = 'budgetai',
  },
}
""",
    "cmp-ai, as Tabby": """
vim.env.TABBY_API_KEY = KEY
require('cmp_ai.config'):setup {
  provider = 'Tabby', provider_options = { base_url = ADDRESS .. '/v1/completions' },
}
""",
}
MENU = """
local cmp = require('cmp')
cmp.setup {
  sources = { { name = 'cmp_ai' } },
  mapping = { ['<Tab>'] = cmp.mapping.confirm { select = true } },
  experimental = { ghost_text = true },
}
require('cmp_ai').setup()
"""
# What a plugin stands on: other checkouts, and lines of an `init.lua` behind its own.
NEEDED = {
    name: (("nvim-cmp", "plenary.nvim"), MENU) for name in SETUPS if name.startswith("cmp-ai")
}
NAMESPACES = (
    "vt_fim", "minuet.virtualtext", "copilot.suggestion", "github-copilot", "cmp:GHOST_TEXT",
)  # fmt: skip
GHOST = """
local text = ''
for _, name in ipairs(NAMES) do
  local space = vim.api.nvim_get_namespaces()[name]
  local marks = space and vim.api.nvim_buf_get_extmarks(0, space, 0, -1, { details = true }) or {}
  for _, mark in ipairs(marks) do
    local lines = { mark[4].virt_text or {} }
    vim.list_extend(lines, mark[4].virt_lines or {})
    for at, line in ipairs(lines) do
      text = text .. (at > 1 and '\\n' or '')
      for _, chunk in ipairs(line) do
        text = text .. (chunk[2] == 'llama_hl_fim_info' and '' or chunk[1])
      end
    end
  end
end
return text
""".replace("NAMES", "{ " + ", ".join(f'"{name}"' for name in NAMESPACES) + " }")


READY = """
local there, auth = pcall(require, 'copilot.auth')
if vim.g.copilot_command then return vim.g.budgetai_state == 'ready' end
return not there or auth.is_authenticated() and vim.g.budgetai_state == 'ready'
"""


def checkout(name: str) -> Path:
    folder = Path(os.environ.get("BUDGETAI_PLUGINS", "")) / name
    if not any((folder / part).is_dir() for part in ("lua", "autoload")):
        pytest.skip(f"BUDGETAI_PLUGINS names no folder with a checkout of {name}")
    return folder


class Plugin(Neovim):
    """A Neovim with one plugin."""

    def open(self, path: Path) -> None:
        self.keys(f"<Esc>:edit {path}<CR>")
        until(lambda: self.value("return vim.api.nvim_buf_get_name(0)") == str(path), str(path))
        self.keys("G$a")

        # copilot.lua asks first whether anyone has signed in. What is typed until then, and until
        # there is a model, it does not ask for again.
        until(lambda: self.value(READY), "plugin that is ready")

    def ghost(self, *words: str) -> str:
        def shown() -> str:
            text = str(self.value(GHOST))
            return text if text and all(word in text for word in words) else ""

        return until(shown, f"grey text with {words}")

    def accept(self) -> None:
        before = self.text()
        self.keys("<Tab>")
        until(lambda: self.text() != before, "change by accepting")

    def saved(self, path: Path, text: str) -> None:
        self.press("save")
        assert content(path).decode() == text


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a gateway with the real model, and its key."""
    with running_gateway(tmp_path_factory.mktemp("gateway"), *SURE) as there:
        yield there


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SETUPS)
def plugin(
    request: pytest.FixtureRequest, version: str, tmp_path: Path, gateway: tuple[str, str]
) -> Iterator[Plugin]:
    address, key = gateway
    command = program(tmp_path, *SURE)
    setup = SETUPS[request.param].replace("ADDRESS", lua_string(address))
    setup = re.sub(r"\bKEY\b", lua_string(key), setup)
    setup = setup.replace("COMMAND", lua_string(command[0]))
    others, more = NEEDED.get(request.param, ((), ""))
    names = (request.param.partition(",")[0], *others)
    settings = SETTINGS.format(
        plugins=lua_string([str(checkout(name)) for name in names]),
        key=lua_string(key),
        setup=setup + more,
    )
    editor = Plugin(version, tmp_path, command, settings)
    yield editor
    editor.close()


def test_typed_shown_accepted_and_saved(plugin: Plugin) -> None:
    path = plugin.workspace / "shop.py"
    path.write_text(SOURCE)
    plugin.open(path)
    plugin.type("r")
    assert plugin.ghost("eturn") == "eturn a - b"
    plugin.accept()
    plugin.saved(path, WHOLE)
    assert "stack traceback" not in plugin.messages()
    assert "Error" not in plugin.messages()


def test_what_an_editor_closes_by_itself_is_not_doubled(plugin: Plugin) -> None:
    path = plugin.workspace / "closers.py"
    text = "".join(f"{name} = combine(first, second)\n" for name in "abc") + "d = combine("
    path.write_text(text + ")")
    plugin.open(path)
    plugin.keys("<Esc>i")
    plugin.type("fi")
    plugin.ghost("rst, second")
    plugin.accept()
    plugin.saved(path, text + "first, second)")


@pytest.mark.parametrize("plugin", ["llama.vim"], indirect=True)
def test_on_a_line_of_blanks_the_indentation_stays(plugin: Plugin) -> None:
    """llama.vim sends none of them, and accepts at the line's start."""
    path = plugin.workspace / "blanks.py"
    path.write_text(ABOVE)
    plugin.open(path)
    plugin.keys("<CR>    ")
    plugin.ghost("return")
    plugin.accept()
    plugin.saved(path, WHOLE)
