"""Our trainer against the Hugging Face Trainer with peft, as a plain script uses it.

    python tests/benchmarks/trainer_speed.py --repo PATH --base smollm2-135m --steps 20 --batch 4

Both train the same samples of the same repository on the same base in the same precision, with the
same LoRA, in as many steps: ours in micro-batches of like length, without a head, by `loop.fit`;
the plain script in batches padded to their longest, with all logits and the model's own loss. Each
side runs in a process of its own, in turns. The first step of each is not timed.

To reach: 1.5 times the tokens a second, 0.7 times the peak memory.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from budgetai_core.artifacts.base_models import EMBEDDED
from budgetai_core.command import parse, print_json, run
from budgetai_core.errors import BudgetAIError, OptionError
from budgetai_core.options import flag_name, option

SIDES = ("ours", "plain")
_SPEED = 1.5
_MEMORY = 0.7


@dataclass(frozen=True, kw_only=True)
class SpeedOptions:
    """What is trained, and how much of it."""

    repo: Path = option(Path(), "the repository whose samples are learned", unit="folder")
    base: str = option(EMBEDDED, "a base, as budgetai-train takes it")
    steps: int = option(20, "steps of the plain side that are timed")
    batch: int = option(
        4, "samples a batch of the plain side; ours are as large as they always are"
    )
    load_in: str = option(
        "auto", "precision of the base in memory", choices=("auto", "4bit", "bf16", "fp32")
    )
    rank: int = option(16, "rank of the LoRA update")
    rate: float = option(0.0, "peak learning rate; 0 takes the base's usual one")
    seed: int = option(0, "seed of samples and weights")
    turns: int = option(2, "how often each side runs")
    side: str = option("", "be one side: train, and print what it took", choices=SIDES)

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.turns) < 1:
            raise OptionError(
                f"--steps {self.steps}, --batch {self.batch}, --turns {self.turns}",
                "Each is 1 or more",
            )

    @property
    def samples(self) -> int:
        """Of both sides, those of the first step included."""
        return (self.steps + 1) * self.batch


def main() -> int:
    return run("trainer_speed", _main)


def _main() -> int:
    options = parse("trainer_speed", "Time our trainer beside a plain one.", SpeedOptions)
    if options.side:
        # It loads torch, and the story does without.
        from trainer_side import measured

        print_json(asdict(measured(options)))
        return 0
    turns = [{side: _measured(options, side) for side in SIDES} for _ in range(options.turns)]
    print_json({"samples": options.samples, "turns": turns, "ratios": _ratios(turns)})
    print("\n".join(_table(options, turns)))
    return 0


def _measured(options: SpeedOptions, side: str) -> dict[str, Any]:
    """What a side took, in a process of its own."""
    given = {**asdict(options), "side": side, "turns": 1}
    flags = [part for name, value in given.items() for part in (flag_name(name), str(value))]
    print(f"{side} …", file=sys.stderr, flush=True)
    command = [sys.executable, __file__, *flags]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise BudgetAIError(f"the side {side} ended with exit code {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


_MEASURES: dict[str, tuple[Callable[[dict[str, Any]], float], str]] = {
    "tokens/s": (lambda took: took["tokens_per_second"], ".1f"),
    "of them learned": (lambda took: took["learned_per_second"], ".1f"),
    "padding": (lambda took: took["padding"], ".1%"),
    "peak memory, MiB": (lambda took: took["peak"], ".0f"),
    "over the state before the first step, MiB": (
        lambda took: took["peak"] - took["before"],
        ".0f",
    ),
    "loss over all steps": (lambda took: took["loss"], ".4f"),
}


def _mean(turns: Sequence[dict[str, Any]], name: str, side: str) -> float:
    return mean(_MEASURES[name][0](turn[side]) for turn in turns)


def _ratios(turns: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Ours by plain; None where plain has nothing of it."""
    found: dict[str, float | None] = {}
    for name in _MEASURES:
        ours, plain = (_mean(turns, name, side) for side in SIDES)
        found[name] = ours / plain if plain else None
    return found


def _table(options: SpeedOptions, turns: Sequence[dict[str, Any]]) -> list[str]:
    """Means over the turns, then each turn's speeds, since machines are noisy."""
    taken = turns[0]["ours"]
    head = f"{Path(options.base).name}, {taken['load_in']}, {options.samples} samples"
    rows = [f"| {head} | BudgetAI | plain, batch {options.batch} | ratio |"]
    rows.append("| --- | --- | --- | --- |")
    aims = {"tokens/s": f" (aim: {_SPEED})", "peak memory, MiB": f" (aim: {_MEMORY})"}
    for name, ratio in _ratios(turns).items():
        cells = [format(_mean(turns, name, side), _MEASURES[name][1]) for side in SIDES]
        shown = "" if ratio is None else f"{ratio:.2f}"
        rows.append(f"| {name} | {' | '.join(cells)} | {shown}{aims.get(name, '')} |")
    for turn in turns:
        cells = [f"{turn[side]['tokens_per_second']:.1f}" for side in SIDES]
        cells.append(
            f"{turn['ours']['tokens_per_second'] / turn['plain']['tokens_per_second']:.2f}"
        )
        rows.append(f"| tokens/s, turn by turn | {' | '.join(cells)} |")
    return rows


if __name__ == "__main__":
    sys.exit(main())
