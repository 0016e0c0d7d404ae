"""llama-server, spoken to in its own words: token ids in, healing by a grammar.

The markers are token ids and the text of files is tokenised as text, so no file can pass for a
marker. A grammar that begins with the bytes taken back holds the answer to them, as the loop of
a model in this process does: the same prompt gets the same answer.
"""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from typing import Any

from budgetai_core.artifacts.bundle import NO_ADAPTER
from budgetai_core.context import prompt as prompts
from budgetai_core.context.prompt import Prompt
from budgetai_core.models.token_healing import Vocabulary
from budgetai_server.inference.engine import Piece, Usage
from budgetai_server.inference.remote.endpoint import Endpoint
from budgetai_server.inference.remote.failures import Failure, no_grammar, no_json, no_model
from budgetai_server.inference.remote.protocol import CONTEXT, Pieces, fit, ids_of, number, room_for
from budgetai_server.inference.remote.transport import Check, Transport

# Vocabulary.take_back looks at no more than the last few tokens of a prompt.
_MAX_LOOKED_AT_TOKENS = 16
# What a server answers that does not know an address.
_NO_SUCH_PATH = (400, 404, 405, 500, 501)
_WARM_ROOM_TOKENS = 96


class LlamaServer:
    """One llama-server. `model` is the name it gives its model."""

    def __init__(self, transport: Transport, endpoint: Endpoint, props: dict[str, Any]) -> None:
        """Speak to a llama-server. `props` is its answer to /props."""
        self._transport = transport
        self._endpoint = endpoint
        self._pieces: dict[int, bytes] = {}
        self._cancelled: Check = lambda: False
        # Chunks and the text behind the cursor are the same from key to key.
        self._tokenize = lru_cache(maxsize=64)(self._fresh_tokenize)
        settings = props.get("default_generation_settings")
        context = number(settings.get("n_ctx")) if isinstance(settings, dict) else None
        self._context = context or CONTEXT

    def greet(self, cancelled: Check) -> None:
        """Ask what is needed once. Raises ModelError if the wanted model or adapter is not
        there."""
        self._cancelled = cancelled
        self.model, self._lora = self._choose(self._models(), self._adapters())
        self._markers = prompts.find_markers(self._marker)
        self._beginning = self._find_beginning()
        self._ends = {i for i in vars(self._markers).values() if i is not None}

    def _adapters(self) -> list[dict[str, Any]]:
        """Return the server's adapters: number, name and the scale that it has them at."""
        try:
            adapters = self._transport.get("/lora-adapters", self._cancelled)
        except Failure as failure:
            # Older servers have none, or keep the address to themselves.
            if failure.status not in _NO_SUCH_PATH:
                raise
            return []
        entries = adapters if isinstance(adapters, list) else []
        try:
            return [
                {
                    "id": int(entry["id"]),
                    "name": _file_name(str(entry.get("path", ""))).removesuffix(".gguf"),
                    "scale": float(entry["scale"]),
                }
                for entry in entries
            ]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise no_json(self._endpoint) from None

    def _models(self) -> dict[str, str]:
        """Return the names of the server's models, and what each is called in short: a model
        without a name goes by its path on the server, of which the end says enough."""
        listed = self._transport.get("/v1/models", self._cancelled)
        entries = listed.get("data") if isinstance(listed, dict) else None
        models = [entry for entry in entries or [] if isinstance(entry, dict)]
        full = [str(name) for e in models for name in (e.get("id"), *(e.get("aliases") or ()))]
        return {name: _file_name(name) for name in full}

    def _choose(
        self, models: dict[str, str], adapters: list[dict[str, Any]]
    ) -> tuple[str, list[dict[str, Any]]]:
        """Return what the user's name stands for, and the scale of each adapter, to be named with
        each request: one that names none is answered from what another one's adapters left in the
        cache. An adapter that the user names is applied alone, in full where the server has it
        switched off, and with NO_ADAPTER none is; else all are as the server has them."""
        wanted = self._endpoint.model
        scales = [{"id": entry["id"], "scale": entry["scale"]} for entry in adapters]
        if not wanted or wanted in (*models, *models.values()):
            return wanted or next(iter(models.values()), "model"), scales
        named = [entry["name"] == wanted for entry in adapters]
        if not any(named) and wanted != NO_ADAPTER:
            known = [*models.values(), *(entry["name"] for entry in adapters)]
            raise no_model(self._endpoint, list(dict.fromkeys(known)))
        for scale, applied in zip(scales, named, strict=True):
            scale["scale"] = (scale["scale"] or 1.0) if applied else 0.0
        return wanted, scales

    def ask(self, prompt: Prompt, limit: int, cancelled: Check, usage: Usage) -> Pieces:
        """Do as Engine.generate says."""
        began = time.perf_counter()
        self._cancelled = cancelled
        ids, taken = self._tokens(prompt, limit)
        if not ids:
            return
        usage.prompt_tokens = len(ids)
        body = {
            **self._settings(),
            "prompt": ids,
            "n_predict": max(limit, len(taken)),
            "grammar": _beginning_with(taken) if taken else "",
        }
        with closing(self._transport.events("/completion", body, cancelled)) as events:
            yield from self._answer(events, taken, usage, began)

    def _answer(
        self, events: Iterator[dict[str, Any]], taken: str, usage: Usage, began: float
    ) -> Iterator[Piece]:
        rest = taken
        for event in events:
            text = event.get("content")
            if not isinstance(text, str):
                raise no_json(self._endpoint)
            _count(event, usage, began)
            # Only some control tokens end a text for llama.cpp; for us all markers do.
            if self._ends.intersection(event.get("tokens") or ()):
                return
            if not (text.startswith(rest) or rest.startswith(text)):
                raise no_grammar(self._endpoint)
            # While it is held to a text the server tells a probability without the hold.
            logprob = None if rest else _logprob(event)
            shown, rest = text[len(rest) :], rest[len(text) :]
            if shown:
                yield Piece(shown, logprob)
                usage.answer_seconds = time.perf_counter() - began - usage.prompt_seconds

    def warm(self, prompt: Prompt, cancelled: Check) -> None:
        """Do as Engine.warm says: evaluate the prompt and no token more."""
        self._cancelled = cancelled
        ids, _ = self._tokens(prompt, _WARM_ROOM_TOKENS)
        if ids:
            body = {**self._settings(), "prompt": ids, "n_predict": 0}
            for _ in self._transport.events("/completion", body, cancelled):
                pass

    def _settings(self) -> dict[str, Any]:
        """Return what is the same in every request."""
        return {**_GREEDY, "lora": self._lora} if self._lora else _GREEDY

    def _tokens(self, prompt: Prompt, limit: int) -> tuple[list[int], str]:
        """Return the prompt's tokens, and the text the answer has to begin with."""
        head, before = fit(prompt, room_for(self._context, limit), self._encode)
        kept, taken = self._take_back(before)
        return head + kept, taken

    def _encode(self, prompt: Prompt) -> tuple[list[int], list[int]]:
        return prompts.encode(prompt, self._markers, self._tokenize, beginning=self._beginning)

    def _take_back(self, before: list[int]) -> tuple[list[int], str]:
        """Take tokens back by the rules of Vocabulary, and further back where a character would be
        cut in two."""
        near = before[-_MAX_LOOKED_AT_TOKENS:]
        pieces = [self._pieces[token] for token in near]
        kept, taken = Vocabulary(pieces).take_back(range(len(near)))
        while kept and not _whole(taken):
            taken = pieces[kept.pop()] + taken
        if not _whole(taken):
            return before, ""
        return before[: len(before) - len(near) + len(kept)], taken.decode()

    def _fresh_tokenize(self, text: str) -> list[int]:
        body = {"content": text, "add_special": False, "parse_special": False, "with_pieces": True}
        answer = self._transport.post("/tokenize", body, self._cancelled)
        try:
            known = {entry["id"]: _bytes(entry["piece"]) for entry in answer["tokens"]}
            self._pieces.update(known)
            return [entry["id"] for entry in answer["tokens"]]
        except (KeyError, TypeError, ValueError):
            raise no_json(self._endpoint) from None

    def _plain_ids(self, text: str, *, special: bool = False, parsed: bool = False) -> list[int]:
        body = {"content": text, "add_special": special, "parse_special": parsed}
        ids = ids_of(self._transport.post("/tokenize", body, self._cancelled))
        if ids is None:
            raise no_json(self._endpoint)
        return ids

    def _marker(self, name: str) -> int | None:
        """Return the id of a special token. A name that is one token as plain text too is none."""
        ids = self._plain_ids(name, parsed=True)
        return ids[0] if len(ids) == 1 and ids != self._plain_ids(name) else None

    def _find_beginning(self) -> tuple[int, ...]:
        plain, full = self._plain_ids("a"), self._plain_ids("a", special=True)
        return tuple(full[:1]) if full[1 : 1 + len(plain)] == plain else ()


# The single most probable token, whatever the server's own defaults for penalties are.
_GREEDY = {
    "stream": True,
    "cache_prompt": True,
    "temperature": 0.0,
    "top_k": 1,
    "samplers": ["top_k"],
    "n_probs": 1,
    "timings_per_token": True,
}


def _beginning_with(taken: str) -> str:
    """Return a GBNF grammar of all texts that begin with `taken`."""
    literal = json.dumps(taken, ensure_ascii=False)
    # JSON writes other control characters as \u00XX; a grammar knows \xXX.
    return "root ::= " + literal.replace(r"\u00", r"\x") + " .*"


def _file_name(path: str) -> str:
    """Return the last part of a path on the server, whichever system that runs on."""
    return path.replace("\\", "/").rpartition("/")[2]


def _whole(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _bytes(piece: Any) -> bytes:
    return piece.encode() if isinstance(piece, str) else bytes(piece)


def _logprob(event: dict[str, Any]) -> float | None:
    try:
        return float(event["completion_probabilities"][0]["logprob"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _count(event: dict[str, Any], usage: Usage, began: float) -> None:
    """Take over what the server counted. Seconds are ours: the way there and back is felt too."""
    timings = event.get("timings")
    if not isinstance(timings, dict):
        timings = {}
    evaluated = number(timings.get("prompt_n"))
    predicted = number(timings.get("predicted_n"))
    usage.evaluated_tokens = usage.evaluated_tokens if evaluated is None else evaluated
    if predicted is None:
        usage.answer_tokens += not event.get("stop")
    else:
        usage.answer_tokens = predicted
    if not usage.prompt_seconds:
        usage.prompt_seconds = time.perf_counter() - began
