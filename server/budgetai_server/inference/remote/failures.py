"""What a server's failure is called: each names the host, and what to do next.

What a server says is shown in part, on one line, without the token, and not at all where it
repeats the prompt: code belongs neither into a message nor into a log.
"""

import json
import ssl
from typing import Any
from urllib.parse import urlsplit

from budgetai_core.errors import ModelError
from budgetai_server.inference.remote.endpoint import TOKEN_VARIABLE, Endpoint

_MAX_MESSAGE_CHARACTERS = 160
_MIN_REPEATED_CHARACTERS = 8


class Failure(ModelError):
    """The server cannot be reached, or says no. `status` is that of HTTP; 0 without an answer.

    `temporary` ones may go away in a moment; `retry_after` is the server's own word, in seconds.
    """

    def __init__(self, message: str, hint: str = "", *, status: int = 0) -> None:
        super().__init__(message, hint)
        self.status = status
        self.temporary = False
        self.retry_after: float | None = None


def unreachable(endpoint: Endpoint, error: Exception | None) -> Failure:
    """Explain that nothing was answered at all. `error` is what the HTTP client raised."""
    cause = _tls_error(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Failure(
            f"the certificate of {endpoint.host} is not to be trusted: {cause.verify_message}",
            "Give its authority with --ca-file, or remove --endpoint",
        )
    if cause is not None:
        return Failure(f"{endpoint.host} does not speak TLS", "Check the address in --endpoint")
    refusal = Failure(f"{endpoint.host} is not reachable", "Start it, or remove --endpoint")
    refusal.temporary = True
    return refusal


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None


def silent(endpoint: Endpoint) -> ModelError:
    return ModelError(
        f"{endpoint.host} has not answered for {endpoint.timeout:g} s",
        "It may be overloaded: raise --endpoint-timeout, or remove --endpoint",
    )


def broken_off(endpoint: Endpoint) -> ModelError:
    return ModelError(f"{endpoint.host} broke off in the middle of an answer")


def no_json(endpoint: Endpoint) -> Failure:
    return Failure(
        f"{endpoint.host} answers with something that is not JSON of a model",
        "Check the address in --endpoint",
        status=200,
    )


def no_model(endpoint: Endpoint, names: list[str]) -> ModelError:
    shown = ", ".join(names[:10]) or "no model at all"
    return ModelError(
        f"{endpoint.host} has no model '{endpoint.model}'",
        f"It has {_plain(endpoint, shown)}: give one with --endpoint-model",
    )


def no_grammar(endpoint: Endpoint) -> ModelError:
    return ModelError(
        f"{endpoint.host} does not keep to the grammar it was given",
        "Update its llama.cpp",
    )


def unknown_server(endpoint: Endpoint) -> ModelError:
    return ModelError(
        f"{endpoint.host} is neither a llama-server nor a server of /v1/completions",
        "Check the address in --endpoint",
    )


def reported(endpoint: Endpoint, error: Any, body: object) -> ModelError:
    """Return an error that came in the middle of a stream."""
    return ModelError(f"{endpoint.host} reports: {_message(endpoint, error, body)}")


def explain(
    endpoint: Endpoint, status: int, kind: str, location: str, text: str, body: object
) -> Failure:
    """Return what an answer without a result means. `kind` is its content type, `location` where it
    sends us, `text` its body; `body` is what had been asked."""
    if 300 <= status < 400:
        # Not followed: a redirect could carry the token, and the code, to anybody.
        return Failure(
            f"{endpoint.host} sends us on to {_origin(endpoint, location)}",
            "Give --endpoint the address where the server is",
            status=status,
        )
    if status in (401, 403):
        return _wrong_token(endpoint, status)
    if "html" in kind:
        return Failure(
            f"{endpoint.host} answers with a web page (status {status})",
            "Check the address in --endpoint",
            status=status,
        )
    message = _message(endpoint, _error_in(text), body)
    if status == 503 and "loading" in message.lower():
        return Failure(f"{endpoint.host} is still loading its model", status=status)
    if status in (429, 502, 503, 504):
        return Failure(f"{endpoint.host} is overloaded (status {status}): {message}", status=status)
    return Failure(f"{endpoint.host} refuses with status {status}: {message}", status=status)


def _wrong_token(endpoint: Endpoint, status: int) -> Failure:
    if endpoint.token:
        message = f"{endpoint.host} does not accept the token"
        return Failure(message, "Ask whoever runs it for a new one", status=status)
    return Failure(
        f"{endpoint.host} wants a token",
        f"Put it into {TOKEN_VARIABLE}, or into a file named with --token-file",
        status=status,
    )


def _origin(endpoint: Endpoint, location: str) -> str:
    try:
        parts = urlsplit(location)
    except ValueError:
        return "another place"
    where = f"{parts.scheme}://{parts.hostname}" if parts.hostname else "another path"
    return _plain(endpoint, where)


def _error_in(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value.get("error", value) if isinstance(value, dict) else value


def _message(endpoint: Endpoint, error: Any, body: object) -> str:
    """Return the message of an error as OpenAI, llama-server or FastAPI write it."""
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error.get("type") or ""
    message = error if isinstance(error, str) else ""
    if not message.strip() or _repeats(message, body):
        return "no reason that can be shown"
    return _plain(endpoint, message)


def _repeats(message: str, body: object) -> bool:
    """Return whether a line of what was sent stands in the message, as it is or as JSON writes
    it."""
    values = body.values() if isinstance(body, dict) else ()
    sent = [value for value in values if isinstance(value, str)]
    lines = [line.strip() for text in sent for line in text.splitlines()]
    repeated = [line for line in lines if len(line) >= _MIN_REPEATED_CHARACTERS]
    return any(line in message or json.dumps(line)[1:-1] in message for line in repeated)


def _plain(endpoint: Endpoint, text: str) -> str:
    """Return text of the server for one line of a terminal, without the token."""
    if endpoint.token:
        text = text.replace(endpoint.token, "…")
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _MAX_MESSAGE_CHARACTERS else line[:_MAX_MESSAGE_CHARACTERS] + "…"
