"""The two model families that can be converted: their sizes, tensors and head order."""

from dataclasses import dataclass

import gguf
import numpy as np
from gguf import GGUFValueType

from budgetai_convert.gguf_file import Floats, GGUFFile, Metadata, pack
from budgetai_server.errors import BaseError

ARCHITECTURES = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2}
SUPPORTED = "llama (Llama, SmolLM, TinyLlama …) and qwen2 (Qwen2, Qwen2.5, Qwen2.5-Coder)"

_MAX_BLOCKS = 1000


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """A model's dimensions, counted in elements. `head_width` is that of one attention head."""

    architecture: str
    blocks: int
    context: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_width: int
    vocabulary: int
    rope_base: float
    epsilon: float
    tied: bool

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor a file of this model holds, by GGUF name; rows first."""
        found: dict[str, tuple[int, ...]] = {
            "token_embd.weight": (self.vocabulary, self.width),
            "output_norm.weight": (self.width,),
        }
        if not self.tied:
            found["output.weight"] = (self.vocabulary, self.width)
        for block in range(self.blocks):
            for name, shape in self._block().items():
                found[f"blk.{block}.{name}"] = shape
        return found

    def _block(self) -> dict[str, tuple[int, ...]]:
        queries, keys = self.heads * self.head_width, self.kv_heads * self.head_width
        shapes: dict[str, tuple[int, ...]] = {
            "attn_norm.weight": (self.width,),
            "attn_q.weight": (queries, self.width),
            "attn_k.weight": (keys, self.width),
            "attn_v.weight": (keys, self.width),
            "attn_output.weight": (self.width, queries),
            "ffn_norm.weight": (self.width,),
            "ffn_gate.weight": (self.feed_forward, self.width),
            "ffn_up.weight": (self.feed_forward, self.width),
            "ffn_down.weight": (self.width, self.feed_forward),
        }
        if self.architecture == "qwen2":
            shapes |= {"attn_q.bias": (queries,), "attn_k.bias": (keys,), "attn_v.bias": (keys,)}
        return shapes

    def metadata(self) -> Metadata:
        """The sizes as GGUF metadata."""
        integers = {
            "block_count": self.blocks,
            "context_length": self.context,
            "embedding_length": self.width,
            "feed_forward_length": self.feed_forward,
            "attention.head_count": self.heads,
            "attention.head_count_kv": self.kv_heads,
            "attention.key_length": self.head_width,
            "attention.value_length": self.head_width,
            "rope.dimension_count": self.head_width,
            "vocab_size": self.vocabulary,
        }
        floats = {
            "rope.freq_base": self.rope_base,
            "attention.layer_norm_rms_epsilon": self.epsilon,
        }
        packed = {key: pack(value, GGUFValueType.UINT32) for key, value in integers.items()}
        packed |= {key: pack(value, GGUFValueType.FLOAT32) for key, value in floats.items()}
        return {f"{self.architecture}.{key}": value for key, value in packed.items()}

    def in_file_order(self, name: str, values: Floats) -> Floats:
        """Rows as a GGUF file has them, from rows as Hugging Face has them.

        llama.cpp rotates neighbouring pairs (0, 1), (2, 3) … of a llama head where transformers
        rotates the halves (0, d/2), (1, d/2 + 1) …; the rows of q and k are interleaved to match.
        """
        if self.architecture != "llama":
            return values
        if ".attn_q." in name:
            return _interleaved(values, self.heads)
        if ".attn_k." in name:
            return _interleaved(values, self.kv_heads)
        return values


def _interleaved(values: Floats, heads: int) -> Floats:
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(values.shape)


def check_sizes(sizes: Sizes, name: str) -> Sizes:
    """Refuse sizes no model has. Raises BaseError."""
    # A model of a million blocks is a broken file, and would keep us busy for a long time.
    counts = (sizes.blocks, sizes.context, sizes.width, sizes.feed_forward, sizes.vocabulary)
    heads = (sizes.heads, sizes.kv_heads, sizes.head_width)
    if (
        min(*counts, *heads) < 1
        or sizes.blocks > _MAX_BLOCKS
        or sizes.heads % sizes.kv_heads
        or sizes.head_width % 2
    ):
        raise BaseError(f"the base {name} has sizes that make no model: {sizes}")
    return sizes


def check_tensors(sizes: Sizes, found: dict[str, tuple[int, ...]], name: str) -> None:
    """Refuse a base whose tensors are not those of its sizes. Raises BaseError."""
    wanted = sizes.shapes()
    for tensor, shape in wanted.items():
        if tensor not in found:
            raise BaseError(f"the base {name} lacks the tensor {tensor}")
        if found[tensor] != shape:
            raise BaseError(
                f"the base {name} is broken: {tensor} is {found[tensor]}, its sizes say {shape}"
            )
    for tensor in found:
        if tensor not in wanted:
            raise BaseError(
                f"the base {name} has the tensor {tensor}, which plain {sizes.architecture} "
                "models have not",
                "Use a base without scaled rope, experts or extra biases",
            )


def sizes_of_gguf(file: GGUFFile) -> Sizes:
    """The sizes a GGUF file states. Raises BaseError for other architectures."""
    name, architecture = file.path.name, file.value("general.architecture")
    if architecture not in ARCHITECTURES:
        raise BaseError(f"{name} is a model of type {architecture}", f"Supported: {SUPPORTED}")
    _refuse_variants(file, architecture)

    def count(key: str, default: int | None = None) -> int:
        found = file.value(f"{architecture}.{key}", default)
        if not isinstance(found, int):
            raise BaseError(f"{name} states no whole number for {architecture}.{key}")
        return found

    def number(key: str, default: float) -> float:
        found = file.value(f"{architecture}.{key}", default)
        if not isinstance(found, float):
            raise BaseError(f"{name} states no number for {architecture}.{key}")
        return found

    heads, width = count("attention.head_count"), count("embedding_length")
    embedding = file.tensors.get("token_embd.weight")
    sizes = Sizes(
        architecture=architecture,
        blocks=count("block_count"),
        context=count("context_length"),
        width=width,
        feed_forward=count("feed_forward_length"),
        heads=heads,
        kv_heads=count("attention.head_count_kv", heads),
        head_width=count("attention.key_length", width // max(heads, 1)),
        vocabulary=embedding.shape[0] if embedding else 0,
        rope_base=number("rope.freq_base", 10000.0),
        epsilon=number("attention.layer_norm_rms_epsilon", 1e-5),
        tied="output.weight" not in file.tensors,
    )
    return check_sizes(sizes, name)


def _refuse_variants(file: GGUFFile, architecture: str) -> None:
    if file.value("split.count", 1) not in (0, 1):
        raise BaseError(f"{file.path.name} is one part of several", "Join the parts first")
    if file.value(f"{architecture}.expert_count", 0):
        raise BaseError(f"{file.path.name} is a mixture of experts", f"Supported: {SUPPORTED}")
    if file.value(f"{architecture}.rope.scaling.type", "none") != "none":
        raise BaseError(f"{file.path.name} scales its rope", "Use a base with plain rope")
