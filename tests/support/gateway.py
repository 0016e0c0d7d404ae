"""The real gateway on a real socket, in this process, with an engine that says what it is told."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from socket import create_server
from typing import Any, NamedTuple

import pytest

from budgetai_core.context.prompt import Prompt
from budgetai_core.context.window import WindowLimits
from budgetai_server.completion.render import CompletionPolicy
from budgetai_server.gateway.server import make_server
from budgetai_server.inference.engine import Cancelled, Piece, Usage
from budgetai_server.loader import Opened
from budgetai_server.options import ServerOptions
from budgetai_server.workspace import model_manager

KEY = "made-up"


class Scripted:
    """An engine that says the same at each place, with `seconds` before each character."""

    name, state, ahead, limits = "scripted", "ready", False, WindowLimits()

    def __init__(self, text: str = "", seconds: float = 0.0) -> None:
        self.text, self.seconds = text, seconds
        self.prompts: list[Prompt] = []
        self.stopped = 0

    def generate(
        self, prompt: Prompt, limit: int, cancelled: Callable[[], bool], usage: Usage
    ) -> Iterator[Piece]:
        self.prompts.append(prompt)
        for character in self.text:
            until = time.monotonic() + self.seconds
            while not cancelled() and time.monotonic() < until:
                time.sleep(0.002)
            if cancelled():
                self.stopped += 1
                raise Cancelled
            yield Piece(character)

    def warm(self, prompt: Prompt, cancelled: Callable[[], bool], usage: Usage) -> None: ...

    def learn(self, texts: object) -> None: ...

    def close(self) -> None: ...


class Answer(NamedTuple):
    """What came back. `body` is that of one JSON value, or the text."""

    status: int
    kind: str
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def events(self) -> list[Any]:
        """The values of a stream of events, or of lines."""
        lines = [line.removeprefix("data: ") for line in self.text.splitlines() if line]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]


class Running:
    """A gateway that runs."""

    def __init__(self, port: int, engine: Scripted) -> None:
        self.port, self.engine = port, engine

    def ask(self, path: str, body: Any = None, method: str = "", **headers: str | None) -> Answer:
        """One request, as a plugin with the key sends it. Headers are named with _ for -."""
        sent = None if body is None else body if isinstance(body, bytes) else json.dumps(body)
        given = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        merged = {**given, **named}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            usable = {name: text for name, text in merged.items() if text is not None}
            connection.request(method or ("GET" if sent is None else "POST"), path, sent, usable)
            answer = connection.getresponse()
            kind = (answer.getheader("Content-Type") or "").partition(";")[0]
            return Answer(answer.status, kind, answer.read().decode())
        finally:
            connection.close()


@contextmanager
def running(
    engine: Scripted, root: Path | None, key: str | None = KEY, **options: Any
) -> Iterator[Running]:
    """A gateway for a repository."""
    opened = Opened(engine, CompletionPolicy(), "scripted")
    settings = ServerOptions(model=Path("scripted.gguf"), **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_manager, "open_model", lambda path, options: opened)
        listening = create_server(("127.0.0.1", 0))
        server = make_server(settings, root, key)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            gateway = Running(listening.getsockname()[1], engine)
            until = time.monotonic() + 60
            while gateway.ask("/health").status != 200 and time.monotonic() < until:
                time.sleep(0.02)
            yield gateway
        finally:
            server.should_exit = True
            thread.join(30)
            listening.close()
