"""The real gateway on a real socket, in this process, with an engine that says what it is told."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
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
SAID = "sum(items)\n"


class Scripted:
    """An engine that says the same at each place, with `seconds` before each character. Behind so
    many as `gated_at` says it waits for its `gate`."""

    name, state, ahead, limits = "scripted", "ready", False, WindowLimits()

    def __init__(self, text: str = "", seconds: float = 0.0) -> None:
        self.text, self.seconds = text, seconds
        self.prompts: list[Prompt] = []
        self.stopped = 0
        self.gate = threading.Event()
        self.gated_at: int | None = None

    def generate(
        self, prompt: Prompt, limit: int, cancelled: Callable[[], bool], usage: Usage
    ) -> Iterator[Piece]:
        self.prompts.append(prompt)
        for written, character in enumerate(self.text):
            until = time.monotonic() + self.seconds
            while not cancelled() and (time.monotonic() < until or self._waits(written)):
                time.sleep(0.002)
            if cancelled():
                self.stopped += 1
                raise Cancelled
            yield Piece(character)

    def _waits(self, written: int) -> bool:
        return written == self.gated_at and not self.gate.is_set()

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
        with self._answer(path, body, method, headers) as answer:
            kind = (answer.getheader("Content-Type") or "").partition(";")[0]
            return Answer(answer.status, kind, answer.read().decode())

    @contextmanager
    def stream(self, path: str, body: Any, **headers: str) -> Iterator[Iterator[Any]]:
        """The values of a stream as they come. Whoever leaves closes the connection."""
        with self._answer(path, body, "", headers) as answer:
            lines = (line.decode().strip().removeprefix("data: ") for line in answer)
            yield (line if line == "[DONE]" else json.loads(line) for line in lines if line)

    @contextmanager
    def _answer(
        self, path: str, body: Any, method: str, headers: Mapping[str, str | None]
    ) -> Iterator[HTTPResponse]:
        sent = None if body is None else body if isinstance(body, bytes) else json.dumps(body)
        given = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        merged = {**given, **named}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        usable = {name: text for name, text in merged.items() if text is not None}
        connection.request(method or ("GET" if sent is None else "POST"), path, sent, usable)
        answer = connection.getresponse()
        try:
            yield answer
        finally:
            # The answer holds the connection's file, too.
            answer.close()
            connection.close()


def wait_for(happened: Callable[[], bool]) -> None:
    """Wait until something is so. Raises AssertionError where it takes a minute."""
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


@contextmanager
def running(
    engine: Scripted,
    root: Path | None,
    key: str | None = KEY,
    by_path: Callable[[Path], Scripted] | None = None,
    **options: Any,
) -> Iterator[Running]:
    """A gateway for a repository. With `by_path` its model is the one that is found for the
    repository, and stands for an engine."""
    settings = ServerOptions(model=None if by_path else Path("scripted.gguf"), **options)

    def open_model(path: Path, options: ServerOptions) -> Opened:
        return Opened(by_path(path) if by_path else engine, CompletionPolicy(), "scripted")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_manager, "open_model", open_model)
        listening = create_server(("127.0.0.1", 0))
        server = make_server(settings, root, key)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            gateway = Running(listening.getsockname()[1], engine)
            until = time.monotonic() + 60
            while gateway.ask("/health").status == 503 and time.monotonic() < until:
                time.sleep(0.02)
            yield gateway
        finally:
            server.should_exit = True
            thread.join(30)
            listening.close()
