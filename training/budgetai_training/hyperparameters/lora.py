"""What `--lora` says: which variation of LoRA is trained, as `key=value,…`."""

import math
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import Any

from budgetai_core.artifacts.manifest import NESTED
from budgetai_core.errors import OptionError
from budgetai_training.hyperparameters import rank_weights
from budgetai_training.hyperparameters.rank_selection import Tolerance

_TUNED = ("lora", *NESTED)


def _key(default: Any, values: str, help: str, methods: tuple[str, ...] = _TUNED) -> Any:
    """Declare a key. `values` are what may stand behind it, with bars between choices; `methods`
    are those to which it says something."""
    return field(default=default, metadata={"values": values, "help": help, "methods": methods})


@dataclass(frozen=True, kw_only=True)
class Lora:
    """A variation of LoRA. `parse` reads it from text, `str` writes it again."""

    alpha: int = _key(
        0,
        "NUMBER",
        "scale of the update times the rank; 0 is the rank",
        (*_TUNED, "parallel-adapter"),
    )
    target: str = _key(
        "all",
        "all|attention|mlp|auto",
        "the linear layers that are tuned; auto tries each choice, and all of the upper half, with"
        " as many parameters",
    )
    layers: str = _key("all", "all|upper", "the blocks that are tuned; upper is the upper half")
    rslora: bool = _key(False, "on|off", "scale by the root of the rank (rsLoRA)")
    dora: bool = _key(False, "on|off", "tune direction and length apart (DoRA)")
    plus: float = _key(0.0, "RATIO", "how many times faster B learns than A (LoRA+); 0 is alike")
    ranks: str = _key("", "1-16 or 1,2,4", "ranks trained at once, else 1, 2, 4 and so on", NESTED)
    tolerance: str = _key(
        "1%",
        "PERCENT or se",
        "by how much the held-out loss of the rank that is chosen may be above the best; se is a"
        " standard error of the difference",
        NESTED,
    )
    distribution: str = _key("uniform", "uniform|geometric", "how dylora draws a rank", ("dylora",))
    decay: float = _key(
        0.15, "0 to 1", "how much rarer the next rank is, if geometric", ("dylora",)
    )
    frozen: bool = _key(
        False, "on|off", "change only what the next lower rank has not (dylora)", ("dylora",)
    )

    def __post_init__(self) -> None:
        for name in ("alpha", "plus"):
            if not 0 <= getattr(self, name) < math.inf:
                raise _wrong(name, getattr(self, name), "0 or more")
        if not 0 < self.decay < 1:
            raise _wrong("decay", self.decay, "a share between 0 and 1")
        Tolerance.parse(self.tolerance)
        if self.ranks:
            rank_weights.parse(self.ranks, math.inf)

    @classmethod
    def parse(cls, text: str) -> "Lora":
        """Return the variation that `text` names, as `rslora=on,ranks=1,2,4`. Raises OptionError
        for a key that does not exist or stands twice, and for a value that is none of its own."""
        given: dict[str, str] = {}
        name = ""
        for part in filter(None, (part.strip() for part in text.split(","))):
            key, equals, value = (piece.strip() for piece in part.partition("="))
            if name == "ranks" and not equals:
                # Ranks have commas of their own.
                given[name] += f",{key}"
                continue
            if key not in _KEYS:
                raise OptionError(f"--lora has no key '{key}'", f"There are {', '.join(_KEYS)}")
            if key in given:
                raise OptionError(f"--lora names {key} twice", "Leave one of the two out")
            name, given[key] = key, value
        return cls(**{name: _value(name, value) for name, value in given.items()})

    def __str__(self) -> str:
        return ",".join(f"{name}={_text(getattr(self, name))}" for name in self._given)

    @property
    def _given(self) -> tuple[str, ...]:
        """The keys with a value that is not the default."""
        return tuple(n for n, key in _KEYS.items() if getattr(self, n) != key.default)

    def meaningless(self, method: str) -> tuple[str, ...]:
        """Return the keys with a value that say nothing to a method."""
        return tuple(n for n in self._given if method not in _KEYS[n].metadata["methods"])

    def without(self, names: Collection[str]) -> "Lora":
        """Return the same with the defaults of these keys."""
        return Lora(**{n: getattr(self, n) for n in self._given if n not in names})


_KEYS = {declared.name: declared for declared in fields(Lora)}


def methods_of(key: str) -> tuple[str, ...]:
    """Return the methods to which a key says something."""
    methods: tuple[str, ...] = _KEYS[key].metadata["methods"]
    return methods


def help_text() -> str:
    """Return every key with its values, for --help."""
    keys = (f"{n}={key.metadata['values']}: {key.metadata['help']}" for n, key in _KEYS.items())
    return "; ".join(keys)


def _text(value: Any) -> str:
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


def _value(name: str, text: str) -> Any:
    values: str = _KEYS[name].metadata["values"]
    kind: Any = type(_KEYS[name].default)
    if "|" in values:
        if text not in values.split("|"):
            raise _wrong(name, text, values.replace("|", " or "))
        return text == "on" if kind is bool else text
    try:
        return kind(text)
    except ValueError:
        raise _wrong(name, text, "a whole number" if kind is int else "a number") from None


def _wrong(name: str, value: Any, expected: str) -> OptionError:
    return OptionError(f"--lora {name}={value} is not known", f"{name} is {expected}")
