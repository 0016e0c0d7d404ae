"""A GGUF file's sizes as the configuration that transformers wants.

transformers reads some families from GGUF itself, but not granite, and takes qwen3's heads to be
128 wide. llama.cpp reads the same file by itself: a size taken amiss here shows as a difference.
"""

from pathlib import Path
from typing import Any

from budgetai_core.artifacts import gguf_reader
from budgetai_core.models.architectures import Sizes, sizes_of_gguf


def of_gguf(path: Path) -> Any:
    """Raises BaseError for a file that is no model of a family that is known."""
    return configured(sizes_of_gguf(gguf_reader.read(path)))


def configured(sizes: Sizes) -> Any:
    """A configuration of transformers."""
    from transformers import AutoConfig

    family = sizes.family
    factors = {theirs: dict(sizes.factors)[ours] for ours, theirs in family.factors}
    biased = {
        "attention_bias": bool({*sizes.biases} & {*family.attention_biases}),
        "mlp_bias": bool({*sizes.biases} & {*family.feed_forward_biases}),
    }
    epsilon = "norm_epsilon" if family.centred else "rms_norm_eps"
    return AutoConfig.for_model(
        sizes.architecture,
        vocab_size=sizes.vocabulary,
        hidden_size=sizes.width,
        intermediate_size=sizes.feed_forward,
        num_hidden_layers=sizes.blocks,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.kv_heads,
        head_dim=sizes.head_width,
        max_position_embeddings=sizes.context,
        rope_parameters={"rope_type": "default", "rope_theta": sizes.rope_base},
        tie_word_embeddings=sizes.tied,
        **{epsilon: sizes.epsilon},
        **(biased if family.attention_biases else {}),
        **factors,
    )
