"""A model folder's config.json: which family it is, its sizes, and why it cannot be taken.

A key that is null counts as transformers counts it: as its default, where it has one.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from budgetai_core.errors import BaseError
from budgetai_core.models import rope
from budgetai_core.models.architectures import FAMILIES, SUPPORTED, Family, Sizes, check_sizes
from budgetai_core.models.rope import RopeScaling

CONFIG = "config.json"
Config = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ModelType:
    """A `model_type` of transformers: its GGUF architecture, and those defaults of its keys that
    are not the same for all. `windows`: its attention looks back `sliding_window` tokens; always,
    or (asked) with `use_sliding_window`."""

    architecture: str
    defaults: Config = field(default_factory=dict)
    windows: str = ""

    @property
    def family(self) -> Family:
        return FAMILIES[self.architecture]


MODEL_TYPES = {
    "llama": ModelType(architecture="llama"),
    "mistral": ModelType(
        architecture="llama",
        defaults={"num_key_value_heads": 8, "sliding_window": 4096},
        windows="always",
    ),
    "granite": ModelType(architecture="granite"),
    "qwen2": ModelType(
        architecture="qwen2",
        defaults={"num_key_value_heads": 32, "sliding_window": 4096},
        windows="asked",
    ),
    "qwen3": ModelType(
        architecture="qwen3",
        defaults={"num_key_value_heads": 32, "head_dim": 128, "sliding_window": 4096},
        windows="asked",
    ),
    "smollm3": ModelType(
        architecture="smollm3",
        defaults={
            "num_key_value_heads": 4,
            "rope_theta": 2_000_000.0,
            "tie_word_embeddings": True,
        },
        windows="asked",
    ),
    "starcoder2": ModelType(
        architecture="starcoder2",
        defaults={"num_key_value_heads": 2, "tie_word_embeddings": True},
        windows="always",
    ),
}
_DEFAULTS: Config = {
    "rope_theta": 10_000.0,
    "rms_norm_eps": 1e-6,
    "norm_epsilon": 1e-5,
    "tie_word_embeddings": False,
    "use_bias": True,
    "no_rope_layer_interval": 4,
}
# Where a null is not the same as no word: no window, as many heads of keys as of queries, no token.
_NULL_COUNTS = re.compile(r"sliding_window|num_key_value_heads|\w+_token_id")

# Names under which copies of fewer bits are published, as endings of the original's.
_QUANTISED_NAME = re.compile(
    r"[-_](unsloth-)?(bnb-[48]bit|gptq(-int\d|-\dbit)?|awq(-int\d)?|fp8(-dynamic)?|[48]bit|w\da\d+)$",
    re.IGNORECASE,
)


def read(folder: Path, name: str = "") -> Config:
    """Read the configuration of a folder, without what is null in it where transformers has a
    default; `name` is what the user calls the model. Raises BaseError for a file that cannot be
    read, another kind of model, and quantised weights."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BaseError(f"{folder.name}/{CONFIG} cannot be read: {error}") from None
    if not isinstance(config, dict):
        raise BaseError(f"{folder.name}/{CONFIG} holds no object")
    refuse_quantised(config, name or folder.name)
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in MODEL_TYPES:
        raise BaseError(f"{folder.name} is a model of type {kind}", f"Supported: {SUPPORTED}")
    return {
        key: value
        for key, value in config.items()
        if value is not None or _NULL_COUNTS.fullmatch(key)
    }


def refuse_quantised(config: Config, name: str) -> None:
    """Raise BaseError for weights that are held in fewer bits, whoever wrote them so."""
    # mlx-lm writes `quantization`, older tools of compressed-tensors `compression_config`.
    for key in ("quantization_config", "compression_config", "quantization"):
        settings = config.get(key)
        if not isinstance(settings, dict) or not settings:
            continue
        maker = settings.get("quant_method") or ("mlx" if "group_size" in settings else key)
        original = original_of(name)
        raise BaseError(
            f"{name} is quantised ({maker}): such weights can be neither trained nor merged",
            f"Name the 16-bit original instead{f': {original}' if original else ''}",
        )


def original_of(name: str) -> str:
    """Return what the model that this one was quantised from is probably called, or an empty
    text."""
    original = _QUANTISED_NAME.sub("", name)
    return original if original != name and "/" in name and not Path(name).exists() else ""


def sizes(config: Config, name: str) -> Sizes:
    """Read the sizes in a configuration that `read` gave. Raises BaseError naming the key that is
    missing or of another type, or the variant that cannot be taken."""
    return _Reader(config, name).sizes()


def parameters_of(sizes: Sizes) -> Config:
    """Return the configuration of a model of these sizes, as transformers has it."""
    family = sizes.family
    factors = {theirs: dict(sizes.factors)[ours] for ours, theirs in family.factors}
    biased = {
        "attention_bias": bool({*sizes.biases} & {*family.attention_biases}),
        "mlp_bias": bool({*sizes.biases} & {*family.feed_forward_biases}),
    }
    epsilon = "norm_epsilon" if family.centred else "rms_norm_eps"
    windows = {"sliding_window": None} if family.centred else {}
    return {
        "model_type": sizes.architecture,
        "vocab_size": sizes.vocabulary,
        "hidden_size": sizes.width,
        "intermediate_size": sizes.feed_forward,
        "num_hidden_layers": sizes.blocks,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.head_width,
        "max_position_embeddings": sizes.context,
        "rope_parameters": sizes.rope.parameters(sizes.rope_base),
        "tie_word_embeddings": sizes.tied,
        "pad_token_id": None,
        epsilon: sizes.epsilon,
        **windows,
        **(biased if family.attention_biases else {}),
        **factors,
    }


class _Reader:
    """A configuration whose keys are looked at one by one; `name` is for what is said of them."""

    def __init__(self, config: Config, name: str) -> None:
        self._config, self._name = config, name
        self._type = MODEL_TYPES[config["model_type"]]

    def sizes(self) -> Sizes:
        self._refuse_variants()
        heads, width = self._count("num_attention_heads"), self._count("hidden_size")
        family = self._type.family
        context = self._count("max_position_embeddings")
        return check_sizes(
            Sizes(
                architecture=self._type.architecture,
                blocks=self._count("num_hidden_layers"),
                # Within its window, attention with one is attention without.
                context=min(context, self._window or context),
                width=width,
                feed_forward=self._count("intermediate_size"),
                heads=heads,
                kv_heads=self._count("num_key_value_heads", heads),
                head_width=self._count("head_dim", width // max(heads, 1)),
                vocabulary=self._count("vocab_size"),
                rope_base=self._number("rope_theta", self._rope),
                epsilon=self._number("norm_epsilon" if family.centred else "rms_norm_eps"),
                tied=self._flag("tie_word_embeddings"),
                biases=self._biases,
                factors=tuple((ours, self._number(key, default=1)) for ours, key in family.factors),
                rope=self._scaling(context),
            ),
            self._name,
        )

    def _value(self, key: str, default: Any = None) -> Any:
        """Return a value, else what transformers takes for it."""
        if key in self._config:
            value = self._config[key]
            return default if value is None else value
        return self._type.defaults.get(key, _DEFAULTS.get(key, default))

    def _wrong(self, key: str, value: Any, wanted: str) -> BaseError:
        told = "is missing" if value is None else f"is {str(value)[:40]!r}"
        return BaseError(f"{self._name}/{CONFIG}: {key} {told}", f"Write {wanted}")

    def _count(self, key: str, default: int | None = None) -> int:
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, value, "a whole number")
        return value

    def _number(
        self, key: str, inside: Config | None = None, default: float | None = None
    ) -> float:
        value = (inside or {}).get(key)
        value = self._value(key, default) if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, value, "a number")
        return float(value)

    def _flag(self, key: str) -> bool:
        value = self._value(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    @property
    def _window(self) -> int:
        """How many tokens attention looks back; 0 for all."""
        windows = self._type.windows
        if not windows or (windows == "asked" and not self._flag("use_sliding_window")):
            return 0
        return self._count("sliding_window", 0)

    @property
    def _biases(self) -> tuple[str, ...]:
        family = self._type.family
        attention = family.attention_biases if self._flag("attention_bias") else ()
        return attention + (family.feed_forward_biases if self._flag("mlp_bias") else ())

    @property
    def _rope(self) -> Config:
        """transformers 5 writes rope_parameters, earlier versions rope_theta beside
        rope_scaling."""
        parameters: Config = {}
        for key in ("rope_scaling", "rope_parameters"):
            part = self._config.get(key, {})
            if not isinstance(part, dict):
                raise self._wrong(key, part, "an object")
            parameters |= {name: value for name, value in part.items() if value is not None}
        return parameters

    def _scaling(self, context: int) -> RopeScaling:
        try:
            scaling = rope.of_parameters(self._rope, context)
        except (KeyError, TypeError, ValueError) as error:
            raise BaseError(
                f"{self._name}/{CONFIG}: its rope scaling states no usable {error}",
                "Write it as transformers does",
            ) from None
        kind = self._rope.get("rope_type") or self._rope.get("type")
        if scaling is None or (scaling.kind == "llama3" and not self._type.family.divided):
            raise BaseError(f"{self._name} has rope scaled as {kind}", f"Supported: {SUPPORTED}")
        return scaling

    def _refuse_variants(self) -> None:
        family, rope_values = self._type.family, self._rope
        partial = rope_values.get("partial_rotary_factor") or self._value("partial_rotary_factor")
        refused = {
            "rope on a part of each head": (partial or 1) != 1,
            "rope in other blocks than llama.cpp has it": not self._is_rotated_as_usual(),
            "biases in its attention": self._flag("attention_bias") and not self._biases,
            "no biases": family.centred and not self._flag("use_bias"),
            "another activation": self._value("hidden_act", family.activation) != family.activation,
        }
        for what, present in refused.items():
            if present:
                raise BaseError(f"{self._name} has {what}", f"Supported: plain {SUPPORTED}")

    def _is_rotated_as_usual(self) -> bool:
        every = self._type.family.unrotated
        if not every:
            return True
        blocks = self._count("num_hidden_layers")
        interval = self._count("no_rope_layer_interval")
        usual = [int((block + 1) % every != 0) for block in range(min(blocks, 1000))]
        return bool(self._value("no_rope_layers", usual if interval == every else None) == usual)
