"""About how large a quantised file will be, before there is one.

llama.cpp mixes types: a file of one name has parts of its own raised to others, and a matrix whose
rows the blocks of its type do not divide gets a type with smaller blocks, of more bits.
"""

import math
from collections.abc import Mapping

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

Shape = tuple[int, ...]

# The type of most matrices, where it is not called as the file is.
_BASES = {
    **{"Q3_K_S": "Q3_K", "Q3_K_M": "Q3_K", "Q3_K_L": "Q3_K"},
    **{"Q4_K_S": "Q4_K", "Q4_K_M": "Q4_K", "Q5_K_S": "Q5_K", "Q5_K_M": "Q5_K"},
}
# What is raised, to which type, and in which share of the blocks.
_RAISED: dict[str, dict[str, tuple[str, float]]] = {
    "Q2_K": {"attn_v": ("Q3_K", 1), "attn_output": ("Q3_K", 1), "ffn_down": ("Q3_K", 1)},
    "Q3_K_M": {"attn_v": ("Q4_K", 1), "attn_output": ("Q4_K", 1), "ffn_down": ("Q4_K", 1)},
    "Q3_K_L": {"attn_v": ("Q5_K", 1), "attn_output": ("Q5_K", 1), "ffn_down": ("Q5_K", 1)},
    "Q4_K_S": {"attn_v": ("Q5_K", 0.125), "ffn_down": ("Q5_K", 0.125)},
    "Q4_K_M": {"attn_v": ("Q6_K", 0.5), "ffn_down": ("Q6_K", 0.5)},
    "Q5_K_M": {"attn_v": ("Q6_K", 0.5), "ffn_down": ("Q6_K", 0.5)},
}
_HEAD = "Q6_K"
_NEVER_RAISED = ("F16", "BF16", "Q8_0")
_SMALLER_BLOCKS = {
    **{"Q2_K": "Q4_0", "Q3_K": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"},
    "IQ4_XS": "IQ4_NL",
}


def expected_size(shapes: Mapping[str, Shape], quant: str, *, pure: bool = False) -> int:
    """Return about how many bytes the tensors take in a file of the type `quant`, from their
    shapes by name, rows first; in a `pure` one nothing is raised."""
    # An embedding that is the head, too, is quantised as heads are.
    head = "output.weight" if "output.weight" in shapes else "token_embd.weight"
    base = _BASES.get(quant, quant)
    raised = {} if pure else _RAISED.get(quant, {})
    total = 0.0
    for name, shape in shapes.items():
        role = name.removesuffix(".weight").rpartition(".")[2]
        if name == head and not pure and base not in _NEVER_RAISED:
            total += tensor_size(shape, _HEAD)
        else:
            kind, share = raised.get(role, (base, 0.0))
            total += share * tensor_size(shape, kind) + (1 - share) * tensor_size(shape, base)
    return int(total)


def tensor_size(shape: Shape, kind: str) -> int:
    """Return the bytes of a tensor of a type, or of the one that its width makes llama.cpp take.
    Vectors stay in 32 bits."""
    if len(shape) == 1:
        return 4 * shape[0]
    for candidate in (kind, _SMALLER_BLOCKS.get(kind, kind)):
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType[candidate]]
        if shape[-1] % block == 0:
            return math.prod(shape) // block * size
    return 2 * math.prod(shape)
