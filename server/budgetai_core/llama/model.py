"""llama.cpp as inference runs it. A model in memory, with several sequences
and with adapters that are laid over it.

A thin layer on the low-level API: token ids go in, logits come out. It knows no prompts and
chooses no tokens.
"""

import ctypes
import math
import os
import struct
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from budgetai_core.artifacts import lora_reader
from budgetai_core.artifacts.gguf_header import MAGIC
from budgetai_core.errors import ModelError
from budgetai_core.llama.native import llama_cpp

Logits = npt.NDArray[np.float32]

BATCH = 64
"""Tokens evaluated at once. A cancelled batch is lost, so it is short: on two cores 64 cost 3 %
of the prefill speed of 128, and 512 are slower than both."""

# Bytes at a file's start, and the key there that tells a model from the other things in GGUF.
_HEAD, _KIND = 1 << 12, b"general.type"
_OTHER_KINDS = {b"adapter": "a LoRA adapter", b"imatrix": "an importance matrix"}

OUTPUTS = 16
"""Tokens of a batch that may get logits."""

_ABORTED = 2


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _no_log(level: int, text: bytes, data: object) -> None:
    """Swallow what llama.cpp writes to stderr by itself, prompts included at some levels."""


class Llama:
    """A GGUF file and one context. Not thread-safe: one thread owns it."""

    def __init__(
        self,
        path: Path,
        *,
        context_tokens: int,
        sequences: int,
        threads: int,
        gpu_layers: int,
        stopped: Callable[[], bool],
    ) -> None:
        """Load the model. `context_tokens` is the length of each of the `sequences`; `stopped` is
        asked while an evaluation runs. Raises ModelError if the file is not a model, is broken, or
        too large."""
        _check_file(path)
        llama_cpp.llama_log_set(_no_log, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self._model = _load_model(path, gpu_layers)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self.size: int = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self.sequences = sequences
        self._abort = llama_cpp.ggml_abort_callback(lambda _: stopped())
        self._context = self._new_context(context_tokens, threads)
        self.context_tokens: int = llama_cpp.llama_n_ctx(self._context) // sequences
        self._memory = llama_cpp.llama_get_memory(self._context)
        # Recurrent memory is one state for all tokens: nothing can be taken back from it.
        self.cuttable = not (
            llama_cpp.llama_model_is_recurrent(self._model)
            or llama_cpp.llama_model_is_hybrid(self._model)
        )
        self._batch = _Batch()
        # By name: llama.cpp's own, and the factor on its update.
        self._adapters: dict[str, tuple[Any, float]] = {}
        self._used = ""

    def _new_context(self, context_tokens: int, threads: int) -> llama_cpp.llama_context_p:
        params = llama_cpp.llama_context_default_params()
        trained = llama_cpp.llama_model_n_ctx_train(self._model)
        # Each sequence has memory of its own: attention then reads only what is its own.
        params.n_ctx = min(context_tokens, trained or context_tokens) * self.sequences
        params.n_seq_max = self.sequences
        params.kv_unified = False
        params.n_batch = params.n_ubatch = BATCH
        # Logits of 150,000 tokens take 0.6 MB an output: no room is kept for more than are read.
        params.n_outputs_max = OUTPUTS
        params.n_threads = params.n_threads_batch = threads
        params.abort_callback = self._abort
        params.no_perf = True
        context: llama_cpp.llama_context_p = llama_cpp.llama_init_from_model(self._model, params)
        if not context:
            raise ModelError(
                f"no memory for {self.sequences} sequences of {context_tokens} tokens",
                "Use fewer --sequences or --context-tokens",
            )
        return context

    def close(self) -> None:
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)

    def metadata(self, key: str) -> str | None:
        """Return a value of the GGUF's metadata as text."""
        buffer = ctypes.create_string_buffer(4096)
        length = llama_cpp.llama_model_meta_val_str(self._model, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace") if length >= 0 else None

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Return token ids of a text. Unless `special`, names of special tokens inside it are
        text."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        tokens = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocab, data, len(data), tokens, room, False, special)
        return list(tokens[:count])

    def pieces(self) -> list[bytes]:
        """Return the bytes of each token; none for control tokens, which are never text."""
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

        return [piece(token) for token in range(self.size)]

    def beginning(self) -> tuple[int, ...]:
        """Return the tokens with which the vocabulary wants every text to begin."""
        wanted = llama_cpp.llama_vocab_get_add_bos(self._vocab)
        return (llama_cpp.llama_vocab_bos(self._vocab),) if wanted else ()

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of the adapters that are loaded, in that order."""
        return tuple(self._adapters)

    def add_adapter(self, name: str, path: Path, scale: float) -> None:
        """Load a LoRA file under a name, in the place of what had it. Raises ModelError if it is
        none, is broken, or is for another model, and leaves what was there."""
        if not math.isfinite(scale):
            raise ModelError(f"the adapter {path} cannot be scaled by {scale}")
        lora_reader.check(path, self.metadata("general.architecture") or "")
        adapter = llama_cpp.llama_adapter_lora_init(self._model, os.fsencode(path))
        if not adapter:
            raise ModelError(f"the adapter {path} does not fit this model", "Its base is another")
        self.remove_adapter(name)
        self._adapters[name] = adapter, scale

    def remove_adapter(self, name: str) -> None:
        """Drop an adapter, if there is one of this name."""
        if adapter := self._adapters.pop(name, None):
            if name == self._used:
                # The context would go on to read what is freed.
                self.use("")
            llama_cpp.llama_adapter_lora_free(adapter[0])

    def use(self, name: str) -> None:
        """Evaluate with an adapter from now on, or with none: "". Raises ModelError if no adapter
        has this name. The first evaluation after a change builds llama.cpp's graphs anew."""
        if name == self._used:
            return
        if name and name not in self._adapters:
            raise ModelError(f"there is no adapter {name}", "It may have been removed meanwhile")
        loaded = [self._adapters[name]] if name else []
        adapters = (llama_cpp.llama_adapter_lora_p_ctypes * len(loaded))(
            *(handle for handle, _ in loaded)
        )
        scales = (ctypes.c_float * len(loaded))(*(scale for _, scale in loaded))
        if llama_cpp.llama_set_adapters_lora(self._context, adapters, len(loaded), scales):
            raise ModelError(f"llama.cpp cannot use the adapter {name}")
        self._used = name

    def evaluate(
        self, sequence: int, position: int, tokens: Sequence[int], *, outputs: int = 1
    ) -> bool:
        """Evaluate at most BATCH tokens of a sequence; the last `outputs` of them get logits.

        False if it was stopped: then nothing of the batch is kept. Raises ModelError where
        llama.cpp fails.
        """
        self._batch.fill(sequence, position, tokens, outputs)
        status = llama_cpp.llama_decode(self._context, self._batch.struct)
        if status == 0:
            return True
        # Nothing is certain about a batch that did not end: what it left is dropped.
        self.forget(sequence, position)
        if status == _ABORTED:
            return False
        raise ModelError(f"the model could not evaluate its input (llama.cpp status {status})")

    def logits(self, place: int = -1) -> Logits:
        """Return the logits (vocabulary,) after the batch's token at `place`. The
        array is llama.cpp's own: it is overwritten by the next evaluation."""
        pointer = llama_cpp.llama_get_logits_ith(self._context, place)
        return np.ctypeslib.as_array(pointer, shape=(self.size,))

    def forget(self, sequence: int, position: int) -> bool:
        """Drop a sequence's tokens from `position` on; False if this model can only drop all."""
        done: bool = llama_cpp.llama_memory_seq_rm(self._memory, sequence, position, -1)
        return done

    def take_out(self, sequence: int, position: int, gone: int, new: int) -> bool:
        """Drop `gone` tokens of a sequence from `position` on and move the later ones up to where
        they stand behind `new` others, which are missing. False if this model cannot do it."""
        if not llama_cpp.llama_memory_can_shift(self._memory):
            return False
        end = position + gone
        if not llama_cpp.llama_memory_seq_rm(self._memory, sequence, position, end):
            return False
        llama_cpp.llama_memory_seq_add(self._memory, sequence, end, -1, new - gone)
        return True

    def end(self, sequence: int) -> int:
        """Return the position after the last token of a sequence."""
        last: int = llama_cpp.llama_memory_seq_pos_max(self._memory, sequence)
        return last + 1

    def copy(self, source: int, target: int) -> None:
        """Let a sequence hold what another one holds."""
        llama_cpp.llama_memory_seq_rm(self._memory, target, -1, -1)
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)


class _Batch:
    """llama.cpp's input, allocated once: token ids, positions, and which of them get logits."""

    def __init__(self) -> None:
        self._token = (llama_cpp.llama_token * BATCH)()
        self._pos = (llama_cpp.llama_pos * BATCH)()
        self._counts = (ctypes.c_int32 * BATCH)(*[1] * BATCH)
        self._sequence = (llama_cpp.llama_seq_id * 1)()
        self._wanted = (ctypes.c_int8 * BATCH)()
        # All tokens of a batch belong to one sequence: all entries point to the same number.
        pointer = ctypes.cast(self._sequence, ctypes.POINTER(llama_cpp.llama_seq_id))
        self._sequences = (ctypes.POINTER(llama_cpp.llama_seq_id) * BATCH)(*[pointer] * BATCH)
        self.struct = llama_cpp.llama_batch(
            n_tokens=0,
            token=self._token,
            embd=None,
            pos=self._pos,
            n_seq_id=self._counts,
            seq_id=self._sequences,
            logits=self._wanted,
        )

    def fill(self, sequence: int, position: int, tokens: Sequence[int], outputs: int) -> None:
        count = len(tokens)
        self._token[:count] = list(tokens)
        self._pos[:count] = list(range(position, position + count))
        for place in range(count):
            self._wanted[place] = int(place >= count - outputs)
        self._sequence[0] = sequence
        self.struct.n_tokens = count


def build() -> str:
    """Return what the speed of this build depends on."""
    return f"{version('llama-cpp-python')} {gpu_offload()}"


def system_info() -> str:
    """Return what this build of llama.cpp uses of the processor, in llama.cpp's own words."""
    return bytes(llama_cpp.llama_print_system_info()).decode("utf-8", "replace").strip()


def ggml_versions() -> tuple[str, str]:
    """Return the version of ggml that is loaded, and of the one that llama-cpp-python came with; ""
    for what cannot be told. They differ where LLAMA_CPP_LIB_PATH names another build."""
    own = Path(llama_cpp.__file__).parent / "lib"
    beside = next((path for path in sorted(own.glob("*ggml-base*"))), None)
    loaded = _ggml_version(llama_cpp._lib)
    try:
        return loaded, _ggml_version(ctypes.CDLL(str(beside))) if beside else ""
    except OSError:
        return loaded, ""


def _ggml_version(library: ctypes.CDLL) -> str:
    try:
        function = library.ggml_version
    except AttributeError:
        return ""
    function.restype = ctypes.c_char_p
    return bytes(function()).decode("ascii", "replace")


def gpu_offload() -> bool:
    """Return whether the installed build can put layers on a GPU."""
    return bool(llama_cpp.llama_supports_gpu_offload())


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise ModelError(f"the model {path} cannot be read: {error.strerror}") from None
    if head[:4] != MAGIC:
        raise ModelError(f"{path} is not a GGUF file", "budgetai-convert makes one")
    if head[4:8] in (b"\0\0\0\2", b"\0\0\0\3"):
        raise ModelError(f"{path} is of the other byte order (big-endian)", "Fetch it anew")
    # A whole header has the vocabulary in it; what kind of file it is stands among the first keys.
    _, _, behind = head.partition(struct.pack("<Q", len(_KIND)) + _KIND + struct.pack("<I", 8))
    for kind, what in _OTHER_KINDS.items():
        if behind.startswith(struct.pack("<Q", len(kind)) + kind):
            raise ModelError(f"{path} is {what}, not a model", "Name the model it was made for")


def _load_model(path: Path, gpu_layers: int) -> llama_cpp.llama_model_p:
    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = gpu_layers
    model: llama_cpp.llama_model_p = llama_cpp.llama_model_load_from_file(os.fsencode(path), params)
    if not model:
        raise ModelError(
            f"llama.cpp cannot load {path}", "The file may be cut short, or of a newer kind"
        )
    return model
