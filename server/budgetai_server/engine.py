"""The model in memory: the one module that runs llama.cpp for inference.

A loop on the low-level API, so that a keystroke costs what it must: what the KV cache already
holds of a prompt is not evaluated again, and a running evaluation can be stopped. It knows tokens
and bytes; it does not know documents, languages or the protocol.
"""

import ctypes
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import llama_cpp
import numpy as np
import numpy.typing as npt
import psutil

from budgetai_server.artefacts.bases import GGUF_MAGIC
from budgetai_server.context.prompt import PROMPT_FORMAT, Markers, find_markers
from budgetai_server.errors import ModelError
from budgetai_server.vocabulary import Vocabulary

FORMAT_KEY = "budgetai.prompt_format"
# A cancelled batch is lost, so batches are short; longer ones are hardly faster on a CPU.
_BATCH = 128
_ABORTED = 2
_MARKER_KEYS = {
    "repository": "fim_rep",
    "file": "fim_sep",
    "prefix": "fim_pre",
    "suffix": "fim_suf",
    "middle": "fim_mid",
}


class Cancelled(Exception):
    """The work is no longer wanted. What was evaluated stays in the cache."""


@dataclass
class Usage:
    """What one generation cost: token counts, and seconds until the prompt was evaluated."""

    prompt_tokens: int = 0
    evaluated_tokens: int = 0
    answer_tokens: int = 0
    prompt_seconds: float = 0.0
    answer_seconds: float = 0.0


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _no_log(level: int, text: bytes, data: object) -> None:
    """llama.cpp writes to stderr by itself, prompts included at some levels; we do not let it."""


class Engine:
    """One model with one sequence. Not thread-safe: one thread owns it."""

    def __init__(
        self, path: Path, *, context_tokens: int = 2048, threads: int = 0, gpu_layers: int = 0
    ) -> None:
        """Load a GGUF file. Raises ModelError if it is none, is broken, or has another format."""
        _check_file(path)
        llama_cpp.llama_log_set(_no_log, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self.path = path
        self._model = _load_model(path, gpu_layers)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        _check_format(self.metadata(FORMAT_KEY), path)
        self._cancelled: Callable[[], bool] = lambda: False
        self._abort = llama_cpp.ggml_abort_callback(lambda _: self._cancelled())
        self._context = self._new_context(context_tokens, threads)
        self.context_tokens: int = llama_cpp.llama_n_ctx(self._context)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._cached: list[int] = []
        self.vocabulary = Vocabulary(self._pieces())
        self.markers = self._find_markers()
        self.beginning = self._beginning()

    def _new_context(self, context_tokens: int, threads: int) -> llama_cpp.llama_context_p:
        params = llama_cpp.llama_context_default_params()
        trained = llama_cpp.llama_model_n_ctx_train(self._model)
        params.n_ctx = min(context_tokens, trained or context_tokens)
        params.n_batch = params.n_ubatch = _BATCH
        params.n_threads = params.n_threads_batch = threads or physical_cores()
        params.abort_callback = self._abort
        params.no_perf = True
        context: llama_cpp.llama_context_p = llama_cpp.llama_init_from_model(self._model, params)
        if not context:
            raise ModelError(f"no memory for a context of {context_tokens} tokens")
        return context

    def close(self) -> None:
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)

    def metadata(self, key: str) -> str | None:
        """A value of the GGUF's metadata as text."""
        buffer = ctypes.create_string_buffer(4096)
        length = llama_cpp.llama_model_meta_val_str(self._model, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace") if length >= 0 else None

    def tokenize(self, text: str) -> list[int]:
        """Token ids of text as text: names of special tokens inside it are not parsed."""
        return self._tokenize(text, special=False)

    def _tokenize(self, text: str, *, special: bool) -> list[int]:
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        tokens = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocab, data, len(data), tokens, room, False, special)
        return list(tokens[:count])

    def generate(
        self,
        prompt: Sequence[int],
        begin_with: bytes,
        limit: int,
        cancelled: Callable[[], bool] = lambda: False,
        usage: Usage | None = None,
    ) -> Iterator[bytes]:
        """Yield the bytes of one greedy token after another; `begin_with` is not yielded.

        Ends at a control token or after `limit` tokens. Raises Cancelled soon after `cancelled`
        becomes true, in the middle of an evaluation too.
        """
        usage = usage if usage is not None else Usage()
        self._cancelled = cancelled
        began = time.perf_counter()
        usage.prompt_tokens = len(prompt)
        usage.evaluated_tokens = self._evaluate_prompt(list(prompt))
        usage.prompt_seconds = time.perf_counter() - began
        rest = begin_with
        room = self.context_tokens - len(self._cached)
        for _ in range(min(limit + len(begin_with), room)):
            token = self._best_token(rest)
            piece = self.vocabulary.pieces[token]
            if not piece:
                break
            usage.answer_tokens += 1
            shown, rest = piece[len(rest) :], rest[len(piece) :]
            if shown:
                yield shown
                usage.answer_seconds = time.perf_counter() - began - usage.prompt_seconds
            if usage.answer_tokens >= limit and not rest:
                break
            self._decode([token])

    def _evaluate_prompt(self, prompt: list[int]) -> int:
        """Bring the cache to hold exactly `prompt`, with logits for what follows it."""
        common = _common_length(self._cached, prompt)
        # The last token is evaluated in any case: its logits are those of the next one.
        common = min(common, len(prompt) - 1)
        if not llama_cpp.llama_memory_seq_rm(self._memory, 0, common, -1):
            llama_cpp.llama_memory_clear(self._memory, True)
            common = 0
        del self._cached[common:]
        fresh = prompt[common:]
        for start in range(0, len(fresh), _BATCH):
            self._decode(fresh[start : start + _BATCH])
        return len(fresh)

    def _decode(self, tokens: list[int]) -> None:
        if self._cancelled():
            raise Cancelled
        array = (llama_cpp.llama_token * len(tokens))(*tokens)
        status = llama_cpp.llama_decode(
            self._context, llama_cpp.llama_batch_get_one(array, len(tokens))
        )
        if status == 0:
            self._cached += tokens
            return
        # Nothing is certain about a batch that did not end: what it left is dropped.
        llama_cpp.llama_memory_seq_rm(self._memory, 0, len(self._cached), -1)
        if status == _ABORTED:
            raise Cancelled
        raise ModelError(f"the model could not evaluate its input (llama.cpp status {status})")

    def _best_token(self, rest: bytes) -> int:
        pointer = llama_cpp.llama_get_logits_ith(self._context, -1)
        logits: npt.NDArray[np.float32] = np.ctypeslib.as_array(
            pointer, shape=(len(self.vocabulary),)
        )
        if not rest:
            return int(logits.argmax())
        allowed = self.vocabulary.continuing(rest)
        return allowed[int(logits[allowed].argmax())] if allowed else int(logits.argmax())

    def _pieces(self) -> list[bytes]:
        """The bytes of each token; none for control tokens, which are never text."""
        buffer = ctypes.create_string_buffer(512)

        def piece(token: int) -> bytes:
            if llama_cpp.llama_vocab_is_control(self._vocab, token) or llama_cpp.llama_vocab_is_eog(
                self._vocab, token
            ):
                return b""
            length = llama_cpp.llama_token_to_piece(
                self._vocab, token, buffer, len(buffer), 0, False
            )
            return buffer.raw[: max(length, 0)]

        return [piece(token) for token in range(llama_cpp.llama_vocab_n_tokens(self._vocab))]

    def _find_markers(self) -> Markers:
        """Markers from the file's metadata, then by the names the trainer looks for too."""
        given = {
            role: int(value)
            for role, key in _MARKER_KEYS.items()
            if (value := self.metadata(f"tokenizer.ggml.{key}_token_id") or "").isdecimal()
        }
        return find_markers(self._special_id, given)

    def _special_id(self, name: str) -> int | None:
        ids = self._tokenize(name, special=True)
        known = len(ids) == 1 and not self.vocabulary.pieces[ids[0]]
        return ids[0] if known else None

    def _beginning(self) -> tuple[int, ...]:
        wanted = llama_cpp.llama_vocab_get_add_bos(self._vocab)
        return (llama_cpp.llama_vocab_bos(self._vocab),) if wanted else ()


def physical_cores() -> int:
    """Cores to use: hyper-threads bring a memory-bound loop nothing."""
    return psutil.cpu_count(logical=False) or psutil.cpu_count() or 1


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ModelError(f"the model {path} cannot be read: {error.strerror}") from None
    if magic != GGUF_MAGIC:
        raise ModelError(f"{path} is not a GGUF file", "budgetai-convert makes one")


def _load_model(path: Path, gpu_layers: int) -> llama_cpp.llama_model_p:
    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = gpu_layers
    model: llama_cpp.llama_model_p = llama_cpp.llama_model_load_from_file(os.fsencode(path), params)
    if not model:
        raise ModelError(
            f"llama.cpp cannot load {path}", "The file may be cut short, or of a newer kind"
        )
    return model


def _check_format(found: str | None, path: Path) -> None:
    if found is not None and found != str(PROMPT_FORMAT):
        raise ModelError(
            f"{path.name} was made for prompt format {found}, this server uses {PROMPT_FORMAT}",
            "Run budgetai-train and budgetai-convert again",
        )


def _common_length(a: Sequence[int], b: Sequence[int]) -> int:
    return next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
