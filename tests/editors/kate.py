"""A real Kate on a screen that nobody sees, with the keys of a user."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from editors.waiting import content, until

PROGRAMS = ("kate", "Xvfb", "openbox", "xdotool", "dbus-daemon")
# The plugin is ticked, and files are left as they are given.
_KATERC = """
[Kate Plugins]
lspclientplugin=true
[KTextEditor Document]
Newline at End of File=false
Remove Spaces=0
[KTextEditor View]
Auto Brackets=false
"""
# Seconds for an answer, on a machine that does other work too.
_ANSWERED = 8.0
_KEYS = {"delete": ["BackSpace"], "undo": ["ctrl+z"], "save": ["ctrl+s"]}


def skip_without_kate() -> None:
    for program in PROGRAMS:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")


class Kate:
    """One Kate with a home of its own, and what a page prints as settings of servers."""

    def __init__(
        self, folder: Path, workspace: Path, env: dict[str, str], first: Path, settings: str
    ) -> None:
        self.workspace = workspace
        self.home = folder / "home"
        servers = self.home / ".config/kate/lspclient/settings.json"
        servers.parent.mkdir(parents=True)
        servers.write_text(settings)
        (self.home / ".config/katerc").write_text(_KATERC)
        runtime = folder / "run"
        runtime.mkdir(mode=0o700)
        self._env = env | {"HOME": str(self.home), "XDG_RUNTIME_DIR": str(runtime)}
        self._log = (folder / "kate.log").open("wb")
        self._processes: list[subprocess.Popen[bytes]] = []
        self._path = first
        try:
            self._start_screen()
            self._start("openbox")
            self._start_bus()
            self._start("kate", "--new", "--block", str(first))
            self._agree()
            self._go_to(first)
        except BaseException:
            self.close()
            raise

    def _start(self, *command: str, stdout: int | None = None) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command,
            env=self._env,
            cwd=self.home,
            stdout=self._log if stdout is None else stdout,
            stderr=self._log,
        )
        self._processes.append(process)
        return process

    def _start_screen(self) -> None:
        """Xvfb takes a free number itself, and tells it."""
        reading, writing = os.pipe()
        command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1000x700x24"]
        screen = subprocess.Popen(command, pass_fds=[writing], stderr=self._log)
        self._processes.append(screen)
        os.close(writing)
        with os.fdopen(reading) as answer:
            self._env["DISPLAY"] = f":{answer.readline().strip()}"

    def _start_bus(self) -> None:
        """By which another Kate has this one open a file."""
        bus = self._start(
            "dbus-daemon", "--session", "--nofork", "--print-address", stdout=subprocess.PIPE
        )
        assert bus.stdout
        self._env["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().decode().strip()

    def _xdotool(self, *words: str) -> str:
        command = ["xdotool", *words]
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, check=False)
        return done.stdout

    def _window(self, title: str) -> str:
        return until(
            lambda: self._xdotool("search", "--onlyvisible", "--name", title).strip(),
            f"window '{title}'",
        ).splitlines()[-1]

    def _agree(self) -> None:
        """Kate asks before it starts a server."""
        question = self._window("LSP server start requested")
        self._xdotool("windowactivate", "--sync", question, "key", "alt+y")

    def _go_to(self, path: Path) -> None:
        self._xdotool("windowactivate", "--sync", self._window(f"^{path.name} "))
        self._press("ctrl+End")

    def _press(self, *keys: str) -> None:
        self._xdotool("key", "--delay", "50", *keys)

    def open(self, path: Path) -> None:
        self._path = path
        subprocess.run(["kate", str(path)], env=self._env, stderr=self._log, check=True)
        self._go_to(path)

    def type(self, text: str) -> None:
        self._xdotool("type", "--delay", "50", text)

    def press(self, action: str) -> None:
        self._press(*_KEYS[action])

    def take(self, words: str) -> None:
        """The list cannot be read: what its first item puts in is seen in the file."""
        self._press("ctrl+space")
        time.sleep(_ANSWERED)
        self._press("Return")
        self.press("save")
        until(lambda: words.encode() in content(self._path), f"'{words}' in the file")

    def close(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(timeout=20)
        self._log.close()
