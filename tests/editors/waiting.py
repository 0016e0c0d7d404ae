"""Waiting for what an editor does in its own time, and the server process below it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")

PATIENCE = 60.0


def until(found: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """Ask again until something is found. Raises AssertionError with `what` where it is not."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.1)
    raise AssertionError(f"there is no {what}")


def content(path: Path) -> bytes:
    """What a file holds. Nothing while an editor puts another one in its place."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def server_below(pid: int) -> psutil.Process | None:
    """The language server that an editor has started as `python -m budgetai_server`."""
    for process in psutil.Process(pid).children(recursive=True):
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if "budgetai_server" in words:
            return process
    return None


def kill_server(pid: int) -> None:
    """Kill the server that an editor has started. Not every editor asks for its last words."""
    server = until(lambda: server_below(pid), "server")
    assert server
    server.kill()
    over = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    until(lambda: not server.is_running() or server.status() in over, "end of the server")
