"""Start our commands as processes that are forked where torch is imported already."""

import atexit
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from support.fork_server import NUMBER_BYTES, READY, number

FORK_SERVER = Path(__file__).with_name("fork_server.py")
FORK_CLIENT = Path(__file__).with_name("fork_client.py")
# What the trainer, the converter and their tests import sooner or later.
LIBRARIES = (
    "torch",
    "transformers",
    "peft",
    "budgetai_training.train",
    "budgetai_training.report.html",
    "budgetai_convert.convert",
)
# And the language server: classes for every message of the protocol, made anew by each interpreter.
SERVER_LIBRARIES = ("budgetai_server.cli.server", "budgetai_server.lsp")


class Process:
    """A process that was forked, as `subprocess.Popen` shows one. It ends with this object."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.returncode: int | None = None
        self.pid = self._number(None)

    def __del__(self) -> None:
        self.connection.close()

    def poll(self) -> int | None:
        if self.returncode is None:
            try:
                self.returncode = self._number(0)
            except BlockingIOError:
                return None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            try:
                self.returncode = self._number(timeout)
            except TimeoutError:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0) from None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _number(self, timeout: float | None) -> int:
        self.connection.settimeout(timeout)
        data = self.connection.recv(NUMBER_BYTES)
        assert data, "the fork server has died"
        return int.from_bytes(data, signed=True)


def start(
    *arguments: object,
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
    stderr: IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    file_limit: int | None = None,
    libraries: tuple[str, ...] = LIBRARIES,
) -> Process:
    """Start `python *arguments`, which begin with -m or -c. What is not given is /dev/null, or as
    it is here. A file that it writes may have `file_limit` bytes."""
    request = json.dumps(
        {
            "arguments": [str(argument) for argument in arguments],
            "env": dict(os.environ if env is None else env),
            "cwd": str(cwd or Path.cwd()),
            "file_limit": file_limit,
        }
    ).encode()
    address = _address(libraries)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    with Path(os.devnull).open("r+b") as null:
        files = [(file or null).fileno() for file in (stdin, stdout, stderr)]
        socket.send_fds(connection, [number(len(request))], files)
        connection.sendall(request)
        return Process(connection)


def run(
    *arguments: object,
    timeout: float | None = 120,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    file_limit: int | None = None,
    libraries: tuple[str, ...] = LIBRARIES,
) -> "subprocess.CompletedProcess[str]":
    """Run `python *arguments` to its end, as `subprocess.run` does."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = start(
            *arguments,
            stdout=out,
            stderr=err,
            env=env,
            cwd=cwd,
            file_limit=file_limit,
            libraries=libraries,
        )
        try:
            code = process.wait(timeout)
        finally:
            process.connection.close()
        printed = []
        for file in (out, err):
            file.seek(0)
            printed.append(file.read().decode())
    return subprocess.CompletedProcess([str(a) for a in arguments], code, *printed)


def command(*arguments: object, libraries: tuple[str, ...] = LIBRARIES) -> list[str]:
    """Return what starts `python *arguments` as a fork, for whoever starts processes by a command
    line. Signals reach the fork, and its exit code is seen; its process id is another."""
    client = [sys.executable, "-I", "-S", str(FORK_CLIENT), _address(libraries)]
    return [*client, *map(str, arguments)]


@functools.cache
def _address(libraries: tuple[str, ...]) -> str:
    """Where the fork server with these libraries listens, which starts at the first call."""
    # Not below pytest's folder: the address of a socket is 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="fork-"))
    address = folder / "socket"
    server = subprocess.Popen(
        [sys.executable, "-P", FORK_SERVER, address, *libraries],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    assert server.stdin and server.stdout
    pipes = (server.stdin, server.stdout)

    def stop() -> None:
        for pipe in pipes:
            pipe.close()
        server.wait()
        shutil.rmtree(folder)

    atexit.register(stop)
    assert server.stdout.readline() == READY, "the fork server does not start"
    return str(address)
