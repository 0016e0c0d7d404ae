"""The options of `budgetai-train`."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from budgetai_core.artifacts.base_models import EMBEDDED
from budgetai_core.artifacts.bundle import TASKS
from budgetai_core.artifacts.manifest import COMPARED, NESTED
from budgetai_core.errors import OptionError
from budgetai_core.options import Seconds, check_ranges, option
from budgetai_training.hyperparameters import lora, rank_weights
from budgetai_training.hyperparameters.lora import Lora
from budgetai_training.hyperparameters.mixture import Mixture

QUICK, FULL, NONE = "quick", "full", "none"
METHODS = ("lora", *NESTED, *COMPARED)
COMPLETION, DOCSTRING = TASKS
# The keys of --lora by the options of earlier versions.
_LORA_KEYS = {
    "alpha": "alpha", "target": "target", "layers": "layers", "rslora": "rslora", "dora": "dora",
    "lora_plus": "plus", "ranks": "ranks", "rank_tolerance": "tolerance",
    "rank_distribution": "distribution", "rank_decay": "decay", "frozen": "frozen",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What to learn, from which base, and for how long."""

    REMOVED = MappingProxyType(
        {
            "curriculum": "Leave it out: it changed nothing where it was measured; see --corpus",
            "accumulate": "Leave it out: it follows from --batch, memory and time",
            "evaluations": "Use --evaluate quick, full or none",
            "judge": "Use --evaluate full",
            "completions": "Use --evaluate quick, full or none",
            "alpha": "Use --lora alpha=NUMBER",
            "target": "Use --lora target=all, attention, mlp or auto",
            "layers": "Use --lora layers=upper",
            "rslora": "Use --lora rslora=on",
            "dora": "Use --lora dora=on",
            "lora_plus": "Use --lora plus=RATIO",
            "ranks": "Use --lora ranks=1,2,4",
            "rank_tolerance": "Use --lora tolerance=1%",
            "rank_distribution": "Use --lora distribution=geometric",
            "rank_decay": "Use --lora decay=0.15",
            "frozen": "Use --lora frozen=on",
        }
    )
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
    language: tuple[str, ...] = option(
        (),
        "the language of an ending or a file name, where nobody knows it or it is not learned"
        " otherwise, as st=Structured Text or md=Markdown",
        unit="ext=name",
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
        " state then; without it, a tenth of the files is held out, or with --convert the newest"
        " commits, where they have 100 lines to type",
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
        low=0,
        high=100_000,
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
        low=1,
        high=100_000,
    )
    lora: Lora = option(
        Lora(),
        "variation of LoRA, as rslora=on,alpha=32, with any of these keys. " + lora.help_text(),
        unit="key=value,…",
        group="course of the run",
    )
    learning_rate: float = option(
        0.0,
        "peak learning rate; 0 chooses it by the base's size, or tries a few if time allows",
        group="course of the run",
        low=0,
        high=1,
    )
    batch: int = option(
        0,
        "samples of full length evaluated at once; 0 takes up to 4 on a GPU, and 1 on a CPU, where"
        " more are no faster, or with --max-steps",
        group="course of the run",
        low=0,
        high=4096,
    )
    passes: int = option(
        0,
        "times everything is shown, at most; 0 takes 2 for completions and 6 for docstrings, since"
        " more is learning by heart, or what --max-steps needs",
        group="course of the run",
        low=0,
        high=10_000,
    )
    recipe: str = option(
        "",
        "what samples are made of, where it differs from the default, as nodes=0,chunks=0.5",
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
        group="what is learned",
        low=0,
        high=1,
    )
    evaluate: str = option(
        QUICK,
        "how much is evaluated: quick in a fifth of the budget, at most; full by 32 held-out"
        " windows before and after, and more lines, in time beyond the budget; none, then the last"
        " state is kept and not the best",
        choices=(QUICK, FULL, NONE),
        group="course of the run",
    )
    max_steps: int = option(
        0,
        "stop after this many steps, if time is left; 0 for no limit",
        group="course of the run",
        low=0,
    )
    seed: int = option(
        0, "seed of every random choice", group="course of the run", low=0, high=2**32 - 1
    )
    out: Path | None = option(
        None, "folder for the adapter; without it, the user's data folder", unit="folder"
    )
    convert: bool = option(
        False,
        "go on to a model, as budgetai-convert does, which is served if it is not worse than what"
        " is served now; an adapter that is finished stays, whatever becomes of it",
    )
    checkpoint_every: Seconds = option(
        Seconds(60),
        "time between checkpoints, from which --resume goes on",
        unit="time",
        group="course of the run",
    )
    resume: bool = option(False, "go on with the newest run that was not finished")
    dry_run: bool = option(
        False,
        "show what would be learned, and stop; with --evaluate full also how well the base knows"
        " each language before",
    )
    json: bool = option(False, "print the result as JSON, and no progress")

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.budget <= 0:
            raise OptionError(f"--budget {self.budget} leaves no time", "Try --budget 15m")
        self._check_method()
        self._check_compared()
        self._check_converted()
        if not re.fullmatch("|since:.+", self.holdout):
            raise OptionError(
                f"--holdout {self.holdout} is not known", "Write it as since:REVISION or since:DATE"
            )
        Mixture.parse(self.recipe)
        self._check_task()

    @property
    def nested(self) -> bool:
        """Whether all ranks are trained at once."""
        return self.method in NESTED

    @property
    def trained_ranks(self) -> tuple[int, ...]:
        """The ranks that are trained, in rising order; the last one is the size of the adapter."""
        if not self.nested:
            return (self.rank,)
        if self.lora.ranks:
            # The rank of an adapter to go on from is not known here.
            most = math.inf if self.continue_from else self.rank
            return rank_weights.parse(self.lora.ranks, most)
        # With all ranks drawn, low ones are drawn so rarely that a short run hardly teaches them.
        return rank_weights.doubling(self.rank)

    def of_method(self, method: str, out: Path | None = None) -> "TrainOptions":
        """Return the same run by another method, without what means nothing to it."""
        kept = self.lora.without(self.lora.meaningless(method))
        before = None if method in COMPARED else self.continue_from
        return replace(self, compare="", method=method, out=out, lora=kept, continue_from=before)

    def _check_task(self) -> None:
        if self.task == DOCSTRING and self.recipe:
            raise OptionError(f"--recipe means nothing to --task {self.task}", "Leave it out")

    def _check_compared(self) -> None:
        names = self.compare.split(",") if self.compare else []
        for name in names:
            if name not in METHODS or names.count(name) > 1:
                raise OptionError(
                    f"--compare {self.compare} names no methods", f"Choose of {', '.join(METHODS)}"
                )
            self.of_method(name)
        if names and self.evaluate == NONE:
            raise OptionError(
                "--evaluate none leaves --compare nothing to compare", "Leave one of them out"
            )
        if names and self.resume:
            raise OptionError(
                "--compare is not resumed", "Resume the run of a method: --resume --out FOLDER"
            )

    def _check_converted(self) -> None:
        if self.convert and (self.compare or self.method in COMPARED):
            given = f"--compare {self.compare}" if self.compare else f"--method {self.method}"
            raise OptionError(
                f"--convert goes on with one adapter that can be converted, not with {given}",
                "Leave one of them out",
            )

    def _check_method(self) -> None:
        if not self.compare:
            self._check_meaning()
        if self.method == "full" and self.load_in == "4bit":
            raise OptionError("--method full cannot train a base in 4 bits", "Use --load-in bf16")
        if self.nested and self.lora.dora:
            raise OptionError(
                f"--lora dora=on cannot be cut to smaller ranks, which --method {self.method} is"
                " for",
                "Leave one of them out",
            )
        if self.lora.target == "auto" and (self.method != "lora" or self.lora.layers != "all"):
            raise OptionError(
                "--lora target=auto chooses layers and rank of a LoRA",
                "Leave layers out, and add --method lora",
            )
        self.trained_ranks  # noqa: B018 - raises for ranks that are none

    def _check_meaning(self) -> None:
        """Raise OptionError for what another method alone understands."""
        for key in self.lora.meaningless(self.method):
            raise OptionError(
                f"--lora {key} means nothing to --method {self.method}",
                f"Add --method {lora.methods_of(key)[0]}, or leave it out",
            )
        if self.method in COMPARED and self.continue_from:
            raise OptionError(
                f"--continue-from means nothing to --method {self.method}",
                "Add --method lora, or leave it out",
            )


def of_earlier_version(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of options as a run folder keeps them, in the options of now. Those of
    versions that had an option for each key of --lora are put together."""
    if "lora" in values:
        return dict(values)
    given = {key: values[name] for name, key in _LORA_KEYS.items() if name in values}
    evaluated = FULL if values.get("judge") else QUICK
    return {**values, "lora": str(Lora(**given)), "evaluate": evaluated}
