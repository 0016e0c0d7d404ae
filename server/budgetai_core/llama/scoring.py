"""A model file as llama.cpp reads it: its tokens, what it says of texts, how fast, and what flows
into its matrices.
"""

import ctypes
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from budgetai_core.errors import CheckError
from budgetai_core.llama.cores import available_cores
from budgetai_core.llama.native import llama_cpp

Logits = NDArray[np.float32]
Read = Callable[[Sequence[int]], object]
Evaluate = Callable[[Sequence[int], int], Logits]
Watch = Callable[[str, NDArray[np.float32]], None]
"""Told the name of a weight and the rows (tokens, columns) it is multiplied with."""

# Tokens evaluated at once: a large vocabulary's logits of more take much memory.
_BATCH = 128
# What llama.cpp rounds the places of a sequence up to.
_STEP = 256
_LOG = llama_cpp.llama_log_callback(lambda level, text, data: None)
_NO_CALLBACK = llama_cpp.ggml_backend_sched_eval_callback()
_F32 = 0


class _Tensor(ctypes.Structure):
    """`struct ggml_tensor` of ggml.h, as far as it is read here."""


_Tensor._fields_ = [
    ("type", ctypes.c_int),
    ("buffer", ctypes.c_void_p),
    ("ne", ctypes.c_int64 * 4),
    ("nb", ctypes.c_size_t * 4),
    ("op", ctypes.c_int),
    ("op_params", ctypes.c_int32 * 16),
    ("flags", ctypes.c_int32),
    ("src", ctypes.POINTER(_Tensor) * 10),
    ("view_src", ctypes.POINTER(_Tensor)),
    ("view_offs", ctypes.c_size_t),
    ("data", ctypes.c_void_p),
    ("name", ctypes.c_char * 64),
]


class ScoringModel:
    """A model file as llama.cpp reads it, with a GGUF adapter over it if one is given. Raises
    CheckError when it cannot."""

    def __init__(
        self, path: Path, *, vocabulary_only: bool = False, lora: Path | None = None
    ) -> None:
        llama_cpp.llama_log_set(_LOG, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        settings = llama_cpp.llama_model_default_params()
        settings.vocab_only = vocabulary_only
        settings.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(os.fsencode(path), settings)
        if not self.model:
            raise CheckError(f"llama.cpp cannot load {path.name}")
        self.lora = lora and llama_cpp.llama_adapter_lora_init(self.model, os.fsencode(lora))
        if lora and not self.lora:
            raise CheckError(f"llama.cpp cannot load {lora.name} over {path.name}")
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.size = int(llama_cpp.llama_vocab_n_tokens(self.vocab))

    def close(self) -> None:
        if self.model:
            llama_cpp.llama_model_free(self.model)
            self.model = None

    def __enter__(self) -> "ScoringModel":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def tokenize(self, text: str) -> list[int]:
        """Return token ids, with special tokens read as text."""
        data = text.encode()
        room = (llama_cpp.llama_token * (len(data) + 8))()
        count = llama_cpp.llama_tokenize(self.vocab, data, len(data), room, len(room), False, False)
        return list(room[: max(count, 0)])

    def piece(self, token: int) -> str:
        """Return the text of a token, as the vocabulary writes it."""
        text = llama_cpp.llama_vocab_get_text(self.vocab, token)
        return text.decode("utf-8", "replace") if text else ""

    def beginning(self) -> list[int]:
        """Return the tokens with which every text begins."""
        adds = llama_cpp.llama_vocab_get_add_bos(self.vocab)
        return [int(llama_cpp.llama_vocab_bos(self.vocab))] if adds else []

    def metadata(self, key: str) -> str | None:
        room = ctypes.create_string_buffer(256)
        size = llama_cpp.llama_model_meta_val_str(self.model, key.encode(), room, len(room))
        return room.value.decode("utf-8", "replace") if size >= 0 else None

    @contextmanager
    def evaluating(self, length: int) -> Iterator[Evaluate]:
        """Give a function from at most `length` tokens, and the first place that is asked for, to
        the logits (tokens from there on, vocabulary)."""
        with self._context(length) as context:
            yield partial(self._logits, context)

    @contextmanager
    def reading(self, length: int, watch: Watch) -> Iterator[Read]:
        """Give a function that evaluates at most `length` tokens, with logits that nobody takes;
        `watch` sees each matrix's inputs."""
        with self._context(length, watch) as context:
            yield lambda tokens: deque(self._evaluated(context, tokens, 0), 0)

    @contextmanager
    def side_by_side(self, count: int, length: int) -> Iterator["Sequences"]:
        """Give `count` empty sequences of at most `length` tokens each."""
        with self._context(length, count=count) as context:
            yield Sequences(context, self.size)

    @contextmanager
    def _context(
        self, length: int, watch: Watch | None = None, batch: int = _BATCH, count: int = 1
    ) -> Iterator[Any]:
        settings = llama_cpp.llama_context_default_params()
        # Each sequence has its share of the whole, which is rounded up to the cache's steps.
        settings.n_ctx = -(-length // _STEP) * _STEP * count if count > 1 else length
        settings.n_seq_max = count
        settings.n_batch = settings.n_ubatch = max(min(length, batch), count)
        settings.n_threads = settings.n_threads_batch = available_cores()
        settings.no_perf = True
        settings.op_offload = False
        callback = _watcher(watch) if watch else _NO_CALLBACK
        settings.cb_eval = callback
        context = llama_cpp.llama_init_from_model(self.model, settings)
        if not context:
            raise CheckError("llama.cpp has no memory left to run the model")
        try:
            self._lay_over(context)
            yield context
        finally:
            llama_cpp.llama_free(context)

    def _lay_over(self, context: Any) -> None:
        if self.lora:
            adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(self.lora)
            scales = (ctypes.c_float * 1)(1.0)
            if llama_cpp.llama_set_adapters_lora(context, adapters, 1, scales):
                raise CheckError("llama.cpp cannot apply the adapter")

    def _logits(self, context: Any, tokens: Sequence[int], first: int) -> Logits:
        return np.concatenate([rows.copy() for rows in self._evaluated(context, tokens, first)])

    def _evaluated(self, context: Any, tokens: Sequence[int], first: int) -> Iterator[Logits]:
        """Yield logits from the token `first` on, some at a time, valid until the next ones come:
        of a whole text they would be hundreds of megabytes, twice."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        for start in range(0, len(tokens), _BATCH):
            part = tokens[start : start + _BATCH]
            wanted = min(max(first - start, 0), len(part))
            self._decode(context, part, start, wanted)
            if wanted < len(part):
                shape = (len(part) - wanted, self.size)
                yield np.ctypeslib.as_array(llama_cpp.llama_get_logits(context), shape)

    def _decode(self, context: Any, tokens: Sequence[int], start: int, first: int) -> None:
        """Evaluate tokens at places from `start` on, with logits from the token `first` on."""
        _decode(context, [(token, start + i, 0, i >= first) for i, token in enumerate(tokens)])

    def greedy(self, tokens: Sequence[int], count: int) -> list[int]:
        """Return the `count` tokens that follow, each the best one after those before it."""
        chosen: list[int] = []
        with self.side_by_side(1, len(tokens) + count) as sequences:
            rows = sequences.read(0, tokens, len(tokens) - 1)
            for _ in range(count):
                chosen.append(int(rows[-1].argmax()))
                rows = sequences.append({0: chosen[-1]})
        return chosen

    def speed(self, tokens: Sequence[int], written: int) -> tuple[float, float]:
        """Return tokens per second read (all of `tokens` at once) and written (`written`, one by
        one)."""
        with self._context(len(tokens) + written, batch=len(tokens)) as context:
            self._decode(context, tokens[:1], 0, 0)
            llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
            began = time.perf_counter()
            self._decode(context, tokens, 0, len(tokens) - 1)
            read = time.perf_counter()
            for step in range(written):
                self._decode(context, tokens[:1], len(tokens) + step, 0)
            ended = time.perf_counter()
        return len(tokens) / (read - began), written / (ended - read)


class Sequences:
    """Texts side by side in one context, each with the tokens it has read so far."""

    def __init__(self, context: Any, size: int) -> None:
        self._context = context
        self._size = size
        self._lengths: Counter[int] = Counter()

    def read(self, number: int, tokens: Sequence[int], first: int = 0) -> Logits:
        """Let a sequence read on; return logits (tokens, vocabulary) from the token `first` on."""
        rows = [np.empty((0, self._size), np.float32)]
        for start in range(0, len(tokens), _BATCH):
            part = tokens[start : start + _BATCH]
            length = self._lengths[number]
            _decode(
                self._context,
                [(token, length + i, number, start + i >= first) for i, token in enumerate(part)],
            )
            self._lengths[number] += len(part)
            if (count := start + len(part) - max(first, start)) > 0:
                rows.append(self._logits(count))
        return np.concatenate(rows)

    def append(self, tokens: Mapping[int, int]) -> Logits:
        """Let each sequence read one more token, all at once, so that each weight is read once;
        return logits (sequences, vocabulary). `tokens` are by the number of their sequence."""
        _decode(self._context, [(token, self._lengths[n], n, True) for n, token in tokens.items()])
        self._lengths.update(tokens.keys())
        return self._logits(len(tokens))

    def cut(self, number: int, length: int) -> None:
        """Leave the first `length` tokens of a sequence."""
        memory = llama_cpp.llama_get_memory(self._context)
        llama_cpp.llama_memory_seq_rm(memory, number, length, -1)
        self._lengths[number] = min(self._lengths[number], length)

    def _logits(self, count: int) -> Logits:
        rows = llama_cpp.llama_get_logits(self._context)
        return np.ctypeslib.as_array(rows, (count, self._size)).copy()


def _decode(context: Any, entries: Sequence[tuple[int, int, int, bool]]) -> None:
    """Evaluate tokens, each with its place, its sequence, and whether its logits are wanted."""
    batch = llama_cpp.llama_batch_init(len(entries), 0, 1)
    try:
        batch.n_tokens = len(entries)
        for i, (token, place, sequence, wanted) in enumerate(entries):
            batch.token[i], batch.pos[i] = token, place
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
            batch.logits[i] = wanted
        if llama_cpp.llama_decode(context, batch):
            raise CheckError("llama.cpp cannot evaluate the converted file")
    finally:
        llama_cpp.llama_batch_free(batch)


def _watcher(watch: Watch) -> Any:
    """Return a callback of llama.cpp's scheduler, called twice for each node of the graph: is its
    result wanted, and here it is. What stands in front of a matrix is its second operand."""

    def called(address: int, ask: bool, _: Any) -> bool:
        weight, inputs = _product(_Tensor.from_address(address))
        if weight is None or inputs is None:
            return not ask
        if not ask:
            watch(weight.name.decode("utf-8", "replace"), _rows(inputs))
        return True

    return llama_cpp.ggml_backend_sched_eval_callback(called)


def _product(node: _Tensor) -> tuple[_Tensor | None, _Tensor | None]:
    """Return the weight and the inputs of a product of a matrix with float rows; else nothing."""
    if not (node.src[0] and node.src[1]):
        return None, None
    weight, inputs = node.src[0].contents, node.src[1].contents
    matrix = weight.name.endswith(b".weight") and weight.ne[1] > 1
    if matrix and inputs.type == _F32 and inputs.ne[0] == weight.ne[0] and inputs.data:
        return weight, inputs
    return None, None


def _rows(inputs: _Tensor) -> NDArray[np.float32]:
    """Return the values (tokens, columns), where they stand; valid only until the callback
    returns."""
    shape = tuple(int(n) for n in inputs.ne)[::-1]
    strides = tuple(int(n) for n in inputs.nb)[::-1]
    size = sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + 4
    buffer = memoryview((ctypes.c_char * size).from_address(inputs.data))
    return np.ndarray(shape, np.float32, buffer, 0, strides).reshape(-1, shape[-1])
