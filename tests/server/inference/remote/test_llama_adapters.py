"""The adapters of a llama-server are named with each request."""

from collections.abc import Iterator

import pytest

from budgetai_core.context.prompt import Prompt
from budgetai_core.errors import ModelError
from budgetai_server.inference.engine import Usage
from budgetai_server.inference.remote.endpoint import Endpoint
from budgetai_server.inference.remote.remote_engine import RemoteEngine
from support.model_server import ModelServer

PROMPT = Prompt("repo", "a.py", (), "", "def add(")
REST = "a, b):\n    return a + b\n"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    made = ModelServer("llama", "def add(" + REST)
    yield made
    made.stop()


@pytest.fixture
def engine(server: ModelServer) -> Iterator[RemoteEngine]:
    made = RemoteEngine(Endpoint(url=server.url, timeout=5.0))
    yield made
    made.close()


def ask(engine: RemoteEngine) -> str:
    pieces = engine.generate(PROMPT, 200, lambda: False, Usage())
    return "".join(piece.text for piece in pieces)


def test_each_request_names_them(server: ModelServer, engine: RemoteEngine) -> None:
    """Or it would go on from what another client's adapters left in the cache."""
    server.adapters = [
        {"id": 0, "path": "/models/a.gguf", "scale": 1.0},
        {"id": 1, "path": "/models/b.gguf", "scale": 0, "task_name": ""},
    ]
    engine.warm(PROMPT, lambda: False, Usage())
    assert ask(engine) == REST
    named = [{"id": 0, "scale": 1.0}, {"id": 1, "scale": 0.0}]
    assert [body["lora"] for body in server.asked("/completion")] == [named, named]
    assert len(server.asked("/lora-adapters")) == 1


ADAPTERS = [
    {"id": 0, "path": "/models/shop.gguf", "scale": 0.5},
    {"id": 1, "path": "C:\\models\\till.gguf", "scale": 0, "task_name": ""},
]


@pytest.mark.parametrize(
    ("name", "scales"), [("shop", [0.5, 0.0]), ("till", [0.0, 1.0]), ("none", [0.0, 0.0])]
)
def test_one_is_applied_alone_by_its_name(
    server: ModelServer, name: str, scales: list[float]
) -> None:
    """One that the server has switched off is applied in full."""
    server.adapters = ADAPTERS
    engine = RemoteEngine(Endpoint(url=server.url, model=name, timeout=5.0))
    assert ask(engine) == REST
    assert engine.name.startswith(name)
    (body,) = server.asked("/completion")
    assert body["lora"] == [{"id": number, "scale": scale} for number, scale in enumerate(scales)]
    engine.close()


def test_a_name_that_is_not_there_is_said_with_those_that_are(server: ModelServer) -> None:
    server.adapters = ADAPTERS
    engine = RemoteEngine(Endpoint(url=server.url, model="tills", timeout=5.0))
    with pytest.raises(ModelError, match="has no model 'tills'") as refusal:
        engine.connect()
    assert "shop, till" in str(refusal.value)
    engine.close()


@pytest.mark.parametrize("status", [200, 404, 501])
def test_a_server_without_adapters_is_sent_none(
    server: ModelServer, engine: RemoteEngine, status: int
) -> None:
    if status != 200:
        server.faults["/lora-adapters"] = [lambda handler: handler.json({"error": {}}, status)]
    assert ask(engine) == REST
    assert not any("lora" in body for body in server.asked("/completion"))
