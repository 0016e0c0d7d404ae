"""The KV cache over its sequences: a prompt comes in, and only what is new of it is evaluated.

It keeps `KVSlots` true to what llama.cpp holds, which does not know itself with which adapter it
was evaluated. A running evaluation can be stopped; what was evaluated before stays usable.

The same prompt gives the same logits, whatever was held before it. On a CPU llama.cpp's attention
takes another kernel from BATCH tokens on, whose results differ in the last bits. So full batches
end at multiples of BATCH, however much was held already, and all others are shorter: what a token's
keys and values are depends on the prompt alone. With types of weights whose matrix products take
another kernel for one token than for many (F16 and Q4_K_M among them), a typed tail may still
differ.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from budgetai_core.llama.model import BATCH, Llama
from budgetai_server.inference.engine import Cancelled, Usage
from budgetai_server.inference.kv_slots import KVSlot, KVSlots, Logits


class KVCache:
    """One model's sequences. Not thread-safe: one thread owns it."""

    def __init__(
        self, path: Path, *, context_tokens: int, sequences: int, threads: int, gpu_layers: int
    ) -> None:
        """Take a context as Llama does. Work is stopped by `cancelled`, which the owner sets."""
        self.cancelled: Callable[[], bool] = lambda: False
        self._shifting = False
        self.llama = Llama(
            path,
            context_tokens=context_tokens,
            sequences=sequences,
            threads=threads,
            gpu_layers=gpu_layers,
            # Moving positions is part of the evaluation after a splice, and must not stop midway.
            stopped=lambda: self.cancelled() and not self._shifting,
        )
        self.length = self.llama.context_tokens
        self.sequences = KVSlots(sequences)

    def add_adapter(self, name: str, path: Path, scale: float) -> None:
        """Add an adapter as Llama does; what was evaluated with an older one of this name is
        dropped."""
        self.llama.add_adapter(name, path, scale)
        self._forget(name)

    def remove_adapter(self, name: str) -> None:
        self.llama.remove_adapter(name)
        self._forget(name)

    def _forget(self, adapter: str) -> None:
        for slot in self.sequences.all:
            if slot.adapter == adapter:
                self.cut(slot, 0)

    def prepare(
        self, prompt: list[int], usage: Usage, adapter: str = "", *, exact: bool = False
    ) -> tuple[KVSlot, Logits]:
        """Return a sequence that holds exactly `prompt`, evaluated with an adapter, and the logits
        (vocabulary,) of what follows it. If `exact`, nothing spliced is used. Raises Cancelled, and
        ModelError for an adapter that is not there."""
        usage.prompt_tokens = len(prompt)
        if not exact:
            self._splice(prompt, adapter)
        slot = self._take(prompt, adapter, exact=exact)
        common = slot.common(prompt, adapter, exact=exact)
        mark = slot.marks.get(common) if common == len(prompt) else None
        if mark is not None:
            self.cut(slot, common)
            if len(slot.tokens) == common:
                usage.spliced = slot.spliced
                return slot, mark
        # The last token is evaluated in any case: its logits are those of the next one.
        self.cut(slot, min(common, len(prompt) - 1))
        usage.spliced = slot.spliced
        if not slot.spliced and self.llama.cuttable:
            self.cut(slot, _usable(slot.full, len(slot.tokens), len(prompt)))
        self._read(slot, prompt, usage)
        return slot, slot.marks[len(prompt)]

    def _take(self, prompt: list[int], adapter: str, *, exact: bool) -> KVSlot:
        slot, source = self.sequences.take(prompt, adapter, exact=exact)
        if slot.adapter != adapter:
            self.cut(slot, 0)
            slot.adapter = adapter
        if source:
            self.llama.copy(source.number, slot.number)
            slot.tokens, slot.marks = list(source.tokens), dict(source.marks)
            slot.exact, slot.full = source.exact, source.full
        return slot

    def _read(self, slot: KVSlot, prompt: list[int], usage: Usage) -> None:
        """Evaluate the rest of a prompt, and keep the logits behind it."""
        full = _full(len(prompt))
        while (start := len(slot.tokens)) < len(prompt):
            end = min(start + BATCH - (start >= full), len(prompt))
            self.extend(slot, prompt[start:end], usage, outputs=int(end == len(prompt)))
            if start == slot.full and end <= full:
                slot.full = end
            usage.evaluated_tokens += end - start
        slot.mark(self.llama.logits())

    def _splice(self, prompt: list[int], adapter: str) -> None:
        """Splice where possible. Where the cursor has moved down by some lines, the prompt lacks
        these lines in AFTER. They are taken out of the sequence, and the rest is used as it is: an
        approximation (known as cache reuse in llama.cpp's server), good for an answer until `warm`
        is asked."""
        if self.llama.cuttable and (similar := self.sequences.similar(prompt, adapter)):
            slot, (place, gone, new) = similar
            if self.llama.take_out(slot.number, place, gone, new):
                slot.tokens[place : place + gone] = prompt[place : place + new]
                slot.marks.clear()
                slot.exact = min(slot.exact, place)
                slot.full = min(slot.full, place)
                self._shifting = True

    def cut(self, slot: KVSlot, length: int) -> None:
        """Keep the first `length` tokens of a sequence; some models can only keep none."""
        if length < len(slot.tokens):
            if not self.llama.forget(slot.number, length):
                self.llama.forget(slot.number, -1)
                length = 0
            # A splice may have left a gap in front of `length`.
            length = min(length, self.llama.end(slot.number))
        slot.cut(length)

    def extend(self, slot: KVSlot, tokens: list[int], usage: Usage, *, outputs: int) -> None:
        """Evaluate at most BATCH tokens behind a sequence; the last `outputs` of them get logits.
        Raises Cancelled, and then nothing has changed."""
        if self.cancelled():
            raise Cancelled
        self.llama.use(slot.adapter)
        with _timed(usage):
            done = self.llama.evaluate(slot.number, len(slot.tokens), tokens, outputs=outputs)
        if not done:
            raise Cancelled
        self._shifting = False
        slot.tokens += tokens

    def room(self, slot: KVSlot) -> int:
        """Return how many more tokens the sequence can hold."""
        return self.length - len(slot.tokens)


def _full(length: int) -> int:
    """Return how many of a prompt's tokens are evaluated in full batches. One at least is not."""
    return (length - 1) // BATCH * BATCH


def _usable(full: int, common: int, length: int) -> int:
    """Return how many of the `common` tokens that a sequence and a prompt of `length` tokens begin
    with were evaluated as this prompt would be if nothing were held. `full` is the sequence's."""
    wanted = _full(length)
    if full == wanted <= common:
        return common
    return min(common, full, wanted) // BATCH * BATCH


@contextmanager
def _timed(usage: Usage) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        usage.model_seconds += time.perf_counter() - began
