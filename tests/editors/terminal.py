"""A program in a real terminal: tmux holds its screen, which is read off as a user would."""

import shlex
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from editors.waiting import until


class Terminal:
    """A program in tmux, with a server and screen of its own."""

    def __init__(self, folder: Path, command: list[str], env: dict[str, str]) -> None:
        self._socket = f"budgetai-{uuid.uuid4()}"
        words = shlex.join(["env", *(f"{k}={v}" for k, v in env.items()), *map(str, command)])
        self._tmux("new-session", "-d", "-x", "90", "-y", "20", "-c", str(folder), words)

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-L", self._socket, "-f", "/dev/null", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def keys(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def screen(self, *, colours: bool = False) -> str:
        return self._tmux("capture-pane", "-p", *(["-e"] if colours else []))

    def pid(self) -> int:
        return int(self._tmux("list-panes", "-F", "#{pane_pid}"))

    def shows(self, words: str) -> None:
        try:
            until(lambda: words in self.screen(), f"'{words}' on the screen")
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.screen()}") from error

    def soon(self, found: Callable[[str], bool], seconds: float = 3.0) -> bool:
        """Whether the screen is as it should be within some seconds."""
        end = time.monotonic() + seconds
        while not found(self.screen()):
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def suggested(self, key: str, words: str) -> bool:
        """Type a key, and take it back where it brings nothing: the model may still be loading."""
        self.keys(key)
        if self.soon(lambda screen: words in screen):
            return True
        self.keys("BSpace")
        return False

    def close(self) -> None:
        self._tmux("kill-server")
