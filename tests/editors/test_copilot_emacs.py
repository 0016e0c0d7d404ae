"""copilot.el, unmodified, in a real Emacs, with our server in the place of its own.

BUDGETAI_PLUGINS names a folder with a checkout of it; nothing is fetched here.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from editors.emacs import Emacs
from editors.neovim import EDITORS, ROOT
from editors.scenarios import SOURCE, WHOLE, holds, opened, saved, suggests
from editors.server import printed, program, there, workspace_with_model
from editors.waiting import until

pytestmark = pytest.mark.editors

(PRINTED,) = (
    block for block in printed(ROOT / "docs/gateway.md", "lisp") if "copilot-server" in block
)
INIT = """
(add-to-list 'load-path "{plugin}")
(setq warning-minimum-level :error)
(require 'copilot)
{printed}
(add-hook 'prog-mode-hook #'copilot-mode)
"""
GHOST = """
(if (copilot--overlay-visible)
    (concat (or (copilot-current-completion) "")) "")
"""


class CopilotEmacs(Emacs):
    """An Emacs with the plugin."""

    def open(self, path: Path) -> None:
        self.terminal.keys("C-x", "C-f", "C-a", "C-k")
        self.terminal.type(f"{path}\r")
        until(lambda: self.lisp("(buffer-file-name)") == str(path), str(path))
        until(lambda: self.status() == "ready", "model")
        self.terminal.keys("M->")

    def status(self) -> str:
        ask = "(jsonrpc-request copilot--connection 'budgetai/status nil)"
        return str(self.lisp(f'(condition-case nil (plist-get {ask} :state) (error ""))'))

    def ghost(self, *words: str) -> str:
        def shown() -> str:
            text = str(self.lisp(GHOST))
            return text if text and all(word in text for word in words) else ""

        return until(shown, f"grey text with {words}")

    def press(self, action: str) -> None:
        if action == "accept":
            before = self.text()
            self.terminal.keys("Tab")
            until(lambda: self.text() != before, "accepted text")
        else:
            super().press(action)


@pytest.fixture(scope="module")
def emacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CopilotEmacs]:
    there(EDITORS, "emacs")
    plugin = Path(os.environ.get("BUDGETAI_PLUGINS", "")) / "copilot.el"
    if not (plugin / "copilot.el").is_file():
        pytest.skip("BUDGETAI_PLUGINS names no folder with a checkout of copilot.el")
    folder = tmp_path_factory.mktemp("copilot")
    workspace, env = workspace_with_model(folder)
    (command,) = program(folder, "--min-confidence", "0", "--latency-ms", "10000")
    page = PRINTED.replace("/path/to/budgetai-server", command)
    editor = CopilotEmacs(folder, workspace, env, INIT.format(plugin=plugin, printed=page))
    yield editor
    editor.close()


def test_typed_shown_accepted_and_saved(emacs: CopilotEmacs) -> None:
    path = opened(emacs, "shop.py", SOURCE)
    emacs.type("r")
    suggests(emacs, "eturn a - b")
    emacs.press("accept")
    holds(emacs, WHOLE)
    saved(emacs, path, WHOLE)


def test_typing_through(emacs: CopilotEmacs) -> None:
    path = opened(emacs, "through.py", SOURCE)
    for key in "ret":
        emacs.type(key)
    suggests(emacs, "urn a - b")
    emacs.press("accept")
    saved(emacs, path, WHOLE)


def test_nothing_is_said_to_the_user(emacs: CopilotEmacs) -> None:
    """No error at a key, and nobody is asked to sign in."""
    messages = str(emacs.lisp('(with-current-buffer "*Messages*" (buffer-string))'))
    assert "rror" not in messages
    assert "sign" not in messages.lower()
