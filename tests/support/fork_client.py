"""A process that stands for one of a fork server, for whoever starts a program by its command line:
it hands over its standard files, passes signals on, and ends as that one ends. See `forked`.

It runs without the site packages, and imports little: it is what a fork costs over a library call.
"""

import json
import os
import signal
import socket
import sys

# As in `fork_server`, whose import would cost more than all the rest here.
NUMBER_BYTES = 8
PASSED_ON = ("SIGINT", "SIGTERM", "SIGHUP")


def main(address: str, *arguments: str) -> None:
    folder = os.getcwd()  # noqa: PTH109 - pathlib takes longer to import than all the rest here
    request = json.dumps(
        {"arguments": arguments, "env": dict(os.environ), "cwd": folder, "file_limit": None}
    ).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [len(request).to_bytes(NUMBER_BYTES)], [0, 1, 2])
        connection.sendall(request)
        child = _number(connection)
        for name in PASSED_ON:
            signal.signal(getattr(signal, name), lambda number, _: os.kill(child, number))
        # A pipe has to end with the one that it was handed to.
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        code = _number(connection)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _number(connection: socket.socket) -> int:
    return int.from_bytes(connection.recv(NUMBER_BYTES), signed=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
