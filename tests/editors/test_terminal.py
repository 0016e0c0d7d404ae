"""What the README prints, in a real terminal: grey text is read off the screen."""

import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from budgetai_server.artefacts import home
from budgetai_server.artefacts.bases import EMBEDDED, resolve
from editors.neovim import ROOT, installed
from editors.scenarios import SOURCE, WHOLE
from editors.server import program
from editors.waiting import until

pytestmark = pytest.mark.editors

BASE = resolve(EMBEDDED).path


def printed(page: Path, language: str) -> str:
    """The first block of a language on a page."""
    found = re.search(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert found, (page, language)
    return found[1]


class Terminal:
    """A program in tmux, with a server and screen of its own."""

    def __init__(self, folder: Path, command: list[str], env: dict[str, str]) -> None:
        self._socket = f"budgetai-{os.getpid()}"
        words = shlex.join(["env", *(f"{k}={v}" for k, v in env.items()), *map(str, command)])
        self._tmux("new-session", "-d", "-x", "90", "-y", "20", "-c", str(folder), words)

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-L", self._socket, "-f", "/dev/null", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def keys(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def shows(self, words: str) -> None:
        until(lambda: words in self.screen(), f"'{words}' on the screen")

    def suggested(self, key: str, words: str) -> bool:
        """Type a key, and take it back where it brings nothing: the model may still be loading."""
        self.keys(key)
        for _ in range(30):
            if words in self.screen():
                return True
            time.sleep(0.1)
        self.keys("BSpace")
        return False

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.fixture
def workspace(tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository with a model made for it, and the server on the PATH."""
    monkeypatch.setenv("BUDGETAI_HOME", str(tmp_path / "budgetai-home"))
    folder = tmp_path / "workspace"
    (folder / ".git").mkdir(parents=True)
    model = home.new_model(folder, "Q4_1")
    model.parent.mkdir(parents=True)
    assert BASE is not None
    model.symlink_to(BASE)
    (command,) = program(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(command).parent}:{os.environ['PATH']}")
    yield folder


def test_the_lines_of_the_readme(workspace: Path, tmp_path: Path) -> None:
    init = tmp_path / "init.lua"
    init.write_text(printed(ROOT / "README.md", "lua"))
    file = workspace / "new.py"
    file.write_text(SOURCE + "\n")
    nvim, more = installed("0.12")
    env = {"TERM": "screen-256color", "PATH": os.environ["PATH"], **more}
    env |= {f"XDG_{name}_HOME": str(tmp_path / name) for name in ("STATE", "DATA", "CACHE")}
    flags = ["--clean", "-n", "-u", str(init), str(file)]
    terminal = Terminal(workspace, [str(nvim), *flags], env)
    try:
        terminal.shows("def sub")
        terminal.keys("G", "A")
        until(lambda: terminal.suggested("r", "return a - b"), "grey text on the screen")
        assert file.read_text() == SOURCE + "\n"
        terminal.keys("Tab")
        terminal.keys("Escape", ":w", "Enter")
        until(lambda: file.read_text() == WHOLE + "\n", "accepted line in the file")
    finally:
        terminal.close()
