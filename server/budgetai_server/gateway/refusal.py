"""What is said where there is no answer, in the words of the path that was asked."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

# By their status, as OpenAI and llama-server call them.
_KINDS = {
    401: "authentication_error",
    403: "forbidden_error",
    404: "not_found_error",
    503: "unavailable_error",
}


def refusal(
    path: str, status: int, words: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return the answer to a request for a path: clients of Ollama read a text, the others an
    object. cmp-ai's own message fails on the object."""
    kind = _KINDS.get(status, "invalid_request_error")
    told = {"code": status, "message": words, "type": kind}
    error: Any = words if path.startswith("/api/") else told
    return JSONResponse({"error": error}, status, headers)


def empty_body() -> JSONResponse:
    """Return the answer to a body with nothing in it, without the word "error", for which
    minuet-ai.nvim raises a message: its first answer takes the bodies of its other requests
    away."""
    words = "the body is empty, where a JSON object is asked for"
    return JSONResponse({"code": 400, "message": words, "type": "invalid_request"}, 400)
