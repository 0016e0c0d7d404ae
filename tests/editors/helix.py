"""A real Helix in a terminal."""

from pathlib import Path

from editors.neovim import EDITORS
from editors.terminal import Terminal
from editors.waiting import content, kill_server, until

FOLDER = EDITORS / "helix/usr"


class Helix:
    """One Helix in a workspace, with the `languages.toml` that a page prints."""

    def __init__(self, folder: Path, workspace: Path, env: dict[str, str], languages: str) -> None:
        self.workspace = workspace
        config = folder / "config/helix"
        config.mkdir(parents=True)
        (config / "languages.toml").write_text(languages)
        (config / "config.toml").write_text("[editor]\ninsert-final-newline = false\n")
        env = env | {"HELIX_RUNTIME": str(FOLDER / "lib/hx/runtime")}
        env |= {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "CACHE")}
        self.terminal = Terminal(workspace, [str(FOLDER / "bin/hx")], env)
        self.terminal.shows(" NOR ")

    def _command(self, words: str) -> None:
        self._leave_insert_mode()
        self.terminal.type(f":{words}\r")

    def _leave_insert_mode(self) -> None:
        # A key that comes right after Escape is taken for Alt with that key.
        if " NOR " not in self.terminal.screen():
            self.terminal.keys("Escape")
            self.terminal.shows(" NOR ")

    def open(self, path: Path) -> None:
        self._path = path
        self._command(f"open {path}")
        self.terminal.shows(f"   {path.name} ")
        self.terminal.keys("g", "e", "A")
        self.terminal.shows(" INS ")

    def type(self, text: str) -> None:
        self.terminal.type(text)

    def says(self, words: str) -> None:
        self.terminal.shows(words)

    def take(self, words: str) -> None:
        """C-x asks. Once chosen, the item is seen twice: in the list and in the text."""

        def listed() -> bool:
            self.terminal.keys("C-x")
            if self.terminal.soon(lambda screen: words in screen):
                return True
            # A list that has opened before the model was there stays as it is.
            self.terminal.keys("C-c")
            return False

        def chosen() -> bool:
            self.terminal.keys("C-n")
            return self.terminal.soon(lambda screen: screen.count(words) > 1, 1.0)

        until(listed, f"'{words}' in the list")
        until(chosen, f"'{words}' in the text")
        self.terminal.keys("Enter")

    def press(self, action: str) -> None:
        if action == "delete":
            self.terminal.keys("BSpace")
        elif action == "undo":
            self._leave_insert_mode()
            self.terminal.keys("u")
        else:
            self._command("write!")
            # The file is empty for a moment, also where nothing has changed.
            until(
                lambda: "[+]" not in self.terminal.screen() and content(self._path),
                "saved file",
            )

    def docstring(self) -> None:
        """`Space a` lists what is offered."""
        self._leave_insert_mode()

        def listed() -> bool:
            self.terminal.keys("Space", "a")
            if self.terminal.soon(lambda screen: " docstring" in screen):
                return True
            self.terminal.keys("Escape")
            return False

        until(listed, "docstring in the list")
        self.terminal.keys("Enter")

    def text(self) -> str:
        self.press("save")
        return content(self._path).decode().replace("\r\n", "\n")

    def kill_server(self) -> None:
        """Helix starts none by itself."""
        kill_server(self.terminal.pid())
        self._command("lsp-restart")
        self.terminal.keys("A")
        self.terminal.shows(" INS ")

    def close(self) -> None:
        self.terminal.close()
