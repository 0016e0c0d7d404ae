"""The options of `budgetai-train`."""

from dataclasses import dataclass
from pathlib import Path

from budgetai_server.artefacts.bases import EMBEDDED
from budgetai_server.errors import OptionError
from budgetai_server.options import Seconds, option


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What to learn, from which base, and for how long."""

    repo: Path = option(Path(), "the repository to learn", unit="folder")
    base: str = option(EMBEDDED, "base model: a known name, a Hub id, a folder or a .gguf file")
    budget: Seconds = option(
        Seconds(900), "wall-clock time for everything, as 90s, 15m or 1h30m", unit="time"
    )
    load_in: str = option(
        "auto", "precision of the base in memory", choices=("auto", "4bit", "bf16", "fp32")
    )
    rank: int = option(16, "rank of the LoRA update")
    learning_rate: float = option(0.0, "peak learning rate; 0 chooses it by the base's size")
    max_steps: int = option(0, "stop after this many steps, if time is left; 0 for no limit")
    seed: int = option(0, "seed of every random choice")
    out: Path | None = option(
        None, "folder for the adapter; without it, the user's data folder", unit="folder"
    )
    checkpoint_every: Seconds = option(
        Seconds(60), "time between checkpoints, from which --resume goes on", unit="time"
    )
    resume: bool = option(False, "go on with the newest run that was not finished")
    dry_run: bool = option(False, "show what would be learned, and stop")
    json: bool = option(False, "print the result as JSON, and no progress")

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise OptionError(f"--rank {self.rank} is no rank", "Use 1 or more; 16 is usual")
        if self.budget <= 0:
            raise OptionError(f"--budget {self.budget} leaves no time", "Try --budget 15m")
        if self.max_steps < 0 or not 0 <= self.learning_rate < 1:
            raise OptionError(
                f"--max-steps {self.max_steps}, --learning-rate {self.learning_rate}",
                "Neither is negative, and a rate is below 1",
            )
        if not 0 <= self.seed < 2**32:
            raise OptionError(f"--seed {self.seed} is out of range", "Use 0 to 4294967295")
