"""Which files are shown more often: those the model foretells worst, or those changed last."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

Key = tuple[str, str]

# A file at the one end of the order is shown this many times as often as one at the other.
CONTRAST = 3.0


class Curriculum:
    """Weights of the files, by repository and path, for each pass.

    "hard" orders files by their loss in the pass before; "recent" by `changed`, seconds since 1970
    of their last change; "none" has no weights. Those of a pass are kept once they have been asked
    for, so that a resumed run lays the same samples out.
    """

    def __init__(self, kind: str = "none", changed: Mapping[Key, float] | None = None) -> None:
        self._hard = kind == "hard"
        self._always = ranked(changed or {}) if kind == "recent" else {}
        self._losses: dict[Key, tuple[float, int]] = {}
        self._weights: dict[int, dict[Key, float]] = {0: self._always}

    def note(self, inputs: Mapping[str, Any], losses: torch.Tensor) -> None:
        """Take in the losses (n,) of a micro-batch, row by row; `keys` name the rows' files."""
        if not self._hard:
            return
        keys: Sequence[Key] = inputs["keys"]
        counts = (inputs["labels"][:, 1:] >= 0).sum(dim=1).tolist()
        for key, part in zip(keys, torch.split(losses.detach(), counts), strict=True):
            total, number = self._losses.get(key, (0.0, 0))
            self._losses[key] = (total + float(part.sum()), number + len(part))

    def weights(self, number: int) -> dict[Key, float]:
        """The weights in pass `number`; a file without one weighs 1."""
        if number not in self._weights:
            self._weights[number] = self._by_loss() if self._hard else self._always
        return self._weights[number]

    def _by_loss(self) -> dict[Key, float]:
        means = {key: total / max(count, 1) for key, (total, count) in self._losses.items()}
        self._losses = {}
        return ranked(means)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as plain values."""
        return {
            "losses": [[*key, *value] for key, value in self._losses.items()],
            "weights": {
                number: [[*key, weight] for key, weight in found.items()]
                for number, found in self._weights.items()
            },
        }

    def resume(self, file: Path) -> None:
        """Go on from a checkpoint's state, if it has one."""
        if not file.exists():
            return
        state = json.loads(file.read_text(encoding="utf-8"))
        self._losses = {(a, b): (total, count) for a, b, total, count in state["losses"]}
        self._weights = {
            int(number): {(a, b): weight for a, b, weight in found}
            for number, found in state["weights"].items()
        }


def ranked(values: Mapping[Key, float]) -> dict[Key, float]:
    """Weights from 1 for the lowest value to CONTRAST for the highest, by rank, divided by their
    mean, so that a pass keeps about its length."""
    order = sorted(values, key=lambda key: (values[key], key))
    last = max(len(order) - 1, 1)
    middle = (1 + CONTRAST) / 2
    return {key: (1 + (CONTRAST - 1) * place / last) / middle for place, key in enumerate(order)}
