"""JSON over HTTP for a thread that must be able to stop: requests, event streams, retries.

The calling thread drives a private event loop, so that it can ask every few milliseconds whether
the work is still wanted, also while a server is silent. It knows no dialect and no prompt.
"""

import asyncio
import json
import logging
import random
import ssl
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from budgetai_core.errors import ModelError
from budgetai_server.inference.engine import Cancelled
from budgetai_server.inference.remote.endpoint import Endpoint
from budgetai_server.inference.remote.failures import (
    Failure,
    broken_off,
    explain,
    no_json,
    reported,
    silent,
    unreachable,
)

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")
Check = Callable[[], bool]
Events = Generator[dict[str, Any], None, None]

_POLL = 0.01
_CONNECT_SECONDS = 3.0
_FIRST_PAUSE = 0.25
_RETRIES = 2
_WORTH_ANOTHER_TRY = (429, 502, 503, 504)
# A completion is a few kilobytes. More than this is a mistake, or an attack on our memory.
_MAX_ANSWER_BYTES = 1 << 24


class Transport:
    """One server's connections, kept open between requests. One thread uses it at a time."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Open nothing yet. Raises ModelError if the CA file cannot be used."""
        self._endpoint = endpoint
        self._tls = _tls(endpoint)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx2.AsyncClient | None = None
        self._lock = threading.RLock()
        self._closed = False

    def get(self, path: str, cancelled: Check) -> Any:
        """Return what the server answers to GET, from JSON. Raises Refusal, ModelError,
        Cancelled."""
        return self._drive(self._whole("GET", path, None), cancelled)

    def post(self, path: str, body: object, cancelled: Check) -> Any:
        """Return what the server answers to POST, from JSON. Raises as `get` does."""
        return self._drive(self._whole("POST", path, body), cancelled)

    def events(self, path: str, body: object, cancelled: Check) -> Events:
        """Return the JSON objects of a stream of server-sent events, each as soon as it is there.

        Closing the iterator, or `cancelled`, closes the connection: the server stops working.
        """
        response = self._drive(self._open("POST", path, body), cancelled)
        lines = _data_lines(response)
        try:
            while (data := self._drive(self._next(lines), cancelled)) != "[DONE]":
                event = self._parsed(data)
                if not isinstance(event, dict):
                    raise no_json(self._endpoint)
                if event.get("error"):
                    raise reported(self._endpoint, event["error"], body)
                yield event
                if event.get("stop") is True:
                    # llama-server says so itself; what follows is the end of the stream.
                    break
            self._drive(self._drain(lines), cancelled)
        finally:
            self._finish(lines, response)

    def close(self) -> None:
        """Close the connections. May be called from any thread; what is running stops."""
        self._closed = True
        with self._lock:
            if self._loop is not None and not self._loop.is_running():
                if self._client is not None:
                    self._loop.run_until_complete(self._client.aclose())
                self._loop.close()
                self._loop = self._client = None

    def _drive(self, work: Coroutine[Any, Any, T], cancelled: Check) -> T:
        """Run a coroutine in this thread until it is done or no longer wanted."""
        with self._lock:
            if self._closed or cancelled():
                work.close()
                raise Cancelled
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
            return self._loop.run_until_complete(self._watched(work, cancelled))

    async def _watched(self, work: Coroutine[Any, Any, T], cancelled: Check) -> T:
        task = asyncio.ensure_future(work)
        while not (await asyncio.wait({task}, timeout=_POLL))[0]:
            if self._closed or cancelled():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                raise Cancelled
        return task.result()

    def _finish(self, lines: AsyncGenerator[str, None], response: "httpx2.Response") -> None:
        async def finish() -> None:
            await lines.aclose()
            await response.aclose()

        with self._lock:
            if self._loop is not None and self._loop.is_running():
                # The collector closes a forgotten stream wherever it happens to run.
                self._closing = self._loop.create_task(finish())
            elif self._loop is not None:
                self._loop.run_until_complete(finish())

    async def _whole(self, method: str, path: str, body: object) -> Any:
        response = await self._open(method, path, body)
        return self._parsed(await self._read(response))

    def _parsed(self, data: str) -> Any:
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise no_json(self._endpoint) from None

    async def _read(self, response: "httpx2.Response") -> str:
        """Return the body as text, as far as it is of a sensible size."""
        import httpx2

        data = bytearray()
        try:
            async with asyncio.timeout(self._endpoint.timeout):
                async for block in response.aiter_bytes():
                    data += block
                    if len(data) > _MAX_ANSWER_BYTES:
                        break
        except TimeoutError:
            raise silent(self._endpoint) from None
        except httpx2.HTTPError:
            raise broken_off(self._endpoint) from None
        finally:
            await response.aclose()
        return data.decode("utf-8", "replace")

    async def _next(self, lines: AsyncGenerator[str, None]) -> str:
        import httpx2

        try:
            async with asyncio.timeout(self._endpoint.timeout):
                return await anext(lines)
        except TimeoutError:
            raise silent(self._endpoint) from None
        except (StopAsyncIteration, httpx2.HTTPError):
            raise broken_off(self._endpoint) from None

    async def _drain(self, lines: AsyncGenerator[str, None]) -> None:
        """Read on to the end, which is near: a connection read to its end is used again."""
        import httpx2

        try:
            async with asyncio.timeout(1):
                async for _ in lines:
                    pass
        except (TimeoutError, httpx2.HTTPError, ModelError):
            return

    async def _open(self, method: str, path: str, body: object) -> "httpx2.Response":
        """Return an answer whose status is 200 and whose body is still to be read.

        Tries again, before there is a body, where another try may help and the time allows it.
        """
        deadline = time.monotonic() + self._endpoint.timeout
        for attempt in range(_RETRIES + 1):
            answer = await self._attempt(method, path, body, deadline)
            if not isinstance(answer, Failure):
                return answer
            pause = answer.retry_after or _FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1)
            left = deadline - time.monotonic()
            if not answer.temporary or attempt == _RETRIES or pause >= left:
                raise answer
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(
        self, method: str, path: str, body: object, deadline: float
    ) -> "httpx2.Response | Failure":
        import httpx2

        client = self._connected()
        request = client.build_request(method, self._endpoint.base + path, json=body)
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                response = await client.send(request, stream=True)
        except httpx2.ConnectTimeout:
            return unreachable(self._endpoint, None)
        except (TimeoutError, httpx2.TimeoutException):
            raise silent(self._endpoint) from None
        except httpx2.TransportError as error:
            return unreachable(self._endpoint, error)
        kind = response.headers.get("content-type", "")
        if response.status_code == 200 and "html" not in kind:
            return response
        try:
            text = await self._read(response)
        except ModelError:
            text = ""
        location = response.headers.get("location", "")
        temporary = response.status_code in _WORTH_ANOTHER_TRY
        refusal = explain(self._endpoint, response.status_code, kind, location, text, body)
        refusal.temporary = temporary
        refusal.retry_after = _seconds(response.headers.get("retry-after", ""))
        return refusal

    def _connected(self) -> "httpx2.AsyncClient":
        """Return the client. Proxies and passwords of the environment are not used: code and token
        go to the named server, and to nobody else."""
        import httpx2

        if self._client is None:
            for library in ("httpx2", "httpcore2"):
                # They would log an address at every key, and headers.
                logging.getLogger(library).setLevel(logging.WARNING)
            token = self._endpoint.token
            timeout = self._endpoint.timeout
            self._client = httpx2.AsyncClient(
                headers={
                    "accept-encoding": "identity",
                    **({"authorization": f"Bearer {token}"} if token else {}),
                },
                verify=self._tls,
                trust_env=False,
                follow_redirects=False,
                timeout=httpx2.Timeout(None, connect=min(_CONNECT_SECONDS, timeout)),
            )
        return self._client


async def _data_lines(response: "httpx2.Response") -> AsyncGenerator[str, None]:
    """Return what stands behind `data:` in a stream. Only newlines end a line here: a U+2028 inside
    of a string, where Python would end one too, belongs to the code that is completed."""
    buffer = b""
    async for block in response.aiter_bytes():
        *lines, buffer = (buffer + block).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip().decode("utf-8", "replace")
        if len(buffer) > _MAX_ANSWER_BYTES:
            raise ModelError("the server sends a line without an end")
    if buffer.startswith(b"data:"):
        yield buffer[5:].strip().decode("utf-8", "replace")


def _seconds(retry_after: str) -> float | None:
    """Return Retry-After as seconds from now; None if there is none to be understood."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _tls(endpoint: Endpoint) -> ssl.SSLContext | bool:
    """Return how certificates are checked; True checks them by the system's authorities."""
    if endpoint.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(endpoint.ca_file.expanduser()))
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if isinstance(error, FileNotFoundError) else "it is not a PEM file"
        raise ModelError(f"the CA file {endpoint.ca_file} cannot be used: {reason}") from None
