"""Does the file say what the tuned model says? llama.cpp is asked, and compared with torch.

The F16 file must agree nearly bit for bit, or something was merged, permuted or named wrongly.
The quantised file may differ, but it must not have lost the model.
"""

import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from budgetai_convert.quantize import available_cores
from budgetai_convert.reference import Answer
from budgetai_server.context.prompt import PROMPT_FORMAT
from budgetai_server.errors import CheckError

MAX_KLD_F16 = 0.01
"""Nats per token. Rounding to F16 costs 1e-6 to 1e-4; a wrong row order costs whole nats."""

MAX_KLD_QUANT = 2.0
"""Nats per token. Generous: 8 bits cost about 0.001, 4 bits 0.05 to 0.3, 2 bits of the smallest
models 1; a file beyond this has lost the model."""

TIE_MARGIN = 0.1
"""In logits. Where torch itself rates two tokens this close, rounding may choose either: llama.cpp
rounds activations to F16 too, and moved such distances by up to 0.04 in SmolLM2-135M."""

_BATCH = 512
_LOG = llama_cpp.llama_log_callback(lambda level, text, data: None)


@dataclass(frozen=True)
class Agreement:
    """How near a file is to torch. `kld` is the mean KL divergence in nats per token, `top` the
    part of positions with the same best token; `ties` and `differing` count answer tokens that
    are another than torch's, within and beyond TIE_MARGIN."""

    kld: float
    top: float
    ties: int
    differing: int
    positions: int


class Native:
    """A model file as llama.cpp reads it. Raises CheckError when it cannot."""

    def __init__(self, path: Path, *, vocabulary_only: bool = False) -> None:
        llama_cpp.llama_log_set(_LOG, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        settings = llama_cpp.llama_model_default_params()
        settings.vocab_only = vocabulary_only
        settings.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(os.fsencode(path), settings)
        if not self.model:
            raise CheckError(f"llama.cpp cannot load {path.name}")
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.size = int(llama_cpp.llama_vocab_n_tokens(self.vocab))

    def close(self) -> None:
        if self.model:
            llama_cpp.llama_model_free(self.model)
            self.model = None

    def __enter__(self) -> "Native":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def tokenize(self, text: str) -> list[int]:
        """Token ids, with special tokens read as text."""
        data = text.encode()
        room = (llama_cpp.llama_token * (len(data) + 8))()
        count = llama_cpp.llama_tokenize(self.vocab, data, len(data), room, len(room), False, False)
        return list(room[: max(count, 0)])

    def beginning(self) -> list[int]:
        """The tokens with which every text begins."""
        adds = llama_cpp.llama_vocab_get_add_bos(self.vocab)
        return [int(llama_cpp.llama_vocab_bos(self.vocab))] if adds else []

    def metadata(self, key: str) -> str | None:
        room = ctypes.create_string_buffer(256)
        size = llama_cpp.llama_model_meta_val_str(self.model, key.encode(), room, len(room))
        return room.value.decode("utf-8", "replace") if size >= 0 else None

    @contextmanager
    def evaluating(self, length: int) -> Iterator[Callable[[Sequence[int]], NDArray[np.float32]]]:
        """Give a function from at most `length` tokens to logits [tokens, vocabulary]."""
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = settings.n_batch = settings.n_ubatch = max(length, _BATCH)
        settings.n_threads = settings.n_threads_batch = available_cores()
        settings.no_perf = True
        context = llama_cpp.llama_init_from_model(self.model, settings)
        if not context:
            raise CheckError("llama.cpp has no memory left to run the model")
        try:
            yield lambda tokens: self._logits(context, tokens)
        finally:
            llama_cpp.llama_free(context)

    def _logits(self, context: Any, tokens: Sequence[int]) -> NDArray[np.float32]:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
        try:
            batch.n_tokens = len(tokens)
            for place, token in enumerate(tokens):
                batch.token[place], batch.pos[place] = token, place
                batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
                batch.logits[place] = 1
            if llama_cpp.llama_decode(context, batch):
                raise CheckError("llama.cpp cannot evaluate the converted file")
            shape = (len(tokens), self.size)
            return np.ctypeslib.as_array(llama_cpp.llama_get_logits(context), shape).copy()
        finally:
            llama_cpp.llama_batch_free(batch)


def check_metadata(native: Native, architecture: str) -> None:
    """Raises CheckError when the file does not say what the server asks it."""
    wanted = {"general.architecture": architecture, "budgetai.prompt_format": str(PROMPT_FORMAT)}
    for key, value in wanted.items():
        if native.metadata(key) != value:
            raise CheckError(f"the file says {key} is {native.metadata(key)}, not {value}")


def check_tokenizer(
    native: Native, tokenize: Callable[[str], list[int]], texts: Sequence[str]
) -> None:
    """Raises CheckError for the first text that is not tokenised as `tokenize` does."""
    for text in texts:
        wanted, found = tokenize(text), native.tokenize(text)
        if wanted != found:
            place = next(
                (i for i, pair in enumerate(zip(wanted, found, strict=False)) if len({*pair}) > 1),
                min(len(wanted), len(found)),
            )
            raise CheckError(
                f"the file tokenises {text[:40]!r} otherwise than the base, from token {place} on",
                f"Base {wanted[place : place + 4]}, file {found[place : place + 4]}",
            )


def compare(
    native: Native, answers: Sequence[Answer], progress: Callable[[], None] = lambda: None
) -> Agreement:
    """Evaluate each answer's tokens in one batch and set the logits against torch's.

    The tokens are torch's, so a greedy answer is the same as torch's exactly when the best token
    is the same at each of its positions.
    """
    parts = []
    with native.evaluating(max(len(answer.tokens) for answer in answers)) as evaluate:
        for answer in answers:
            if answer.logits.shape[1] != native.size:
                raise CheckError(
                    f"the file has {native.size} tokens, the base {answer.logits.shape[1]}"
                )
            parts.append(_compare_one(answer, evaluate(answer.tokens)))
            progress()
    positions = sum(part.positions for part in parts)
    return Agreement(
        kld=sum(part.kld * part.positions for part in parts) / positions,
        top=sum(part.top * part.positions for part in parts) / positions,
        ties=sum(part.ties for part in parts),
        differing=sum(part.differing for part in parts),
        positions=positions,
    )


def _compare_one(answer: Answer, logits: NDArray[np.float32]) -> Agreement:
    wanted, found = answer.logits.argmax(1), logits.argmax(1)
    ties = differing = 0
    for row in range(answer.prompt - 1, len(answer.tokens)):
        if wanted[row] != found[row]:
            gap = answer.logits[row, wanted[row]] - answer.logits[row, found[row]]
            ties += bool(gap <= TIE_MARGIN)
            differing += bool(gap > TIE_MARGIN)
    kld = float(np.mean([_divergence(p, q) for p, q in zip(answer.logits, logits, strict=True)]))
    return Agreement(kld, float((wanted == found).mean()), ties, differing, len(answer.tokens))


def _divergence(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """KL divergence of two rows of logits [vocabulary], in nats."""
    p, q = _log_softmax(wanted), _log_softmax(found)
    return float(np.sum(np.exp(p) * (p - q)))


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - float(logits.max())
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))


def check_f16(found: Agreement) -> None:
    """Raises CheckError when the merged file is not the tuned model."""
    if not found.kld <= MAX_KLD_F16:
        raise CheckError(
            f"the merged file differs from the tuned model: KL divergence {found.kld:.4f}, "
            f"at most {MAX_KLD_F16} allowed"
        )
    if found.differing:
        raise CheckError(
            f"the merged file answers otherwise than the tuned model at {found.differing} tokens"
        )


def check_quant(found: Agreement, quant: str) -> None:
    """Raises CheckError when quantising has destroyed the model."""
    if not found.kld <= MAX_KLD_QUANT:
        raise CheckError(
            f"{quant} destroys this model: KL divergence {found.kld:.2f}, "
            f"at most {MAX_KLD_QUANT} allowed",
            "Use Q8_0",
        )
