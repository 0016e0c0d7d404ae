"""The HTTP server: its limits, and the gateway behind them."""

import asyncio
import logging
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from budgetai_server.gateway.access import Guard
from budgetai_server.gateway.app import Gateway
from budgetai_server.gateway.repositories import Repositories
from budgetai_server.options import ServerOptions
from budgetai_server.workspace.session import Session

SERVER_NAME = "budgetai-gateway"
# A plugin may ask several times a key, from several windows; who comes beyond is told to wait.
MAX_CONNECTIONS = 512
# Files that are open beside the connections: the model, the index, pipes.
_OTHER_FILES = 256
# Seconds for a connection to begin its first request, and to stay idle behind one.
_MAX_SILENT_SECONDS = 20
_MAX_CLOSING_SECONDS = 2


class PatientProtocol(H11Protocol):
    """uvicorn's protocol, which would keep a connection for ever that never says anything."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._patience = self.loop.call_later(_MAX_SILENT_SECONDS, self._close_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._patience:
            self._patience.cancel()
        super().connection_lost(exc)

    def _close_silent(self) -> None:
        if self.cycle is None:
            self.transport.close()


def make_server(options: ServerOptions, root: Path | None, key: str | None) -> uvicorn.Server:
    """Return a server ready to `run` on a socket. `root` is the repository of requests that name no
    other. Without a `key` none is asked for, and no other repository is read."""
    # Plugins do not tell what becomes of a suggestion.
    settings = replace(options, usage=False)

    def make_session(root: Path | None) -> Session:
        return Session(settings, (root,) if root else (), trusted=True)

    repositories = Repositories(root, make_session, others=key is not None)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    config = uvicorn.Config(
        Guard(Gateway(repositories).app(), key),
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        headers=[("Server", SERVER_NAME)],
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=_MAX_SILENT_SECONDS,
        timeout_graceful_shutdown=_MAX_CLOSING_SECONDS,
    )
    return uvicorn.Server(config)


def raise_file_limit() -> None:
    """Let the process open as many files as connections may need, where the system has such a limit
    and allows it."""
    if sys.platform == "win32":
        return
    import resource

    wanted = MAX_CONNECTIONS + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
