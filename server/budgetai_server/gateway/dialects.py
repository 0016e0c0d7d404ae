"""The words of llama-server, OpenAI, Tabby and Ollama: a body becomes a question, and a text an
answer that their clients read.

A client's limits on length are not taken over: they are meant for servers that do not know where to
end. Its stop strings hold.
"""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from budgetai_server.completion.text_edit import TextEdit, insertion
from budgetai_server.gateway.fim_request import FimRequest, from_prompt
from budgetai_server.gateway.request_body import Fields

JSON, EVENTS, LINES = "application/json", "text/event-stream", "application/x-ndjson"
MODEL = "budgetai"
LISTED = (MODEL, f"qwen2.5-coder:{MODEL}")
"""Names of the model. Zed takes the marks it writes from the part before the colon, and shows
nothing for a name that it does not know; marks of any family are taken apart."""

_MAX_INDENT = 400
_MAX_STOPS = 64


@dataclass(frozen=True)
class FimQuestion:
    """What a client asks for, and how it wants to be answered.

    `generates` is False where a prompt is only to be evaluated ahead. `fit` makes of an edit, the
    source and the cursor what this client inserts rightly. `whole` makes the answer's JSON of a
    text, `piece` that of some of it in a stream, which `ending` ends.
    """

    request: FimRequest
    whole: Callable[[str], Any]
    piece: Callable[[str], Any]
    ending: tuple[Any, ...]
    fit: Callable[[TextEdit, str, int], str] = insertion
    stops: tuple[str, ...] = ()
    streams: bool = False
    stream_type: str = EVENTS
    generates: bool = True

    def cut(self, text: str) -> str:
        """Return a text up to the first stop string in it."""
        ends = [text.find(stop) for stop in self.stops if stop]
        return text[: min((end for end in ends if end >= 0), default=len(text))].rstrip("\r\n")

    def stops_in(self, text: str) -> bool:
        """Return whether a text holds a stop string."""
        return any(stop in text for stop in self.stops if stop)

    def settled(self, text: str) -> str:
        """Return what of a text that grows no stop string can take away any more."""
        held = (
            length
            for stop in self.stops
            for length in range(1, len(stop))
            if text.endswith(stop[:length])
        )
        return self.cut(text[: len(text) - max(held, default=0)])

    def answer(self, text: str) -> bytes:
        """Return the body of an answer in one piece."""
        return _compact(self.whole(self.cut(text)))

    def chunk(self, value: Any) -> bytes:
        """Return a value as it stands in a stream."""
        mark, end = (b"data: ", b"\n\n") if self.stream_type == EVENTS else (b"", b"\n")
        return mark + (value if isinstance(value, bytes) else _compact(value)) + end


def infill(body: Fields) -> FimQuestion:
    """Read llama-server's /infill, as llama.vim and llama.vscode ask it."""
    prefix, suffix = (body.text(key, needed=True) for key in ("input_prefix", "input_suffix"))
    prompt = body.text("prompt")
    # llama.vscode leaves the blanks of a blank line out, but tells how many there are.
    several = body.number("n_cmpl") is not None
    indent = body.number("n_indent") or 0
    blanks = " " * int(max(0, min(indent, _MAX_INDENT))) if several else ""
    names = (chunk.text("filename") for chunk in body.parts("input_extra"))
    request = FimRequest(prefix + (prompt or blanks), suffix, neighbors=tuple(filter(None, names)))
    question = _llama(body, request)
    if several:
        # It asks for a list, and cuts the rest of the line from the end of each text itself.
        question = replace(question, whole=lambda text: [_content(text)], fit=_with_rest_of_line)
    elif not prompt:
        question = replace(question, fit=_with_indent)
    return question


def llama_completion(body: Fields) -> FimQuestion:
    """Read llama-server's own /completion."""
    return _llama(body, from_prompt(body.single_text("prompt", needed=True)))


def openai_completion(body: Fields) -> FimQuestion:
    """Read OpenAI's /v1/completions; and Tabby's, which has the same path."""
    number, made = f"cmpl-{uuid.uuid4().hex}", int(time.time())
    if "segments" in body:
        segments = body.part("segments")
        request = FimRequest(
            segments.text("prefix", needed=True),
            segments.text("suffix"),
            segments.text("filepath"),
            language=body.text("language"),
        )
    else:
        request = from_prompt(body.single_text("prompt", needed=True), _suffix(body))
    model = body.text("model") or MODEL

    def choice(text: str, reason: str | None) -> dict[str, Any]:
        chosen = {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}
        kind = {"id": number, "object": "text_completion", "created": made, "model": model}
        return {**kind, "choices": [chosen]}

    return FimQuestion(
        request,
        whole=lambda text: choice(text, "stop"),
        piece=lambda text: choice(text, None),
        ending=(choice("", "stop"), b"[DONE]"),
        stops=_stops(body),
        streams=body.flag("stream", default=False),
        generates=body.number("max_tokens") != 0,
    )


def ollama_generate(body: Fields) -> FimQuestion:
    """Read Ollama's /api/generate, which streams unless told otherwise."""
    after, model = _suffix(body), body.text("model")
    # Without a prompt a model is only loaded, or let go.
    prompt = body.single_text("prompt", needed=not (after or model))
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def part(text: str, *, done: bool) -> dict[str, Any]:
        head = {"model": model or MODEL, "created_at": made, "response": text, "done": done}
        return {**head, "done_reason": "stop"} if done else head

    return FimQuestion(
        from_prompt(prompt, after),
        whole=lambda text: part(text, done=True),
        piece=lambda text: part(text, done=False),
        ending=(part("", done=True),),
        stops=_stops(body.part("options")),
        streams=body.flag("stream", default=True),
        stream_type=LINES,
        generates=bool(prompt or after),
    )


def _llama(body: Fields, request: FimRequest) -> FimQuestion:
    fields = body.texts("response_fields")

    def whole(text: str) -> Any:
        content = _content(text)
        return {key: value for key, value in content.items() if not fields or key in fields}

    return FimQuestion(
        request,
        whole=whole,
        piece=lambda text: {"content": text, "stop": False},
        ending=({"content": "", "stop": True},),
        stops=_stops(body),
        streams=body.flag("stream", default=False),
        generates=body.number("n_predict") != 0,
    )


def _content(text: str) -> dict[str, Any]:
    return {"index": 0, "content": text, "model": MODEL, "stop": True, "truncated": False}


def _with_rest_of_line(edit: TextEdit, source: str, cursor: int) -> str:
    """Return what a client inserts that takes the rest of the line from the end of the first line,
    and where it stands there by chance, too."""
    text = insertion(edit, source, cursor)
    rest = source[cursor:].partition("\n")[0].removesuffix("\r")
    return text.partition("\n")[0] + rest if text and rest.strip() else text


def _with_indent(edit: TextEdit, source: str, cursor: int) -> str:
    """Return what goes into a line of blanks that the client has not sent, with the indentation
    that the line above asks for where the text has none."""
    text = insertion(edit, source, cursor)
    above = source[:cursor].rstrip().rpartition("\n")[2]
    first = text.partition("\n")[0]
    if not first.strip() or first[0].isspace() or not above.endswith((":", "{", "(", "[")):
        return text
    blanks = above[: len(above) - len(above.lstrip())]
    step = "\t" if "\t" in blanks or "\n\t" in source else _step(source)
    return "\n".join(line and blanks + step + line for line in text.split("\n"))


def _step(source: str) -> str:
    """Return the smallest indentation in a text; four blanks where there is none."""
    lines = source.split("\n")
    widths = {len(line) - len(line.lstrip(" ")) for line in lines if line.strip()} - {0, 1}
    return " " * min(widths, default=4)


def _suffix(body: Fields) -> str | None:
    """Return the text after the cursor; None where it is not sent apart from the prompt."""
    return body.text("suffix") if "suffix" in body else None


def _stops(body: Fields) -> tuple[str, ...]:
    return body.texts("stop")[:_MAX_STOPS]


def _compact(value: Any) -> bytes:
    """Write JSON without blanks: llama.vim looks for "content":" as it stands here."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
