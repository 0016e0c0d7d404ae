"""`budgetai-gateway`: the command line of the gateway. It listens on the loopback alone."""

import logging
import socket
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from budgetai_core.command import parse, run
from budgetai_core.errors import OptionError
from budgetai_core.options import option
from budgetai_server.options import ServerOptions

PROGRAM = "budgetai-gateway"
ABOUT = (
    "Serve completions of the models tuned on your repositories to editor plugins that speak HTTP:"
    " llama-server's words, OpenAI's and Ollama's, on this machine alone."
)
HOST = "127.0.0.1"
_BACKLOG = 512


@dataclass(frozen=True, kw_only=True)
class GatewayOptions(ServerOptions):
    """Where the gateway listens, for whom, and how it completes."""

    port: int = option(
        8012,
        "port of the loopback (127.0.0.1) to listen at; 0 takes a free one",
        low=0,
        high=65_535,
    )
    repo: Path = option(
        Path(),
        "the repository of requests that name no file of another",
        unit="folder",
    )
    auth: bool = option(
        True,
        "ask each request for the key; without it, anyone on this machine may ask, and files of"
        " other repositories than --repo are completed without their repository",
    )
    key_file: Path | None = option(
        None,
        "file with the key, readable by you alone; without it, one is made in the data folder",
        unit="file",
    )


def main(argv: list[str] | None = None) -> int:
    return run(PROGRAM, lambda: _main(argv))


def _main(argv: list[str] | None) -> int:
    options = parse(PROGRAM, ABOUT, GatewayOptions, argv)
    logging.basicConfig(
        stream=sys.stderr,
        level=options.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # First of all: without a port there is no need for a model.
    listening = _bound(options.port)
    with listening:
        return _serve(options, listening)


def _serve(options: GatewayOptions, listening: socket.socket) -> int:
    from budgetai_server.gateway.access import own_key
    from budgetai_server.gateway.server import make_server, raise_file_limit

    key, key_file = own_key(options.key_file) if options.auth else (None, None)
    root = _root(options.repo)
    raise_file_limit()
    server = make_server(options, root, key)
    address = "http://{}:{}".format(*listening.getsockname())
    asked = f"the key stands in {key_file}" if key_file else "no key is asked for"
    print(f"{PROGRAM}: {address}, {asked}; {root or 'no repository'}", flush=True)
    server.run(sockets=[listening])
    return 0


def _root(repo: Path) -> Path | None:
    """Return the root of the repository that --repo names, or lies in. Raises OptionError where it
    is not a folder, or holds the user's home."""
    from budgetai_server.workspace.roots import holds_home, repository_of

    folder = repo.expanduser().resolve()
    if not folder.is_dir():
        raise OptionError(f"--repo {repo} is not a folder", "Name the folder of a repository")
    root = repository_of(folder) or folder
    if not holds_home(root):
        return root
    if repo == Path():
        # Started somewhere: the files that requests name tell their repositories.
        return None
    raise OptionError(f"--repo {repo} holds your home folder", "Name the folder of one project")


def _bound(port: int) -> socket.socket:
    """Return a socket at a port of the loopback. Raises OptionError where it is in use."""
    try:
        # It sets what lets a port be taken again at once, only where that does not share it.
        return socket.create_server((HOST, port), backlog=_BACKLOG)
    except PermissionError:
        raise OptionError(f"--port {port} is not yours to take", "Use one above 1023") from None
    except OSError:
        used = "a gateway runs there already" if _is_gateway(port) else "another program uses it"
        raise OptionError(f"--port {port}: {used}", "Stop it, or name another --port") from None


def _is_gateway(port: int) -> bool:
    connection = HTTPConnection(HOST, port, timeout=2)
    with closing(connection), suppress(OSError, HTTPException):
        connection.request("GET", "/health")
        return connection.getresponse().getheader("Server") == PROGRAM
    return False
