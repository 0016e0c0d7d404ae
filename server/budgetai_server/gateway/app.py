"""The paths that are answered, and what goes wrong on the way to an answer."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from budgetai_core import version
from budgetai_core.errors import BudgetAIError
from budgetai_server.completion.superseding import Superseding
from budgetai_server.completion.text_edit import TextEdit
from budgetai_server.gateway import dialects
from budgetai_server.gateway.dialects import JSON, LISTED, MODEL, FimQuestion
from budgetai_server.gateway.refusal import empty_body, refusal
from budgetai_server.gateway.repositories import OpenRepository, Repositories
from budgetai_server.gateway.request_body import BodyError, Fields, parse

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 16_000_000
# What is larger is read to its end all the same, up to here, so that the client reads the answer.
_MAX_READ_BYTES = 256_000_000
_BODY_SECONDS = 30.0
FILE_HEADER, REPOSITORY_HEADER = "x-budgetai-file", "x-budgetai-repository"
# The version of Ollama whose words are spoken.
_OLLAMA_VERSION = "0.12.0"

Read = Callable[[Fields], FimQuestion]
Handler = Callable[[Request], Awaitable[Response]]


class Gateway:
    """Answers requests from the sessions of their repositories."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories
        self._superseding = Superseding(in_order=False)
        self._default: OpenRepository | None = None

    def app(self) -> Starlette:
        completing: dict[str, Read] = {
            "/infill": dialects.infill,
            "/completion": dialects.llama_completion,
            "/completions": dialects.llama_completion,
            "/v1/completions": dialects.openai_completion,
            "/api/generate": dialects.ollama_generate,
        }
        answers: dict[str, Any] = {
            "/props": {"model_path": MODEL, "total_slots": 1, "is_sleeping": False},
            "/lora-adapters": [],
            "/models": _models(),
            "/v1/models": _models(),
            "/api/tags": {"models": list(map(_tag, LISTED))},
            "/api/ps": {"models": list(map(_tag, LISTED))},
            "/api/version": {"version": _OLLAMA_VERSION},
        }
        routes = [Route(path, self._completing(read), methods=["POST"])
                  for path, read in completing.items()]  # fmt: skip
        routes += [Route(path, _answering(value)) for path, value in answers.items()]
        routes += [Route(path, self._health) for path in ("/health", "/v1/health")]
        routes += [Route("/api/show", _show, methods=["POST"]), Route("/", _root)]
        handlers = {404: _told, 405: _told}
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=handlers)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._default = self._repositories.open_default()
        try:
            yield
        finally:
            await self._repositories.close()

    async def _health(self, request: Request) -> Response:
        state = self._default.session.state if self._default else None
        if state is None or state.name == "starting":
            return refusal(request.scope["path"], 503, "Loading model")
        return JSONResponse({"status": "ok" if state.name == "ready" else state.name})

    def _completing(self, read: Read) -> Handler:
        async def complete(request: Request) -> Response:
            path = request.scope["path"]
            try:
                sent = await _sent(request)
                if not sent.strip():
                    return empty_body()
                question = read(parse(sent))
            except BodyError as error:
                return refusal(path, 400, str(error))
            except ClientDisconnect:
                return Response(status_code=499)
            except _TooLargeError:
                return refusal(path, 413, f"at most {MAX_BODY_BYTES} bytes are read")
            except TimeoutError:
                return refusal(path, 408, "the body has not come to its end")
            question = _located(question, request)
            if question.streams:
                return StreamingResponse(self._stream(question), media_type=question.stream_type)
            text = await self._unless_gone(request, question)
            return Response(question.answer(text), media_type=JSON)

        return complete

    async def _unless_gone(self, request: Request, question: FimQuestion) -> str:
        """Return the answer's text; the work stops, and there is none, once the client has closed
        the connection."""
        answering = asyncio.ensure_future(self._text(question))
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
            return answering.result() if answering.done() else ""
        finally:
            answering.cancel()
            gone.cancel()

    async def _stream(self, question: FimQuestion) -> AsyncIterator[bytes]:
        """Yield an answer as it is decided, line by line. What has been sent cannot be taken back:
        where the whole is another text, it ends with that. Starlette closes this once the client
        has closed the connection, and the work stops then."""
        texts: asyncio.Queue[str | None] = asyncio.Queue()
        answering = asyncio.ensure_future(self._text(question, texts.put_nowait))
        answering.add_done_callback(lambda _: texts.put_nowait(None))
        sent = ""
        try:
            ended = False
            while not ended:
                growing = await texts.get()
                ended = growing is None or question.stops_in(growing)
                text = answering.result() if growing is None else growing
                text = question.cut(text) if ended else question.settled(text)
                if text.startswith(sent) and text != sent:
                    yield question.chunk(question.piece(text[len(sent) :]))
                    sent = text
            for value in question.ending:
                yield question.chunk(value)
        finally:
            answering.cancel()

    async def _text(
        self, question: FimQuestion, on_growth: Callable[[str], None] | None = None
    ) -> str:
        """Return what a client is to put in; empty where there is nothing to say, or something is
        wrong on our side: some clients show an error at each key. `on_growth` is told what comes
        before the whole."""
        try:
            repository = await self._repositories.of(question.request)
            document, cursor = repository.files.place(question.request, repository.index)
            if not question.generates:
                repository.session.looked_at(document, cursor)
                return ""

            def grown(edit: TextEdit) -> None:
                if on_growth:
                    on_growth(question.fit(edit, document.source, cursor))

            async def complete() -> TextEdit | None:
                told = grown if on_growth else None
                return await repository.session.complete(document, cursor, on_growth=told)

            here = (document.source, cursor)
            edit = await self._superseding.newest(document.uri, here, complete)
            return question.fit(edit, document.source, cursor) if edit else ""
        except BudgetAIError as error:
            log.error("no completion: %s", error)
        except Exception as error:
            # Its message may hold code.
            log.error("no completion: %s", type(error).__name__)
        return ""


class _TooLargeError(Exception):
    pass


async def _sent(request: Request) -> bytes:
    """Return the body of a request. Raises BodyError where it is packed, _TooLargeError,
    TimeoutError and ClientDisconnect."""
    length = request.headers.get("content-length", "0")
    if "expect" in request.headers and length.isdigit() and int(length) > MAX_BODY_BYTES:
        # The client asks first whether to send it.
        raise _TooLargeError
    parts, size = [], 0
    async with asyncio.timeout(_BODY_SECONDS):
        async for part in request.stream():
            size += len(part)
            if size <= MAX_BODY_BYTES:
                parts.append(part)
            elif size > _MAX_READ_BYTES:
                break
    if size > MAX_BODY_BYTES:
        raise _TooLargeError
    packing = request.headers.get("content-encoding", "identity")
    if packing.lower() != "identity":
        raise BodyError(f"the body is packed (Content-Encoding: {packing[:40]})")
    return b"".join(parts)


def _located(question: FimQuestion, request: Request) -> FimQuestion:
    """Return the question with what the headers say of the file and the repository."""
    headers, asked = request.headers, question.request
    path = _named(headers.get(FILE_HEADER, "")) or asked.path
    repository = _named(headers.get(REPOSITORY_HEADER, "")) or asked.repository
    return replace(question, request=replace(asked, path=path, repository=repository))


def _named(text: str) -> str:
    """Return a path as it stands in a header; a URI is taken apart later."""
    return text if text.startswith("file://") else unquote(text)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _answering(value: Any) -> Handler:
    async def answer(_: Request) -> Response:
        return JSONResponse(value)

    return answer


async def _root(_: Request) -> Response:
    return PlainTextResponse(f"BudgetAI gateway {version()}")


async def _show(_: Request) -> Response:
    """Say that prompt and suffix are taken apart, as Continue and Zed look for it."""
    shown = {"template": "{{ .Prompt }}{{ .Suffix }}", "capabilities": ["completion", "insert"]}
    return JSONResponse({**shown, "details": _tag(MODEL)["details"], "model_info": {}})


def _tag(name: str) -> dict[str, Any]:
    details = {"format": "gguf", "family": MODEL, "parameter_size": "", "quantization_level": ""}
    modified = "2026-01-01T00:00:00Z"
    head = {"name": name, "model": name, "modified_at": modified, "size": 0, "digest": ""}
    return {**head, "details": details}


def _models() -> dict[str, Any]:
    models = [{"id": name, "object": "model", "created": 0, "owned_by": MODEL} for name in LISTED]
    return {"object": "list", "data": models}


async def _told(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    words = "the gateway has no such path" if status == 404 else "another method is asked for"
    return refusal(request.scope["path"], status, words)
