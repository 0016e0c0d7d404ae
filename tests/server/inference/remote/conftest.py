"""Servers to ask, and engines that ask them."""

from collections.abc import Callable, Iterator

import pytest

from budgetai_server.inference.remote.endpoint import Endpoint
from budgetai_server.inference.remote.remote_engine import RemoteEngine
from support.model_server import ModelServer

TEXT = "def add(a, b):\n    return a + b\n"


@pytest.fixture
def serve() -> Iterator[Callable[..., ModelServer]]:
    servers: list[ModelServer] = []

    def start(kind: str, *texts: str, context: int = 4096) -> ModelServer:
        servers.append(ModelServer(kind, *(texts or (TEXT,)), context=context))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def engine() -> Iterator[Callable[..., RemoteEngine]]:
    engines: list[RemoteEngine] = []

    def make(server: ModelServer, **more: object) -> RemoteEngine:
        clock = more.pop("clock", None)
        endpoint = Endpoint(**{"url": server.url, "timeout": 5.0, **more})  # type: ignore[arg-type]
        engines.append(RemoteEngine(endpoint, **({"clock": clock} if clock else {})))  # type: ignore[arg-type]
        return engines[-1]

    yield make
    for made in engines:
        made.close()
