"""Our commands as processes without the seconds that torch takes to import: a program that has
imported the libraries and forks for each command. See `forked`, which starts it and asks it.

A fork is a real process, with its own arguments, environment, folder, files, limits and signals. It
differs from a fresh interpreter in that its libraries are there already: what they print, read from
the environment or cost while they are imported is seen in no fork. Tests of that start Python.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import resource
import runpy
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Of a message: the length of the JSON that follows, a process id, an exit code.
NUMBER_BYTES = 8
READY = b"ready\n"


class Server:
    """Forks once for each connection to `listener`, until standard input ends. To a connection it
    tells the child's process id and then its exit code; where the other end hangs up before, the
    child is killed."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.children: dict[int, socket.socket] = {}
        self.ended, wakeup = socket.socketpair()
        self.ended.setblocking(False)
        wakeup.setblocking(False)
        self.wakeup = wakeup
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup.fileno())
        self.waiting = selectors.DefaultSelector()
        for source in (0, listener, self.ended):
            self.waiting.register(source, selectors.EVENT_READ)

    def serve(self) -> dict[str, Any] | None:
        """Return None in the server, at its end, and what to run in each child."""
        while True:
            for key, _ in self.waiting.select():
                if key.fileobj == 0:
                    for pid in self.children:
                        os.kill(pid, signal.SIGKILL)
                    return None
                if key.fileobj is self.ended:
                    self._reap()
                elif key.fileobj is not self.listener:
                    self._hung_up(key)
                elif request := self._fork():
                    return request

    def _hung_up(self, key: selectors.SelectorKey) -> None:
        """Nothing is ever sent on a connection after its request."""
        if key.data in self.children:
            os.kill(key.data, signal.SIGKILL)
            self.waiting.unregister(key.fileobj)

    def _fork(self) -> dict[str, Any] | None:
        connection, _ = self.listener.accept()
        length, files, _, _ = socket.recv_fds(connection, NUMBER_BYTES, 3)
        request: dict[str, Any] = json.loads(_received(connection, int.from_bytes(length)))
        pid = os.fork()
        if not pid:
            self._become_child(connection, files)
            return request
        for file in files:
            os.close(file)
        self.children[pid] = connection
        self.waiting.register(connection, selectors.EVENT_READ, pid)
        return None

    def _become_child(self, connection: socket.socket, files: list[int]) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # A shell that runs tests in its background has Ctrl-C ignored, and children inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.waiting.close()
        for standard, file in enumerate(files):
            os.dup2(file, standard)
            os.close(file)
        # From here on it can take signals as any other process.
        connection.sendall(number(os.getpid()))
        for own in (connection, self.listener, self.ended, self.wakeup, *self.children.values()):
            own.close()

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.ended.recv(4096)
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            with self.children.pop(pid) as connection:
                with contextlib.suppress(KeyError):
                    self.waiting.unregister(connection)
                with contextlib.suppress(OSError):
                    connection.sendall(number(os.waitstatus_to_exitcode(status)))


def number(value: int) -> bytes:
    return value.to_bytes(NUMBER_BYTES, signed=True)


def _received(connection: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        data += connection.recv(length - len(data))
    return bytes(data)


class Exit:
    """Ends a process without taking thousands of modules apart, which takes half a second. All that
    is seen from outside has been done by then: threads are joined, what was registered with atexit
    was called."""

    def __init__(self) -> None:
        self.code: int | None = None
        # What is registered first is called last, so this stands before all imports.
        atexit.register(self._leave)

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Note how the interpreter will exit. Ctrl-C ends it by a signal, so that is left to it."""
        try:
            yield
            self.code = 0
        except SystemExit as stop:
            printed = stop.code is not None and not isinstance(stop.code, int)
            self.code = 1 if printed else int(stop.code or 0)
            raise
        except Exception:
            self.code = 1
            raise

    def _leave(self) -> None:
        if self.code is not None:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            os._exit(self.code & 0xFF)


def run(request: dict[str, Any]) -> None:
    """Do what `python *arguments` does, in this process."""
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    if request["file_limit"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_limit"],) * 2)
    numpy = sys.modules.get("numpy")
    if numpy:
        # Python's own generator gets a seed of its own in a fork, NumPy's does not.
        numpy.random.seed()
    kind, what, *arguments = request["arguments"]
    sys.argv = ["-c" if kind == "-c" else what, *arguments]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


def main(address: str, *libraries: str) -> None:
    leaving = Exit()
    for library in libraries:
        importlib.import_module(library)
    tasks = Path("/proc/self/task")
    threads = len(list(tasks.iterdir())) if tasks.exists() else threading.active_count()
    # A fork has one thread. A lock that another one held would never be released in it.
    assert threads == 1, f"{threads} threads run after the import of {libraries}"
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(16)
        os.write(1, READY)
        request = Server(listener).serve()
    if request:
        with leaving.told():
            run(request)


if __name__ == "__main__":
    main(*sys.argv[1:])
