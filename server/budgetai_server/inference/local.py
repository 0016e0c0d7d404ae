"""The engine on this machine: a keystroke costs what it must.

What a sequence holds of a prompt is not evaluated again, a running evaluation can be stopped, and
drafts are checked in one evaluation. It knows prompts, tokens and bytes; not documents.
"""

import codecs
import copy
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import psutil

from budgetai_core.context import prompt as prompts
from budgetai_core.context.prompt import MARKER_KEYS, PROMPT_FORMAT, Markers, Prompt, find_markers
from budgetai_core.context.window import WindowLimits
from budgetai_core.errors import ModelError
from budgetai_core.llama.model import BATCH, OUTPUTS, gpu_offload
from budgetai_core.models.token_healing import Vocabulary
from budgetai_server.inference.engine import Piece, Usage
from budgetai_server.inference.kv_cache import KVCache
from budgetai_server.inference.kv_slots import KVSlot, Logits
from budgetai_server.inference.profile import SpeedProfile, max_prompt_tokens
from budgetai_server.inference.speculative import Draft, Drafter, Lookup, Table

FORMAT_KEY = "budgetai.prompt_format"
_MIN_BEFORE_TOKENS = 64
# So many tokens of a line tell how sure the model is of it; each costs a third of a
# millisecond with 152,000 logits.
_MAX_MEASURED_TOKENS = 5
_ALL_LAYERS = 999
_NEGLIGIBLE_NATS = 20.0


class LocalEngine:
    """A GGUF file on this machine's processors, and adapters laid over it. One thread owns it;
    see `learn` and `adapted`."""

    def __init__(
        self,
        path: Path,
        *,
        context_tokens: int = 2048,
        sequences: int = 1,
        threads: int = 0,
        gpu_layers: int = -1,
        speculate: bool = True,
    ) -> None:
        """Load a model. Raises ModelError if it is none, is broken, or has another format.

        `threads` 0 takes `default_threads`, `gpu_layers` -1 all layers where the build has a GPU.
        """
        self.path = path
        self.adapter = ""
        self.threads = threads or default_threads()
        self.limits = WindowLimits()
        # Tokens kept free behind a prompt, so that an answer and one more keystroke fit.
        self.reserve = 256
        self.state = "ready"
        self.ahead = True
        self.cache = KVCache(
            path,
            context_tokens=context_tokens,
            sequences=sequences,
            threads=self.threads,
            gpu_layers=gpu_layers if gpu_layers >= 0 else _ALL_LAYERS * gpu_offload(),
        )
        self.llama = self.cache.llama
        _check_format(self.metadata(FORMAT_KEY), path)
        self.context_tokens = self.cache.length
        self.vocabulary = Vocabulary(self.llama.pieces())
        self.markers = self._find_markers()
        self.beginning = self.llama.beginning()
        self._speculate = speculate and self.llama.cuttable
        self._usage = Usage()
        self.speed = SpeedProfile()
        self.drafter = Drafter(lambda count: self.speed.cost(count))

    @property
    def name(self) -> str:
        return f"{self.path.name} with {self.adapter}" if self.adapter else self.path.name

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the adapters that are loaded."""
        return self.llama.adapters

    def adapted(self, name: str) -> Self:
        """Return this model with an adapter, "" with none: it shares all the rest, drafts and what
        is in the cache for this adapter included. Thread-safe; the adapter may come later, and
        without it `generate` and `warm` raise ModelError."""
        view = copy.copy(self)
        view.adapter = name
        return view

    def add(self, name: str, path: Path, scale: float = 1.0) -> None:
        """Load an adapter from a GGUF LoRA file; `scale` is a factor on its update. One that has
        the name already is replaced. Raises ModelError, and then nothing has changed."""
        self.cache.add_adapter(name, path, scale)

    def remove(self, name: str) -> None:
        """Drop an adapter, and what was evaluated with it."""
        self.cache.remove_adapter(name)

    def close(self) -> None:
        self.llama.close()

    def metadata(self, key: str) -> str | None:
        """Return a value of the GGUF's metadata as text."""
        return self.llama.metadata(key)

    def tokenize(self, text: str) -> list[int]:
        """Return token ids of text as text: names of special tokens inside it are not parsed."""
        return self.llama.tokenize(text)

    def learn(self, texts: Iterable[str]) -> None:
        """Build the table of drafts. Thread-safe: tokenising only reads the vocabulary."""
        if self._speculate:
            self.drafter.table = Table(self.tokenize(text) for text in texts)

    def measure(self) -> SpeedProfile:
        """Measure prefill and decode speed on this machine, without an adapter, and use it from
        now on. Takes one to two seconds for 0.5B parameters on two cores."""
        self.cache.cancelled = lambda: False
        self.llama.use("")
        slot = self.cache.sequences.all[0]
        slot.cut(0)
        tokens = [index % self.llama.size for index in range(1000, 1000 + BATCH)]

        def run(position: int, count: int) -> float:
            self.llama.forget(slot.number, position)
            began = time.perf_counter()
            self.llama.evaluate(slot.number, position, tokens[:count], outputs=min(count, OUTPUTS))
            return time.perf_counter() - began

        self.speed = SpeedProfile.of(run, BATCH)
        self.llama.forget(slot.number, -1)
        return self.speed

    def warm(
        self, prompt: Prompt, cancelled: Callable[[], bool], usage: Usage | None = None
    ) -> None:
        """Do as Engine.warm says. What was spliced for a quick answer is evaluated here as it
        should be."""
        self.cache.cancelled = cancelled
        ids, _ = self._tokens(prompt)
        if ids:
            self.cache.prepare(ids, usage or Usage(), self.adapter, exact=True)

    def generate(
        self,
        prompt: Prompt,
        limit: int,
        cancelled: Callable[[], bool] = lambda: False,
        usage: Usage | None = None,
    ) -> Iterator[Piece]:
        """Do as Engine.generate says. The tokens are the same with and without drafts, but for near
        ties of a quantised model, which rounds one token alone and several at once differently."""
        ids, begin_with = self._tokens(prompt)
        yield from self.generate_after(ids, begin_with, limit, cancelled, usage)

    def generate_after(
        self,
        ids: list[int],
        begin_with: bytes,
        limit: int,
        cancelled: Callable[[], bool] = lambda: False,
        usage: Usage | None = None,
    ) -> Iterator[Piece]:
        """Yield greedy tokens after token ids; the bytes `begin_with` come first in any case and
        are not yielded."""
        self.cache.cancelled = cancelled
        self._usage = usage if usage is not None else Usage()
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        rest, measured = begin_with, 0
        for token, logits in self._tokens_after(ids, begin_with, limit) if ids else ():
            piece = self.vocabulary.pieces[token]
            if len(piece) > len(rest) or not rest:
                measured = 0 if b"\n" in piece else measured + 1
                logprob = (
                    self._logprob(token, logits, rest) if measured <= _MAX_MEASURED_TOKENS else None
                )
                yield Piece(decode(piece[len(rest) :]), logprob)
            rest = rest[len(piece) :]

    def _tokens_after(
        self, ids: list[int], begin_with: bytes, limit: int
    ) -> Iterator[tuple[int, Logits]]:
        """Yield the tokens of an answer, counted and timed, up to its end or its limit."""
        usage, began = self._usage, time.perf_counter()
        slot, logits = self.cache.prepare(ids, usage, self.adapter)
        usage.prompt_seconds = time.perf_counter() - began
        needed = len(begin_with)
        for token, seen in self._follow(slot, logits, begin_with):
            usage.answer_seconds = time.perf_counter() - began - usage.prompt_seconds
            piece = self.vocabulary.pieces[token]
            if not piece:
                return
            usage.answer_tokens += 1
            needed -= len(piece)
            yield token, seen
            if (usage.answer_tokens >= limit and needed <= 0) or self.cache.room(slot) <= BATCH:
                return

    def _logprob(self, token: int, logits: Logits, rest: bytes) -> float:
        allowed = logits[self.vocabulary.continuing(rest)] if rest else logits
        return log_probability(allowed, float(logits[token]))

    def _follow(self, slot: KVSlot, logits: Logits, rest: bytes) -> Iterator[tuple[int, Logits]]:
        """Yield greedy tokens without end, each with the logits it was chosen from.

        Whenever one is yielded the sequence holds what `slot` says, so the caller may stop.
        """
        lookup = Lookup(slot.tokens)
        while True:
            token = self._best(logits, rest)
            rest = rest[len(self.vocabulary.pieces[token]) :]
            yield token, logits
            lookup.append(token)
            draft = Draft()
            if self._speculate and not rest:
                draft = self.drafter.propose(lookup, self.cache.room(slot) - 2)
            chosen, rows = self._verify(slot, token, list(draft.tokens[: draft.length]))
            self.drafter.note(draft, chosen)
            for accepted, row in zip(chosen[:-1], rows, strict=False):
                lookup.append(accepted)
                yield accepted, row
            logits = rows[len(chosen) - 1]

    def _verify(self, slot: KVSlot, token: int, draft: list[int]) -> tuple[list[int], list[Logits]]:
        """Evaluate a token and a draft after it. Return what the model chooses itself, as far as
        it agrees with the draft and one token further, and the logits after each of them."""
        self.cache.extend(slot, [token, *draft], self._usage, outputs=len(draft) + 1)
        rows = [self.llama.logits(place) for place in range(len(draft) + 1)]
        chosen = [int(rows[0].argmax())]
        while len(chosen) <= len(draft) and chosen[-1] == draft[len(chosen) - 1]:
            chosen.append(int(rows[len(chosen)].argmax()))
        right = len(chosen) - 1
        self.cache.cut(slot, len(slot.tokens) - len(draft) + right)
        self._usage.drafted += len(draft)
        self._usage.accepted += right
        return chosen, rows

    def _best(self, logits: Logits, rest: bytes) -> int:
        if not rest:
            return int(logits.argmax())
        allowed = self.vocabulary.continuing(rest)
        return int(allowed[logits[allowed].argmax()] if len(allowed) else logits.argmax())

    def _tokens(self, parts: Prompt) -> tuple[list[int], bytes]:
        """Return the prompt's tokens, cut to the context, and the bytes the answer has to begin
        with.

        Characters are a good measure of tokens but for other scripts, and for digits where each is
        a token: there the other files go first, then the end of the text after the cursor, then the
        oldest of the text before it.
        """
        room = self.context_tokens - min(self.reserve, self.context_tokens // 2)
        # The prompt of a docstring may be longer than those of completions.
        characters = max(self.limits.characters, len(parts.before) + len(parts.after))
        room = min(room, max_prompt_tokens(characters))
        head, before = self._encode(parts)
        if parts.chunks and len(head) + len(before) > room:
            parts = replace(parts, chunks=())
            head, before = self._encode(parts)
        if parts.after and len(head) + len(before) > room:
            # However long the other part is, so that typing on does not move the end.
            parts = replace(parts, after=self._beginning_of(parts.after, room // 3))
            head, before = self._encode(parts)
        if len(head) > room - _MIN_BEFORE_TOKENS:
            head, before = self._encode(replace(parts, after=""))
        excess = len(head) + len(before) - room
        if excess > 0:
            # In steps, so that typing on does not move the start with every key.
            before = before[-(-excess // 128) * 128 :]
        kept, begin_with = self.vocabulary.take_back(before)
        return head + kept, begin_with

    def _beginning_of(self, text: str, most: int) -> str:
        """Return about as much of a text as `most` tokens hold."""
        count = len(self.tokenize(text))
        return text if count <= most else text[: len(text) * most // count]

    def _encode(self, parts: Prompt) -> tuple[list[int], list[int]]:
        return prompts.encode(parts, self.markers, self.tokenize, beginning=self.beginning)

    def _find_markers(self) -> Markers:
        """Find the markers from the file's metadata, then by the names the trainer looks for
        too."""
        given = {
            role: int(value)
            for role, key in MARKER_KEYS.items()
            if (value := self.metadata(key) or "").isdecimal()
        }
        return find_markers(self._special_id, given)

    def _special_id(self, name: str) -> int | None:
        ids = self.llama.tokenize(name, special=True)
        known = len(ids) == 1 and not self.vocabulary.pieces[ids[0]]
        return ids[0] if known else None


def default_threads() -> int:
    """Return what OMP_NUM_THREADS says, as for other programs. Else physical cores, since
    hyper-threads bring a memory-bound loop nothing; from four cores on one in four is left to the
    editor."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    cores = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    return cores if cores < 4 else cores - cores // 4


def _check_format(prompt_format: str | None, path: Path) -> None:
    if prompt_format is not None and prompt_format != str(PROMPT_FORMAT):
        raise ModelError(
            f"{path.name} was made for prompt format {prompt_format},"
            f" this server uses {PROMPT_FORMAT}",
            "Run budgetai-train and budgetai-convert again",
        )


def log_probability(logits: Logits, chosen: float) -> float:
    """Return the natural logarithm of the probability of the token with logit `chosen`.

    `logits` (n,) are those of all tokens that were allowed; the largest one is subtracted first,
    so that no exponential overflows.
    """
    top = float(logits.max())
    # What is less probable than the best by e to the power of 20 adds nothing.
    shifted = logits[logits > top - _NEGLIGIBLE_NATS] - top
    return chosen - top - float(np.log(np.exp(shifted).sum()))
