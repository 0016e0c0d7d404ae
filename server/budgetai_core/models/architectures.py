"""The model families that can be converted: their tensors, sizes and head order."""

from dataclasses import dataclass

import gguf
import numpy as np
from gguf import MODEL_ARCH, GGUFValueType

from budgetai_core.artifacts.gguf_header import Metadata
from budgetai_core.artifacts.gguf_reader import Floats, GGUFFile, pack
from budgetai_core.errors import BaseError
from budgetai_core.models import rope
from budgetai_core.models.rope import RopeScaling

Shapes = dict[str, tuple[int, ...]]

_MAX_BLOCKS = 1000
_QKV = ("attn_q.bias", "attn_k.bias", "attn_v.bias")
_ATTENTION = (*_QKV, "attn_output.bias")
_FEED_FORWARD = ("ffn_gate.bias", "ffn_up.bias", "ffn_down.bias")


@dataclass(frozen=True, kw_only=True)
class Family:
    """What tells one family from another. `models` names some for people.

    `paired`: rows of q and k are interleaved in GGUF. `gated`: the feed-forward part has a gate.
    `centred`: norms subtract the mean and have a bias (LayerNorm, not RMSNorm). `head_norms`: each
    head of q and k is normalised. `biases` are always there, `attention_biases` and
    `feed_forward_biases` if the model wants them. `factors` are numbers of the configuration, by
    their name in GGUF. `divided`: llama.cpp reads divisors of the rotations (Llama 3). In every
    `unrotated`th block q and k are not rotated; 0 is for none.
    """

    arch: MODEL_ARCH
    models: str
    activation: str = "silu"
    paired: bool = False
    gated: bool = True
    centred: bool = False
    head_norms: bool = False
    biases: tuple[str, ...] = ()
    attention_biases: tuple[str, ...] = ()
    feed_forward_biases: tuple[str, ...] = ()
    factors: tuple[tuple[str, str], ...] = ()
    divided: bool = False
    unrotated: int = 0


FAMILIES = {
    "llama": Family(
        arch=MODEL_ARCH.LLAMA,
        models="Llama, Mistral, SmolLM, TinyLlama, Granite Code 3B and 8B",
        paired=True,
        attention_biases=_ATTENTION,
        feed_forward_biases=_FEED_FORWARD,
        divided=True,
    ),
    "granite": Family(
        arch=MODEL_ARCH.GRANITE,
        models="Granite 3",
        paired=True,
        attention_biases=_ATTENTION,
        feed_forward_biases=_FEED_FORWARD,
        factors=(
            ("attention.scale", "attention_multiplier"),
            ("embedding_scale", "embedding_multiplier"),
            ("residual_scale", "residual_multiplier"),
            ("logit_scale", "logits_scaling"),
        ),
        divided=True,
    ),
    # llama.cpp counts the blocks without positions by a number of its own.
    "smollm3": Family(arch=MODEL_ARCH.SMOLLM3, models="SmolLM3", paired=True, unrotated=4),
    "qwen2": Family(arch=MODEL_ARCH.QWEN2, models="Qwen2, Qwen2.5, Qwen2.5-Coder", biases=_QKV),
    "qwen3": Family(arch=MODEL_ARCH.QWEN3, models="Qwen3 without experts", head_norms=True),
    "starcoder2": Family(
        arch=MODEL_ARCH.STARCODER2,
        models="StarCoder2",
        activation="gelu_pytorch_tanh",
        gated=False,
        centred=True,
        biases=(*_ATTENTION, "ffn_up.bias", "ffn_down.bias"),
    ),
}
SUPPORTED = ", ".join(f"{name} ({family.models})" for name, family in FAMILIES.items())


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """A model's dimensions, counted in elements. `head_width` is that of one attention head;
    `biases` are the tensors of a block that only some models of the family have; `factors` are
    the family's, by GGUF name."""

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
    biases: tuple[str, ...] = ()
    factors: tuple[tuple[str, float], ...] = ()
    rope: RopeScaling = RopeScaling()

    @property
    def family(self) -> Family:
        return FAMILIES[self.architecture]

    @property
    def divisors(self) -> Floats | None:
        """What the angles of each pair of a head are divided by, (head_width / 2,), or None."""
        return self.rope.divisors(self.head_width, self.rope_base)

    def shapes(self) -> Shapes:
        """Return every tensor a file of this model holds, by GGUF name; rows first."""
        shapes_by_name: Shapes = {"token_embd.weight": (self.vocabulary, self.width)}
        shapes_by_name |= self._norm("output_norm", self.width)
        if not self.tied:
            shapes_by_name["output.weight"] = (self.vocabulary, self.width)
        if self.divisors is not None:
            shapes_by_name[rope.FREQUENCIES] = self.divisors.shape
        for block in range(self.blocks):
            for name, shape in self._block().items():
                shapes_by_name[f"blk.{block}.{name}"] = shape
        return shapes_by_name

    def _norm(self, name: str, width: int) -> Shapes:
        shapes: Shapes = {f"{name}.weight": (width,)}
        return shapes | ({f"{name}.bias": (width,)} if self.family.centred else {})

    def _block(self) -> Shapes:
        linear = self._linear()
        shapes = self._norm("attn_norm", self.width) | self._norm("ffn_norm", self.width)
        shapes |= {f"{name}.weight": shape for name, shape in linear.items()}
        if self.family.head_norms:
            shapes |= {f"attn_{part}_norm.weight": (self.head_width,) for part in "qk"}
        for bias in (*self.family.biases, *self.biases):
            shapes[bias] = linear[bias.removesuffix(".bias")][:1]
        return shapes

    def _linear(self) -> dict[str, tuple[int, int]]:
        queries, keys = self.heads * self.head_width, self.kv_heads * self.head_width
        shapes = {
            "attn_q": (queries, self.width),
            "attn_k": (keys, self.width),
            "attn_v": (keys, self.width),
            "attn_output": (self.width, queries),
            "ffn_up": (self.feed_forward, self.width),
            "ffn_down": (self.width, self.feed_forward),
        }
        return shapes | ({"ffn_gate": (self.feed_forward, self.width)} if self.family.gated else {})

    def metadata(self) -> Metadata:
        """Return the sizes as GGUF metadata."""
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
        floats = {"rope.freq_base": self.rope_base, epsilon_key(self.family): self.epsilon}
        floats |= dict(self.factors)
        packed = {key: pack(value, GGUFValueType.UINT32) for key, value in integers.items()}
        packed |= {key: pack(value, GGUFValueType.FLOAT32) for key, value in floats.items()}
        if self.rope.kind == "linear":
            packed["rope.scaling.type"] = pack("linear", GGUFValueType.STRING)
            packed["rope.scaling.factor"] = pack(self.rope.factor, GGUFValueType.FLOAT32)
        return {f"{self.architecture}.{key}": value for key, value in packed.items()}

    def in_file_order(self, name: str, values: Floats) -> Floats:
        """Return rows (out, …) as a GGUF file has them, from rows as Hugging Face has them.

        llama.cpp rotates neighbouring pairs (0, 1), (2, 3) … of a llama head where transformers
        rotates the halves (0, d/2), (1, d/2 + 1) …; the rows of q and k are interleaved to match.
        """
        heads = self._paired_heads(name)
        return _swapped(values, (heads, 2, -1)) if heads else values

    def in_model_order(self, name: str, values: Floats) -> Floats:
        """Return rows (out, …) as Hugging Face has them, from rows as a GGUF file has them."""
        heads = self._paired_heads(name)
        return _swapped(values, (heads, -1, 2)) if heads else values

    def _paired_heads(self, name: str) -> int:
        """Return how many heads a tensor has whose rows are interleaved; 0 if they are not."""
        if not self.family.paired:
            return 0
        return {"attn_q": self.heads, "attn_k": self.kv_heads}.get(name.split(".")[-2], 0)


def epsilon_key(family: Family) -> str:
    return f"attention.layer_norm_{'' if family.centred else 'rms_'}epsilon"


def _swapped(values: Floats, rows: tuple[int, int, int]) -> Floats:
    """Return rows that are counted by three numbers, the last two of these in the other order."""
    parts = values.reshape(*rows, *values.shape[1:])
    return np.ascontiguousarray(parts.swapaxes(1, 2)).reshape(values.shape)


def names(architecture: str, blocks: int) -> gguf.TensorNameMap:
    """Return what GGUF calls the tensors of a family."""
    return gguf.get_tensor_name_map(FAMILIES[architecture].arch, blocks)


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


def check_tensors(sizes: Sizes, shapes: Shapes, name: str) -> None:
    """Refuse a base whose tensors are not those of its sizes. Raises BaseError."""
    wanted = sizes.shapes()
    for tensor, shape in wanted.items():
        if tensor not in shapes:
            raise BaseError(f"the base {name} lacks the tensor {tensor}")
        if shapes[tensor] != shape:
            raise BaseError(
                f"the base {name} is broken: {tensor} is {shapes[tensor]}, its sizes say {shape}"
            )
    for tensor in shapes:
        if tensor not in wanted:
            raise BaseError(
                f"the base {name} has the tensor {tensor}, which plain {sizes.architecture} "
                "models have not",
                "Use a base without experts or extra biases",
            )


def sizes_of_gguf(file: GGUFFile) -> Sizes:
    """Return the sizes a GGUF file states. Raises BaseError for other architectures."""
    name, architecture = file.path.name, file.value("general.architecture")
    _refuse_no_model(file)
    family = FAMILIES.get(str(architecture))
    if family is None:
        raise BaseError(f"{name} is a model of type {architecture}", f"Supported: {SUPPORTED}")
    _refuse_variants(file, str(architecture))

    def count(key: str, default: int | None = None) -> int:
        value = file.value(f"{architecture}.{key}", default)
        if not isinstance(value, int):
            raise BaseError(f"{name} states no whole number for {architecture}.{key}")
        return value

    def number(key: str, default: float) -> float:
        value = file.value(f"{architecture}.{key}", default)
        if not isinstance(value, float):
            raise BaseError(f"{name} states no number for {architecture}.{key}")
        return value

    heads, width = count("attention.head_count"), count("embedding_length")
    rope_base = number("rope.freq_base", 10000.0)
    embedding = file.tensors.get("token_embd.weight")
    sizes = Sizes(
        architecture=str(architecture),
        blocks=count("block_count"),
        context=count("context_length"),
        width=width,
        feed_forward=count("feed_forward_length"),
        heads=heads,
        kv_heads=count("attention.head_count_kv", heads),
        head_width=count("attention.key_length", width // max(heads, 1)),
        vocabulary=embedding.shape[0] if embedding else 0,
        rope_base=rope_base,
        epsilon=number(epsilon_key(family), 1e-5),
        tied="output.weight" not in file.tensors,
        biases=tuple(
            bias
            for bias in (*family.attention_biases, *family.feed_forward_biases)
            if f"blk.0.{bias}" in file.tensors
        ),
        factors=tuple((key, number(key, 1.0)) for key, _ in family.factors),
        rope=_rope_of_gguf(file, str(architecture), rope_base),
    )
    return check_sizes(sizes, name)


def _refuse_no_model(file: GGUFFile) -> None:
    """Raise BaseError for the other things that GGUF files hold."""
    kind = file.value("general.type", "model")
    if kind == "adapter":
        raise BaseError(
            f"{file.path.name} is a LoRA adapter as GGUF, not a model",
            "llama.cpp lays it over its base with --lora; to merge it, name the folder it was made "
            "from",
        )
    if kind == "imatrix":
        raise BaseError(f"{file.path.name} is an importance matrix, not a model", "Name a model")
    if kind != "model":
        raise BaseError(f"{file.path.name} is a GGUF file of type {kind}", "Name a model")


def _refuse_variants(file: GGUFFile, architecture: str) -> None:
    if file.value("split.count", 1) not in (0, 1):
        raise BaseError(f"{file.path.name} is one part of several", "Join the parts first")
    if file.value(f"{architecture}.expert_count", 0):
        raise BaseError(f"{file.path.name} is a mixture of experts", f"Supported: {SUPPORTED}")


def _rope_of_gguf(file: GGUFFile, architecture: str, base: float) -> RopeScaling:
    """Return the scaling by the file's keys and its tensor of divisors. Raises BaseError for
    others."""
    kind = file.value(f"{architecture}.rope.scaling.type", "none")
    factor = file.value(f"{architecture}.rope.scaling.factor", 0.0)
    factor = factor or file.value(f"{architecture}.rope.scale_linear", 0.0) or 1.0
    if rope.FREQUENCIES in file.tensors:
        scaling = rope.of_divisors(file.load(rope.FREQUENCIES), base)
        if scaling and kind == "none" and factor == 1:
            return scaling
        kind = "by divisors of its own"
    if kind not in ("none", "linear"):
        raise BaseError(f"{file.path.name} scales its rope: {kind}", "Use a base with plain rope")
    return RopeScaling(kind="linear", factor=float(factor)) if factor != 1 else RopeScaling()
