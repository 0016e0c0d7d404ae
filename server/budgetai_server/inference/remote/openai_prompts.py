"""A prompt for a server whose tokenizer takes the names of markers in any text for markers.

In token ids, which vLLM takes, a name inside of a file is cut in two before it is tokenised: no
character changes. In plain text, where all is one string, a space goes into it. Either way no
file can pass for a marker.
"""

import re
from functools import lru_cache
from itertools import pairwise
from typing import Any

from budgetai_core.context import prompt as prompts
from budgetai_core.context.prompt import MARKER_NAMES, Markers, Prompt
from budgetai_server.inference.remote.failures import Failure
from budgetai_server.inference.remote.protocol import bare, fit, ids_of, number
from budgetai_server.inference.remote.transport import Check, Transport

# Names of special tokens: the markers, what is written between bars, and well-known others.
# Which ones a tokenizer really has cannot be asked; a harmless cut too many costs nothing.
_NAMES = re.compile(
    "|".join(re.escape(name.lstrip("▁")) for names in MARKER_NAMES.values() for name in names)
    + r"|<[|｜][^<>\n]{1,64}[|｜]>"
    + r"|</?(?:s|unk|pad|bos|eos|mask|cls|sep|think|tool_call|tool_response|tools|gh_stars"
    + r"|fim[_-]\w+|issue_\w+|jupyter_\w+|commit_\w+|start_of_\w+|end_of_\w+|empty_output)>"
    + r"|\[/?(?:INST|PREFIX|SUFFIX|MIDDLE|TOOL_CALLS|AVAILABLE_TOOLS)\]"
)
# Fewer characters than a token of code has on average, where nothing can be counted.
_CHARACTERS_PER_TOKEN = 2


def cut_names(text: str) -> list[str]:
    """Return the text in parts, none of which holds the name of a special token."""
    cuts = [0, *(name.start() + 1 for name in _NAMES.finditer(text)), len(text)]
    return [text[a:b] for a, b in pairwise(cuts) if a < b]


class TokenPrompts:
    """Prompts as token ids, for a server with /tokenize."""

    def __init__(self, transport: Transport, model: str) -> None:
        self._transport = transport
        self._model = model
        self._cancelled: Check = lambda: False
        self._tokenize = lru_cache(maxsize=64)(self._fresh_tokenize)
        self.context: int | None = None

    def greet(self, cancelled: Check) -> bool:
        """Find markers. False if the server does not tokenise."""
        self._cancelled = cancelled
        try:
            plain, full = self._ids("a"), self._ids("a", special=True)
        except Failure as refusal:
            if refusal.status in (404, 405, 400, 422, 501):
                return False
            raise
        if not plain:
            return False
        starts = full is not None and full[1 : 1 + len(plain)] == plain
        self._beginning = tuple(full[:1]) if full and starts else ()
        self._markers = prompts.find_markers(self._marker)
        self._ends = {i for i in vars(self._markers).values() if i is not None}
        return True

    def encode(
        self, prompt: Prompt, room: int, cancelled: Check
    ) -> tuple[list[int], dict[str, Any]]:
        """Return token ids, and what else a request has to say."""
        self._cancelled = cancelled
        head, before = fit(prompt, room, self._encode)
        # The server's own defaults may hold a penalty: the model's makers put one into its files.
        return head + before, {"stop_token_ids": sorted(self._ends), "repetition_penalty": 1.0}

    def _encode(self, prompt: Prompt) -> tuple[list[int], list[int]]:
        return prompts.encode(prompt, self._markers, self._tokenize, beginning=self._beginning)

    def _fresh_tokenize(self, text: str) -> list[int]:
        ids = [i for part in cut_names(text) for i in self._ids(part) or []]
        return [i for i in ids if i not in self._ends]

    def _marker(self, name: str) -> int | None:
        ids = self._ids(name, parsed=True)
        return ids[0] if ids is not None and len(ids) == 1 else None

    def _ids(self, text: str, *, special: bool = False, parsed: bool = False) -> list[int] | None:
        """Return token ids by vLLM's /tokenize or llama-server's: each reads its own names."""
        body = {
            "model": self._model,
            "prompt": text,
            "add_special_tokens": special,
            "content": text,
            "add_special": special,
            "parse_special": parsed,
        }
        answer = self._transport.post("/tokenize", body, self._cancelled)
        if self.context is None and isinstance(answer, dict):
            self.context = number(answer.get("max_model_len"))
        return ids_of(answer)


class TextPrompts:
    """Prompts as one string, for a server without /tokenize. It adds the beginning by itself."""

    def __init__(self, transport: Transport, model: str) -> None:
        self._transport = transport
        self._model = model

    def greet(self, cancelled: Check) -> None:
        """Find markers: a name that costs one token is one. Where the server counts no tokens,
        there are none, and the model is shown the text before the cursor alone."""
        self._names: list[str] = []
        plain = self._count("a", cancelled)

        def marker(name: str) -> int | None:
            if plain is None or self._count("a" + name, cancelled) != plain + 1:
                return None
            self._names.append(name)
            return len(self._names) - 1

        self._markers: Markers = prompts.find_markers(marker)

    def _count(self, text: str, cancelled: Check) -> int | None:
        body = {"model": self._model, "prompt": text, "max_tokens": 1, "temperature": 0.0}
        answer = self._transport.post("/v1/completions", body, cancelled)
        usage = answer.get("usage") if isinstance(answer, dict) else None
        return number(usage.get("prompt_tokens")) if isinstance(usage, dict) else None

    def encode(self, prompt: Prompt, room: int, cancelled: Check) -> tuple[str, dict[str, Any]]:
        """Return the prompt as a string, cut to `room` tokens, and what else a request has to
        say."""
        characters = room * _CHARACTERS_PER_TOKEN
        shown = self._joined(prompt)
        if len(shown) > characters:
            shown = self._joined(bare(prompt))
        if len(shown) > characters:
            excess = -(-(len(shown) - characters) // 256) * 256
            cut = Prompt(prompt.repository, prompt.path, (), "", prompt.before[excess:])
            shown = self._joined(cut)
        return shown, {"stop": self._names[:4]} if self._names else {}

    def _joined(self, prompt: Prompt) -> str:
        """Join the format, which is told once, in ids: here an id is a place in a list of texts."""
        texts = list(self._names)

        def tokenize(text: str) -> list[int]:
            texts.append(" ".join(cut_names(text)))
            return [len(texts) - 1]

        head, before = prompts.encode(prompt, self._markers, tokenize)
        return "".join(texts[i] for i in head + before)
