"""A model on another machine: an engine that asks a llama-server or vLLM.

For teams that outgrow one machine: many users, one accelerator, adapters by name. Prompts are
built here as for a model in this process; only they, and no other code, go to the server. While
the server is down, a request fails at once instead of letting every keystroke wait.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager

from budgetai_core.context.prompt import Prompt
from budgetai_core.context.window import WindowLimits
from budgetai_core.errors import ModelError
from budgetai_server.inference.engine import Cancelled, Piece, Usage
from budgetai_server.inference.remote.endpoint import LLAMA_SERVER, OPENAI, Endpoint
from budgetai_server.inference.remote.failures import Failure, silent, unknown_server
from budgetai_server.inference.remote.llama_server import LlamaServer
from budgetai_server.inference.remote.openai_server import OpenAIServer
from budgetai_server.inference.remote.protocol import ServerProtocol
from budgetai_server.inference.remote.transport import Check, Transport

_FIRST_REST = 1.0
_MAX_REST_SECONDS = 60.0
# What a server without a path says about it; everything else is said about us.
_NO_SUCH_PATH = (200, 400, 404, 405, 500, 501)


class RemoteEngine:
    """An Engine whose model runs elsewhere. Nothing is opened before the first request."""

    def __init__(self, endpoint: Endpoint, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Connect later. `clock` counts seconds. Raises ModelError if the endpoint's CA file cannot
        be used."""
        self._endpoint = endpoint
        self._clock = clock
        self._transport = Transport(endpoint)
        self._dialect: ServerProtocol | None = None
        self._reason: ModelError | None = None
        self._rest = _FIRST_REST
        self._again = 0.0
        self._unanswered = 0.0
        self._since = 0.0
        self.ahead = False
        self.state = "connecting"
        """ready, connecting, or "down: " and the reason; may be read from any thread."""

    @property
    def name(self) -> str:
        """The model's name and the server's; the model's is known after the first answer."""
        model = self._dialect.model if self._dialect else self._endpoint.model or "model"
        return f"{model} at {self._endpoint.host}"

    @property
    def limits(self) -> WindowLimits:
        return self._endpoint.limits

    def connect(self, cancelled: Check = lambda: False) -> None:
        """Look at the server ahead of the first request. Raises as `generate` does."""
        with self._watched():
            self._connected(cancelled)
            self._answered()

    def generate(
        self, prompt: Prompt, limit: int, cancelled: Check, usage: Usage
    ) -> Iterator[Piece]:
        """Do as Engine.generate says. Raises ModelError at once while the server is known to be
        down."""
        with self._watched():
            dialect = self._connected(cancelled)
            with closing(dialect.ask(prompt, limit, cancelled, usage)) as pieces:
                for count, piece in enumerate(_timed(pieces, usage), 1):
                    self._answered()
                    if count > limit:
                        break
                    yield piece
            self._answered()

    def warm(self, prompt: Prompt, cancelled: Check, usage: Usage) -> None:
        """Do as Engine.warm says."""
        with self._watched():
            self._connected(cancelled).warm(prompt, cancelled)
            self._answered()

    def learn(self, texts: Iterable[str]) -> None:
        """Do nothing: no code leaves this machine but what a prompt shows."""

    def close(self) -> None:
        self._transport.close()

    def _connected(self, cancelled: Check) -> ServerProtocol:
        if self._dialect is None:
            self._dialect = connect(self._transport, self._endpoint, cancelled)
        return self._dialect

    def _answered(self) -> None:
        self.state = "ready"
        self._reason = None
        self._rest = _FIRST_REST
        self._unanswered = 0.0
        self._since = self._clock()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Remember a failure, and let nobody wait for the next one."""
        if self._reason is not None and self._clock() < self._again:
            raise ModelError(*_parts(self._reason))
        self._since = self._clock()
        try:
            yield
        except Cancelled:
            self._count_waiting()
            raise
        except ModelError as error:
            self._fail(error)
            raise

    def _count_waiting(self) -> None:
        """Count time-outs of a waiting user: who types fast gives up every request before it can
        time out. When such waits add up to the timeout without one answer between them, the server
        is down all the same."""
        self._unanswered += self._clock() - self._since
        if self._unanswered >= self._endpoint.timeout:
            self._fail(silent(self._endpoint))

    def _fail(self, error: ModelError) -> None:
        self.state = f"down: {error}"
        self._reason = error
        self._again = self._clock() + self._rest
        self._rest = min(2 * self._rest, _MAX_REST_SECONDS)
        self._unanswered = 0.0
        # It may come back with another model: it will be asked anew.
        self._dialect = None


def _timed(pieces: Iterator[Piece], usage: Usage) -> Iterator[Piece]:
    """Yield the pieces, with the time they were waited for added to `usage`."""
    while True:
        began = time.perf_counter()
        piece = next(pieces, None)
        usage.model_seconds += time.perf_counter() - began
        if piece is None:
            return
        yield piece


def _parts(error: ModelError) -> tuple[str, str]:
    return str(error.args[0]), error.hint


def connect(transport: Transport, endpoint: Endpoint, cancelled: Check) -> ServerProtocol:
    """Find out which kind of server it is, if the endpoint does not say, and what it has."""
    props = None if endpoint.dialect == OPENAI else _props(transport, endpoint, cancelled)
    if props is not None:
        llama = LlamaServer(transport, endpoint, props)
        llama.greet(cancelled)
        return llama
    server = OpenAIServer(transport, endpoint)
    try:
        server.greet(cancelled)
    except Failure as refusal:
        if refusal.status in (404, 405):
            raise unknown_server(endpoint) from None
        raise
    return server


def _props(transport: Transport, endpoint: Endpoint, cancelled: Check) -> dict[str, object] | None:
    """Return what a llama-server says of itself; None if it is none."""
    try:
        props = transport.get("/props", cancelled)
    except Failure as refusal:
        if endpoint.dialect == LLAMA_SERVER or refusal.status not in _NO_SUCH_PATH:
            raise
        return None
    if isinstance(props, dict) and "default_generation_settings" in props:
        return props
    if endpoint.dialect == LLAMA_SERVER:
        raise unknown_server(endpoint)
    return None
