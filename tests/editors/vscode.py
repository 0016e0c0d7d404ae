"""A real VS Code: its server build, a browser without a screen, the extension from its package."""

import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from editors.neovim import EDITORS, ROOT
from editors.waiting import PATIENCE, content, kill_server, server_below, until

EXTENSION = ROOT / "editor-clients/vscode"
PACKAGE = EXTENSION / "budgetai.vsix"
SERVER = EDITORS / "vscode/out/server-main.js"
NODE = str(EDITORS / "node/bin/node")
KEYS = {
    "accept": "Tab",
    "word": "Control+ArrowRight",
    "line": "Control+ArrowDown",
    "undo": "Control+z",
    "save": "Control+s",
    "delete": "Backspace",
}
SETTINGS = {
    "files.autoSave": "off",
    "editor.minimap.enabled": False,
    "breadcrumbs.enabled": False,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "editor.fontSize": 18,
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": False,
    "editor.autoClosingBrackets": "never",
    # Tab would take an item of the list first.
    "editor.wordBasedSuggestions": "off",
    "extensions.autoCheckUpdates": False,
    "extensions.autoUpdate": False,
    "extensions.ignoreRecommendations": True,
}

SHAPES = '''"""Areas of shapes."""

import math


def rectangle(width, height):
    return width * height


def square(side):
    '''


# A key that the editor leaves to the user.
BINDINGS = [{"key": "ctrl+down", "command": "editor.action.inlineSuggest.acceptNextLine"}]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class VSCode:
    """One window on a workspace, with an extension from its package."""

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any],
        trust: bool = True,
        env: dict[str, str] | None = None,
        package: Path = PACKAGE,
    ) -> None:
        self.workspace = folder / "workspace"
        self.workspace.mkdir(parents=True, exist_ok=True)
        self._machine = folder / "machine"
        self._write("Machine/settings.json", SETTINGS | settings)
        self._write("User/keybindings.json", BINDINGS)
        self._flags = [
            "--server-data-dir",
            self._machine,
            "--extensions-dir",
            folder / "extensions",
        ]
        self._env = {**os.environ, "BUDGETAI_HOME": str(folder / "budgetai-home"), **(env or {})}
        self.installed = self._node("--install-extension", package)
        port = free_port()
        self._log = (folder / "vscode.log").open("wb")
        command = [NODE, str(SERVER), *map(str, self._flags)]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        command += ["--without-connection-token", "--telemetry-level", "off"]
        command += ["--disable-workspace-trust"] if trust else []
        self._server = subprocess.Popen(
            [*command, "--accept-server-license-terms"],
            env=self._env,
            stdout=self._log,
            stderr=self._log,
        )
        until(lambda: b"listening" in (folder / "vscode.log").read_bytes(), "server of VS Code")
        self._page = subprocess.Popen(
            [NODE, str(Path(__file__).with_name("page.mjs")), str(EDITORS / "browser")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.do("goto", url=f"http://127.0.0.1:{port}/?folder={self.workspace}")
        self.do("workbench")

    def _write(self, name: str, values: Any) -> None:
        file = self._machine / "data" / name
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))

    def _node(self, *arguments: str | Path) -> str:
        command = [NODE, *map(str, (SERVER, *self._flags, *arguments))]
        command += ["--accept-server-license-terms"]
        done = subprocess.run(
            command, env=self._env, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def do(self, action: str, **more: Any) -> Any:
        """One action of the page. Raises AssertionError with what it says went wrong."""
        assert self._page.stdin and self._page.stdout
        self._page.stdin.write(json.dumps({"do": action, **more}) + "\n")
        self._page.stdin.flush()
        answer = json.loads(self._page.stdout.readline())
        assert "error" not in answer, answer
        return answer["ok"]

    def show(self, path: Path) -> None:
        """Open a file, whatever the extension makes of it."""
        self.do("open", path=str(path), name=path.name)
        self._path = path

    def open(self, path: Path) -> None:
        self.show(path)
        until(lambda: self.says_state() and not self.says_state("starting"), "state")

    def type(self, text: str) -> None:
        self.do("type", text=text)

    def press(self, action: str) -> None:
        self.do("press", key=KEYS[action])
        if action == "save":
            until(self._saved, "saved file")

    def _saved(self) -> bool:
        """Saves again what has changed since: the server writes, too."""
        if self.dirty():
            self.do("press", key=KEYS["save"])
            time.sleep(0.5)
        # The file is empty for a moment, also where nothing has changed.
        return not self.dirty() and bool(content(self._path))

    def choose_folder(self, folder: Path) -> None:
        """In the dialog of this build, which takes a path: it goes there first."""
        until(lambda: str(self.do("asked")).startswith("/"), "dialog")

        def chosen() -> bool:
            self.do("answer", text=f"{folder}/")
            time.sleep(1)
            return self.do("asked") is None

        until(chosen, "end of the dialog")

    def walkthrough(self) -> None:
        self.do("palette", words="Welcome: Open Walkthrough...")
        until(lambda: any("BudgetAI" in row for row in self.do("rows")), "walkthrough")
        self.do("answer", text="BudgetAI")

    def settings(self) -> dict[str, Any]:
        """Those of the user, and those that belong to the machine."""
        found: dict[str, Any] = {}
        for name in ("User", "Machine"):
            file = self._machine / f"data/{name}/settings.json"
            found |= json.loads(content(file) or "{}")
        return found

    def docstring(self) -> None:
        self.command("Write docstring")

    def line_above(self) -> None:
        self.do("press", key="Control+Shift+Enter")

    def go_to(self, line: int, column: int = 1) -> None:
        """Counted from one."""
        self.do("press", key="Control+g")
        self.do("answer", text=f":{line}:{column}")
        until(lambda: f"Ln {line}, Col {column}" in self.do("status"), "place of the cursor")

    def replace(self, line: int, old: str, new: str) -> None:
        column = self.text().split("\n")[line - 1].index(old) + 1
        self.go_to(line, column)
        for _ in old:
            self.do("press", key="Delete")
        self.type(new)

    def delete_line(self, line: int) -> None:
        self.go_to(line)
        self.do("press", key="Control+Shift+k")

    def proposed(self) -> str:
        return "\n".join(self.do("beside"))

    def next_edit(self) -> None:
        self.do("press", key="Tab")

    def dismiss(self) -> None:
        self.do("press", key="Escape")

    def place(self) -> tuple[str, int]:
        line = re.search(r"Ln (\d+),", self.do("status"))
        return str(self.do("tab")), int(line[1]) if line else 0

    def dirty(self) -> bool:
        return bool(self.do("dirty"))

    def ghost(self, *words: str) -> str:
        def shown() -> str:
            text, _ = self.do("grey")
            return str(text) if text and all(word in text for word in words) else ""

        return until(shown, f"grey text with {words}")

    def behind(self) -> str:
        return str(self.do("grey")[1])

    def text(self) -> str:
        """What the editor holds, by saving it: the screen shows grey text too."""
        self.press("save")
        return content(self._path).decode().replace("\r\n", "\n")

    def state(self, name: str) -> None:
        until(lambda: self.says_state(name), f"state {name}")

    def says_state(self, name: str = "") -> bool:
        return f"BudgetAI: {name}" in self.do("status")

    def shows_nothing(self) -> bool:
        return bool(self.do("grey")[0] == "")

    def notes(self, words: str, patience: float = PATIENCE) -> None:
        """Wait until a notification has these words in it."""

        def there() -> bool:
            return any(words in note for note in self.do("notes"))

        try:
            until(there, f"notification '{words}'", patience)
        except AssertionError as error:
            raise AssertionError(f"{error}, but {self.do('notes')}") from error

    def command(self, title: str) -> None:
        """Run one of ours by its title."""
        self.do("palette", words=f"BudgetAI: {title}")

    def back_to_text(self) -> None:
        """The editor has the keys again."""
        self.do("press", key="Control+1")

    def shot(self, file: Path) -> None:
        self.do("shot", file=str(file))

    def server_pid(self) -> int:
        """Of the language server that runs now; 0 while none does."""
        found = server_below(self._server.pid)
        return found.pid if found else 0

    def kill_server(self) -> None:
        """Returns when the editor has noticed: it says what it said before until then."""
        kill_server(self._server.pid)
        until(lambda: self.says_state("starting") or self.says_state("error"), "noticed end")

    def close(self) -> None:
        assert self._page.stdin and self._page.stdout
        self._page.stdin.close()
        self._page.stdout.close()
        for process in (self._page, self._server):
            process.terminate()
            process.wait(timeout=30)
        self._log.close()
