"""A server that speaks /v1/completions, as vLLM does: any model or adapter it has, by name.

Nothing holds its answers to bytes, so healing is done by text: the last word is left for the
model to say again. Where it says something else, it is asked a second time with the word in
place; never a third time.
"""

import time
from contextlib import closing
from dataclasses import replace
from typing import Any

from budgetai_core.context.prompt import Prompt
from budgetai_server.inference.engine import Piece, Usage
from budgetai_server.inference.remote.endpoint import Endpoint
from budgetai_server.inference.remote.failures import Failure, no_json, no_model
from budgetai_server.inference.remote.openai_prompts import TextPrompts, TokenPrompts
from budgetai_server.inference.remote.protocol import (
    CONTEXT,
    Pieces,
    going_on,
    last_part,
    number,
    room_for,
)
from budgetai_server.inference.remote.transport import Check, Events, Transport

# Room to say a taken-back word again, where the answer itself may be no longer than a token.
_MIN_TOKENS = 8


class OpenAIServer:
    """One server and one of its models."""

    def __init__(self, transport: Transport, endpoint: Endpoint) -> None:
        self._transport = transport
        self._endpoint = endpoint

    def greet(self, cancelled: Check) -> None:
        """Ask what is needed once. Raises ModelError if the wanted model is not there."""
        entry = self._choose_model(cancelled)
        self.model = str(entry["id"])
        meta = entry.get("meta")
        context = number(
            meta.get("n_ctx") if isinstance(meta, dict) else entry.get("max_model_len")
        )
        tokens = TokenPrompts(self._transport, self.model)
        self._prompts: TokenPrompts | TextPrompts = tokens
        if tokens.greet(cancelled):
            context = context or tokens.context
        else:
            self._prompts = TextPrompts(self._transport, self.model)
            self._prompts.greet(cancelled)
        self._context = context or CONTEXT

    def _choose_model(self, cancelled: Check) -> dict[str, Any]:
        listed = self._transport.get("/v1/models", cancelled)
        data = listed.get("data") if isinstance(listed, dict) else None
        if not isinstance(data, list):
            raise no_json(self._endpoint)
        entries = [e for e in data if isinstance(e, dict) and isinstance(e.get("id"), str)]
        wanted = self._endpoint.model
        for entry in entries:
            if wanted in ("", entry["id"]):
                return entry
        raise no_model(self._endpoint, [entry["id"] for entry in entries])

    def ask(self, prompt: Prompt, limit: int, cancelled: Check, usage: Usage) -> Pieces:
        """Do as Engine.generate says."""
        before, taken = last_part(prompt.before)
        if taken:
            shorter = replace(prompt, before=before)
            with closing(
                self._generate(shorter, max(limit, _MIN_TOKENS), cancelled, usage)
            ) as pieces:
                rest = going_on(pieces, taken)
                if rest is not None:
                    yield from rest
                    return
        yield from self._generate(prompt, limit, cancelled, usage)

    def warm(self, prompt: Prompt, cancelled: Check) -> None:
        """Do nothing: such a server is shared, keeps a cache of prefixes by itself, and would have
        to generate a token for every prompt that is perhaps never asked."""

    def _generate(self, prompt: Prompt, limit: int, cancelled: Check, usage: Usage) -> Pieces:
        began = time.perf_counter() - usage.prompt_seconds - usage.answer_seconds
        sent, more = self._prompts.encode(prompt, room_for(self._context, limit), cancelled)
        if not sent:
            return
        if isinstance(sent, list):
            usage.prompt_tokens = usage.evaluated_tokens = len(sent)
        body = {**_GREEDY, **more, "model": self.model, "prompt": sent, "max_tokens": limit}
        first = True
        with closing(self._events(body, cancelled)) as events:
            for piece in (piece for event in events for piece in self._pieces(event, usage)):
                if first:
                    usage.prompt_seconds = time.perf_counter() - began
                    first = False
                usage.answer_tokens += 1
                usage.answer_seconds = time.perf_counter() - began - usage.prompt_seconds
                yield piece

    def _events(self, body: dict[str, Any], cancelled: Check) -> Events:
        try:
            yield from self._transport.events("/v1/completions", body, cancelled)
        except Failure as refusal:
            if refusal.status in (400, 404):
                # An adapter may have been taken away since: then the names that are left help.
                self._choose_model(cancelled)
            raise

    def _pieces(self, event: dict[str, Any], usage: Usage) -> list[Piece]:
        """Return an event's text by tokens, as far as the server tells them apart; its counts."""
        _count(event, usage)
        choices = event.get("choices")
        if not isinstance(choices, list):
            raise no_json(self._endpoint)
        if not choices:
            return []
        choice = choices[0] if isinstance(choices[0], dict) else {}
        text = choice.get("text")
        if not isinstance(text, str):
            raise no_json(self._endpoint)
        tokens, logprobs = _tokens(choice.get("logprobs"))
        if "".join(tokens) == text and len(tokens) == len(logprobs) > 0:
            return [Piece(*pair) for pair in zip(tokens, logprobs, strict=True)]
        known = [value for value in logprobs if value is not None]
        return [Piece(text, sum(known) if known else None)] if text else []


_GREEDY = {
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0.0,
    "top_p": 1.0,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "logprobs": 1,
}


def _tokens(logprobs: Any) -> tuple[list[str], list[float | None]]:
    """Return texts and log probabilities of an event's tokens, as vLLM or as llama-server write
    them."""
    if not isinstance(logprobs, dict):
        return [], []
    content = logprobs.get("content")
    if isinstance(content, list):
        entries = [entry for entry in content if isinstance(entry, dict)]
        return [str(e.get("token", "")) for e in entries], [
            _float(e.get("logprob")) for e in entries
        ]
    tokens, values = logprobs.get("tokens"), logprobs.get("token_logprobs")
    if isinstance(tokens, list) and isinstance(values, list):
        return [str(token) for token in tokens], [_float(value) for value in values]
    return [], []


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _count(event: dict[str, Any], usage: Usage) -> None:
    counted = event.get("usage")
    if not isinstance(counted, dict) or number(counted.get("prompt_tokens")) is None:
        return
    usage.prompt_tokens = usage.evaluated_tokens = counted["prompt_tokens"]
    details = counted.get("prompt_tokens_details")
    cached = number(details.get("cached_tokens")) if isinstance(details, dict) else None
    usage.evaluated_tokens -= cached or 0
