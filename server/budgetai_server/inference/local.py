"""The engine on this machine: a keystroke costs what it must.

What a sequence holds of a prompt is not evaluated again, a running evaluation can be stopped, and
drafts are checked in one evaluation. It knows prompts, tokens and bytes; not documents.
"""

import codecs
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from budgetai_server.context import prompt as prompts
from budgetai_server.context.prompt import PROMPT_FORMAT, Markers, Prompt, find_markers
from budgetai_server.context.window import Limits
from budgetai_server.errors import ModelError
from budgetai_server.inference.draft import Draft, Drafter, Lookup, Table
from budgetai_server.inference.engine import Cancelled, Piece, Usage
from budgetai_server.inference.likelihood import likelihood
from budgetai_server.inference.llama import BATCH, Llama, gpu_offload
from budgetai_server.inference.sequences import Held, Logits, Sequences
from budgetai_server.inference.speed import Speed
from budgetai_server.inference.vocabulary import Vocabulary

FORMAT_KEY = "budgetai.prompt_format"
_MIN_BEFORE = 64
# So many tokens of a line tell how sure the model is of it; each costs half a millisecond.
_MEASURED = 8
_ALL_LAYERS = 999
_MARKER_KEYS = {
    "repository": "fim_rep",
    "file": "fim_sep",
    "prefix": "fim_pre",
    "suffix": "fim_suf",
    "middle": "fim_mid",
}


class LocalEngine:
    """A GGUF file on this machine's processors. One thread owns it; see `learn`."""

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
        self._cancelled: Callable[[], bool] = lambda: False
        self._shifting = False
        self.path = path
        self.threads = threads or default_threads()
        self.limits = Limits()
        # Tokens kept free behind a prompt, so that an answer and one more keystroke fit.
        self.reserve = 256
        self.state = "ready"
        self.ahead = True
        self.llama = Llama(
            path,
            context_tokens=context_tokens,
            sequences=sequences,
            threads=self.threads,
            gpu_layers=gpu_layers if gpu_layers >= 0 else _ALL_LAYERS * gpu_offload(),
            # Moving positions is part of the evaluation after a splice, and must not stop midway.
            stopped=lambda: self._cancelled() and not self._shifting,
        )
        _check_format(self.metadata(FORMAT_KEY), path)
        self.context_tokens = self.llama.context_tokens
        self.vocabulary = Vocabulary(self.llama.pieces())
        self.markers = self._find_markers()
        self.beginning = self.llama.beginning()
        self._sequences = Sequences(sequences)
        self._speculate = speculate and self.llama.cuttable
        self._usage = Usage()
        self.speed = Speed()
        self._drafter = Drafter(lambda count: self.speed.cost(count))

    @property
    def name(self) -> str:
        return self.path.name

    def close(self) -> None:
        self.llama.close()

    def metadata(self, key: str) -> str | None:
        """A value of the GGUF's metadata as text."""
        return self.llama.metadata(key)

    def tokenize(self, text: str) -> list[int]:
        """Token ids of text as text: names of special tokens inside it are not parsed."""
        return self.llama.tokenize(text)

    def learn(self, texts: Iterable[str]) -> None:
        """Build the table of drafts. Thread-safe: tokenising only reads the vocabulary."""
        if self._speculate:
            self._drafter.table = Table(self.tokenize(text) for text in texts)

    def measure(self) -> Speed:
        """Measure prefill and decode speed on this machine, and use it from now on. Takes one to
        two seconds for 0.5B parameters on two cores."""
        self._cancelled = lambda: False
        held = self._sequences.all[0]
        held.cut(0)
        tokens = [index % self.llama.size for index in range(1000, 1000 + BATCH)]

        def run(position: int, count: int) -> float:
            self.llama.forget(held.number, position)
            began = time.perf_counter()
            self.llama.evaluate(held.number, position, tokens[:count], outputs=min(count, 16))
            return time.perf_counter() - began

        self.speed = Speed.of(run, BATCH)
        self.llama.forget(held.number, -1)
        return self.speed

    def warm(
        self, prompt: Prompt, cancelled: Callable[[], bool], usage: Usage | None = None
    ) -> None:
        """As Engine.warm. What was spliced for a quick answer is evaluated here as it should be."""
        self._cancelled = cancelled
        ids, _ = self._tokens(prompt)
        if ids:
            self._prepare(ids, usage or Usage(), exact=True)

    def generate(
        self,
        prompt: Prompt,
        limit: int,
        cancelled: Callable[[], bool] = lambda: False,
        usage: Usage | None = None,
    ) -> Iterator[Piece]:
        """As Engine.generate. The tokens are the same with and without drafts."""
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
        if not ids:
            return
        self._cancelled = cancelled
        self._usage = usage = usage if usage is not None else Usage()
        began = time.perf_counter()
        held, logits = self._prepare(ids, usage)
        usage.prompt_seconds = time.perf_counter() - began
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        rest, measured = begin_with, 0
        for token, seen in self._follow(held, logits, begin_with):
            piece = self.vocabulary.pieces[token]
            usage.answer_seconds = time.perf_counter() - began - usage.prompt_seconds
            if not piece:
                return
            usage.answer_tokens += 1
            text = decode(piece[len(rest) :])
            if len(piece) > len(rest) or not rest:
                measured = 0 if b"\n" in piece else measured + 1
                sure = self._likelihood(token, seen, rest) if measured <= _MEASURED else ()
                yield Piece(text, *sure)
            rest = rest[len(piece) :]
            if (usage.answer_tokens >= limit and not rest) or self._full(held):
                return

    def _full(self, held: Held) -> bool:
        return len(held.tokens) + BATCH >= self.context_tokens

    def _likelihood(self, token: int, logits: Logits, rest: bytes) -> tuple[float, float]:
        allowed = logits[self.vocabulary.continuing(rest)] if rest else logits
        return likelihood(allowed, float(logits[token]))

    def _prepare(
        self, prompt: list[int], usage: Usage, *, exact: bool = False
    ) -> tuple[Held, Logits]:
        """A sequence that holds exactly `prompt`, and the logits of what follows it."""
        usage.prompt_tokens = len(prompt)
        if not exact:
            self._splice(prompt)
        held, source = self._sequences.take(prompt, exact=exact)
        if source:
            self.llama.copy(source.number, held.number)
            held.tokens, held.marks = list(source.tokens), dict(source.marks)
            held.exact = source.exact
        common = held.common(prompt, exact=exact)
        usage.spliced = common > held.exact
        mark = held.marks.get(common) if common == len(prompt) else None
        if mark is not None:
            self._cut(held, common)
            if len(held.tokens) == common:
                return held, mark
        # The last token is evaluated in any case: its logits are those of the next one.
        self._cut(held, min(common, len(prompt) - 1))
        fresh = prompt[len(held.tokens) :]
        for start in range(0, len(fresh), BATCH):
            last = start + BATCH >= len(fresh)
            self._evaluate(held, fresh[start : start + BATCH], usage, outputs=int(last))
            usage.evaluated_tokens += len(fresh[start : start + BATCH])
        held.mark(self.llama.logits())
        return held, held.marks[len(prompt)]

    def _splice(self, prompt: list[int]) -> None:
        """Where the cursor has moved down by some lines, the prompt lacks these lines in AFTER.
        They are taken out of the sequence, and the rest is used as it is: an approximation (known
        as cache reuse in llama.cpp's server), good for an answer until `warm` is asked."""
        if self.llama.cuttable and (found := self._sequences.similar(prompt)):
            held, (place, gone, new) = found
            if self.llama.take_out(held.number, place, gone, new):
                held.tokens[place : place + gone] = prompt[place : place + new]
                held.marks.clear()
                held.exact = min(held.exact, place)
                self._shifting = True

    def _cut(self, held: Held, length: int) -> None:
        """Keep the first `length` tokens of a sequence; some models can only keep none."""
        if length < len(held.tokens):
            if not self.llama.forget(held.number, length):
                self.llama.forget(held.number, -1)
                length = 0
            # A splice may have left a hole in front of `length`.
            length = min(length, self.llama.end(held.number))
        held.cut(length)

    def _evaluate(self, held: Held, tokens: list[int], usage: Usage, outputs: int) -> None:
        if self._cancelled():
            raise Cancelled
        with _timed(usage):
            done = self.llama.evaluate(held.number, len(held.tokens), tokens, outputs=outputs)
        if not done:
            raise Cancelled
        self._shifting = False
        held.tokens += tokens

    def _follow(self, held: Held, logits: Logits, rest: bytes) -> Iterator[tuple[int, Logits]]:
        """Greedy tokens without end, each with the logits it was chosen from.

        Whenever one is yielded the sequence holds what `held` says, so the caller may stop.
        """
        lookup = Lookup(held.tokens)
        while True:
            token = self._best(logits, rest)
            rest = rest[len(self.vocabulary.pieces[token]) :]
            yield token, logits
            lookup.append(token)
            draft = self._draft(lookup, held) if not rest else Draft()
            said, rows = self._check(held, token, list(draft.tokens[: draft.length]))
            self._drafter.note(draft, said)
            for accepted, row in zip(said[:-1], rows, strict=False):
                lookup.append(accepted)
                yield accepted, row
            logits = rows[len(said) - 1]

    def _draft(self, lookup: Lookup, held: Held) -> Draft:
        if not self._speculate:
            return Draft()
        return self._drafter.propose(lookup, self.context_tokens - len(held.tokens) - 2)

    def _check(self, held: Held, token: int, draft: list[int]) -> tuple[list[int], list[Logits]]:
        """Evaluate a token and a draft after it. Returns what the model says itself, as far as it
        agrees with the draft and one token further, and the logits after each evaluated token."""
        self._evaluate(held, [token, *draft], self._usage, outputs=len(draft) + 1)
        rows = [self.llama.logits(place) for place in range(len(draft) + 1)]
        said = [int(rows[0].argmax())]
        while len(said) <= len(draft) and said[-1] == draft[len(said) - 1]:
            said.append(int(rows[len(said)].argmax()))
        right = len(said) - 1
        self._cut(held, len(held.tokens) - len(draft) + right)
        self._usage.drafted += len(draft)
        self._usage.accepted += right
        return said, rows

    def _best(self, logits: Logits, rest: bytes) -> int:
        if not rest:
            return int(logits.argmax())
        allowed = self.vocabulary.continuing(rest)
        return int(allowed[logits[allowed].argmax()] if len(allowed) else logits.argmax())

    def _tokens(self, parts: Prompt) -> tuple[list[int], bytes]:
        """The prompt's tokens, cut to the context, and the bytes the answer has to begin with.

        Characters are a good measure of tokens but for rare scripts; there the shown parts go
        first, then the oldest of the text before the cursor.
        """
        head, before = self._encode(parts)
        room = self.context_tokens - min(self.reserve, self.context_tokens // 2)
        if len(head) > room - _MIN_BEFORE:
            head, before = self._encode(Prompt(parts.repository, parts.path, (), "", parts.before))
        excess = len(head) + len(before) - room
        if excess > 0:
            # In steps, so that typing on does not move the start with every key.
            before = before[-(-excess // 128) * 128 :]
        kept, begin_with = self.vocabulary.take_back(before)
        return head + kept, begin_with

    def _encode(self, parts: Prompt) -> tuple[list[int], list[int]]:
        return prompts.encode(parts, self.markers, self.tokenize, beginning=self.beginning)

    def _find_markers(self) -> Markers:
        """Markers from the file's metadata, then by the names the trainer looks for too."""
        given = {
            role: int(value)
            for role, key in _MARKER_KEYS.items()
            if (value := self.metadata(f"tokenizer.ggml.{key}_token_id") or "").isdecimal()
        }
        return find_markers(self._special_id, given)

    def _special_id(self, name: str) -> int | None:
        ids = self.llama.tokenize(name, special=True)
        known = len(ids) == 1 and not self.vocabulary.pieces[ids[0]]
        return ids[0] if known else None


@contextmanager
def _timed(usage: Usage) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        usage.model_seconds += time.perf_counter() - began


def default_threads() -> int:
    """Physical cores, since hyper-threads bring a memory-bound loop nothing; from four cores on
    one in four is left to the editor."""
    cores = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    return cores if cores < 4 else cores - cores // 4


def _check_format(found: str | None, path: Path) -> None:
    if found is not None and found != str(PROMPT_FORMAT):
        raise ModelError(
            f"{path.name} was made for prompt format {found}, this server uses {PROMPT_FORMAT}",
            "Run budgetai-train and budgetai-convert again",
        )
