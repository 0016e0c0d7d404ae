"""The options of `budgetai-train`."""

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from budgetai_core.artifacts.base_models import EMBEDDED
from budgetai_core.artifacts.bundle import TASKS
from budgetai_core.artifacts.manifest import COMPARED, NESTED
from budgetai_core.errors import OptionError
from budgetai_core.options import Seconds, flag_name, option
from budgetai_training.hyperparameters import rank_weights
from budgetai_training.hyperparameters.mixture import Mixture
from budgetai_training.hyperparameters.rank_selection import Tolerance

_NOT_NEGATIVE = (
    "max_steps", "alpha", "memory", "lora_plus", "batch", "passes", "accumulate", "completions",
    "evaluations", "judge",
)  # fmt: skip
METHODS = ("lora", *NESTED, *COMPARED)
COMPLETION, DOCSTRING = TASKS
# Options that say how code is cut into samples; a docstring is learned whole.
_OF_COMPLETION = ("recipe", "curriculum")
# Options that say something to methods which train all ranks at once, and to one of them.
_OF_NESTED = ("ranks", "rank_tolerance")
_OF_DYLORA = ("rank_distribution", "rank_decay", "frozen")
_OF_LORA = ("target", "layers", "rslora", "dora", "lora_plus", "continue_from")


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What to learn, from which base, and for how long."""

    repo: Path = option(Path(), "the repository to learn", unit="folder")
    also: tuple[Path, ...] = option(
        (), "further repositories to learn from", unit="folder", group="what is learned"
    )
    include: tuple[str, ...] = option(
        (),
        "learn only files that match one of these, as in .gitignore",
        unit="glob",
        group="what is learned",
    )
    exclude: tuple[str, ...] = option(
        (),
        "leave out files that match one of these, as in .gitignore",
        unit="glob",
        group="what is learned",
    )
    since: str = option(
        "",
        "learn only files that changed since a revision or a date",
        unit="revision",
        group="what is learned",
    )
    holdout: str = option(
        "",
        "hold out what was written after a revision or a date, as since:v1.2, and learn from the"
        " state then; without it, a tenth of the files is held out",
        unit="since:revision",
        group="what is learned",
    )
    corpus: Path | None = option(
        None,
        "decisions on each file, as --dry-run wrote and you edited them; with --dry-run, the file"
        " to write",
        unit="file",
        group="what is learned",
    )
    task: str = option(
        COMPLETION,
        "what is learned: to go on with code, or to write docstrings as the repository has them",
        choices=TASKS,
    )
    base: str = option(EMBEDDED, "base model: a known name, a Hub id, a folder or a .gguf file")
    budget: Seconds = option(
        Seconds(900), "wall-clock time for everything, as 90s, 15m or 1h30m", unit="time"
    )
    load_in: str = option(
        "auto",
        "precision of the base in memory",
        choices=("auto", "4bit", "bf16", "fp32"),
        group="course of the run",
    )
    memory: float = option(
        0.0,
        "most memory the run may take, of the GPU where there is one; 0 takes what is free",
        unit="GB",
        group="course of the run",
    )
    method: str = option(
        "lora",
        "what is trained: LoRA of one rank; of all ranks at once, by ranks drawn at random or by"
        " fixed weights; or, to compare with, everything, a bottleneck beside each MLP, or a prefix"
        " of keys and values, none of which can be converted",
        choices=METHODS,
    )
    compare: str = option(
        "",
        "methods to train one after the other, each with the whole budget, and to set side by"
        " side, as lora,dylora,full",
        unit="methods",
    )
    rank: int = option(
        16,
        "rank of the LoRA update, the largest where several are trained; width of the"
        " bottlenecks, or tokens of the prefix",
    )
    ranks: str = option(
        "",
        "ranks trained at once, as 1-16 or 1,2,4,8; without it 1, 2, 4 and so on up to --rank",
        group="LoRA and its ranks",
    )
    rank_distribution: str = option(
        "uniform",
        "how dylora draws a rank",
        choices=("uniform", "geometric"),
        group="LoRA and its ranks",
    )
    rank_decay: float = option(
        0.15,
        "how much rarer the next rank is in the geometric distribution",
        unit="0 to 1",
        group="LoRA and its ranks",
    )
    frozen: bool = option(
        False,
        "dylora changes only what the drawn rank has and the next lower one has not",
        group="LoRA and its ranks",
    )
    rank_tolerance: str = option(
        "1%",
        "the smallest rank is chosen whose held-out loss is not higher than the best by more than"
        " this share, as 1%, or than a standard error of the difference, as se",
        group="LoRA and its ranks",
    )
    alpha: int = option(
        0,
        "scale of the update times the rank; 0 takes the rank, for a scale of 1",
        group="LoRA and its ranks",
    )
    target: str = option(
        "all",
        "which linear layers are tuned; auto tries each choice, and the upper half, with as many"
        " parameters, and takes the best",
        choices=("all", "attention", "mlp", "auto"),
        group="LoRA and its ranks",
    )
    layers: str = option(
        "all",
        "which blocks are tuned; the upper half is quicker",
        choices=("all", "upper"),
        group="LoRA and its ranks",
    )
    rslora: bool = option(
        False, "scale by the square root of the rank (rsLoRA)", group="LoRA and its ranks"
    )
    dora: bool = option(False, "tune direction and length apart (DoRA)", group="LoRA and its ranks")
    lora_plus: float = option(
        0.0, "LoRA+: how many times faster B learns than A; 0 for alike", group="LoRA and its ranks"
    )
    learning_rate: float = option(
        0.0,
        "peak learning rate; 0 chooses it by the base's size, or tries a few if time allows",
        group="course of the run",
    )
    batch: int = option(
        0,
        "samples of full length evaluated at once; 0 takes up to 4 on a GPU, and 1 on a CPU, where"
        " more are no faster, or with --max-steps",
        group="course of the run",
    )
    passes: int = option(
        0,
        "times everything is shown, at most; 0 takes 2 for completions and 6 for docstrings, since"
        " more is learning by heart, or what --max-steps needs",
        group="course of the run",
    )
    accumulate: int = option(
        0,
        "micro-batches averaged in a step; 0 chooses by the time, or 1 with --max-steps",
        group="course of the run",
    )
    recipe: str = option(
        "",
        "what samples are made of, where it differs from the default, as nodes=0,chunks=0.5",
        group="what is learned",
    )
    curriculum: str = option(
        "none",
        "files shown more often: those with the highest loss, from the second pass on, or those"
        " changed last",
        choices=("none", "hard", "recent"),
        group="what is learned",
    )
    continue_from: Path | None = option(
        None,
        "adapter to go on from: learns the files that changed since",
        unit="folder",
        group="what is learned",
    )
    old_share: float = option(
        0.25,
        "share of unchanged files shown again with --continue-from",
        unit="0 to 1",
        group="what is learned",
    )
    evaluations: int = option(
        6,
        "times the held-out loss is taken on the way, at most, to keep the best state; 0 for none",
        group="course of the run",
    )
    judge: int = option(
        0,
        "held-out windows that are judged before and after, in time beyond the budget; 0 judges"
        " what fits into a twentieth of it",
        group="course of the run",
    )
    completions: int = option(
        10, "held-out lines completed for the report, if time allows", group="course of the run"
    )
    max_steps: int = option(
        0, "stop after this many steps, if time is left; 0 for no limit", group="course of the run"
    )
    seed: int = option(0, "seed of every random choice", group="course of the run")
    out: Path | None = option(
        None, "folder for the adapter; without it, the user's data folder", unit="folder"
    )
    checkpoint_every: Seconds = option(
        Seconds(60),
        "time between checkpoints, from which --resume goes on",
        unit="time",
        group="course of the run",
    )
    resume: bool = option(False, "go on with the newest run that was not finished")
    dry_run: bool = option(False, "show what would be learned, and stop")
    json: bool = option(False, "print the result as JSON, and no progress")

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise OptionError(f"--rank {self.rank} is no rank", "Use 1 or more; 16 is usual")
        if self.budget <= 0:
            raise OptionError(f"--budget {self.budget} leaves no time", "Try --budget 15m")
        self._check_numbers()
        self._check_ranks()
        self._check_compared()
        if not re.fullmatch("|since:.+", self.holdout):
            raise OptionError(
                f"--holdout {self.holdout} is not known", "Write it as since:REVISION or since:DATE"
            )
        if self.continue_from and self.holdout:
            raise OptionError(
                "--holdout goes with a new run, --continue-from keeps what its adapter holds out",
                "Leave one of them out",
            )
        Mixture.parse(self.recipe)
        self._check_task()
        if not 0 <= self.seed < 2**32:
            raise OptionError(f"--seed {self.seed} is out of range", "Use 0 to 4294967295")

    @property
    def nested(self) -> bool:
        """Whether all ranks are trained at once."""
        return self.method in NESTED

    @property
    def trained_ranks(self) -> tuple[int, ...]:
        """The ranks that are trained, in rising order; the last one is the size of the adapter."""
        if not self.nested:
            return (self.rank,)
        if self.ranks:
            # The rank of an adapter to go on from is not known here.
            return rank_weights.parse(self.ranks, math.inf if self.continue_from else self.rank)
        # With all ranks drawn, low ones are drawn so rarely that a short run hardly teaches them.
        return rank_weights.doubling(self.rank)

    def of_method(self, method: str, out: Path | None = None) -> "TrainOptions":
        """The same run by another method, without the options that mean nothing to it."""
        fields = self.__dataclass_fields__
        usual: dict[str, Any] = {name: fields[name].default for name in self._foreign(method)}
        return replace(self, compare="", method=method, out=out, **usual)

    @staticmethod
    def _foreign(method: str) -> tuple[str, ...]:
        """Options that mean nothing to a method."""
        return (
            *(() if method in NESTED else _OF_NESTED),
            *(() if method == "dylora" else _OF_DYLORA),
            *(_OF_LORA if method in COMPARED else ()),
        )

    def _check_task(self) -> None:
        for name in _OF_COMPLETION if self.task == DOCSTRING else ():
            if getattr(self, name) != self.__dataclass_fields__[name].default:
                raise OptionError(
                    f"{flag_name(name)} means nothing to --task {self.task}", "Leave it out"
                )

    def _check_compared(self) -> None:
        names = self.compare.split(",") if self.compare else []
        for name in names:
            if name not in METHODS or names.count(name) > 1:
                raise OptionError(
                    f"--compare {self.compare} names no methods", f"Choose of {', '.join(METHODS)}"
                )
            self.of_method(name)
        if names and self.resume:
            raise OptionError(
                "--compare is not resumed", "Resume the run of a method: --resume --out FOLDER"
            )

    def _check_ranks(self) -> None:
        for name in () if self.compare else self._foreign(self.method):
            if getattr(self, name) != self.__dataclass_fields__[name].default:
                other = "lora" if name in _OF_LORA else "dylora"
                raise OptionError(
                    f"{flag_name(name)} means nothing to --method {self.method}",
                    f"Add --method {other}, or leave it out",
                )
        if self.method == "full" and self.load_in == "4bit":
            raise OptionError("--method full cannot train a base in 4 bits", "Use --load-in bf16")
        if self.nested and self.dora:
            raise OptionError(
                f"--dora cannot be cut to smaller ranks, which --method {self.method} is for",
                "Leave one of them out",
            )
        if not 0 < self.rank_decay < 1:
            raise OptionError(f"--rank-decay {self.rank_decay} is no share", "Try 0.15")
        if self.target == "auto" and (self.method != "lora" or self.layers != "all"):
            raise OptionError(
                "--target auto chooses layers and rank of a LoRA",
                "Leave --layers out, and add --method lora",
            )
        Tolerance.parse(self.rank_tolerance)
        self.trained_ranks  # noqa: B018 - raises for ranks that are none

    def _check_numbers(self) -> None:
        for name in _NOT_NEGATIVE:
            if not 0 <= getattr(self, name) < float("inf"):
                raise OptionError(f"{flag_name(name)} {getattr(self, name)}", "Use 0 or more")
        if not 0 <= self.learning_rate < 1:
            raise OptionError(f"--learning-rate {self.learning_rate}", "A rate is below 1")
        if not 0 <= self.old_share <= 1:
            raise OptionError(f"--old-share {self.old_share} is no share", "Use 0 to 1")
