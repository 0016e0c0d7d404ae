"""Every rank from one run, against one run for every rank, and against cutting by SVD.

    python tests/benchmarks/ranks.py --old mcp-1.2.0 --new mcp-1.9.0 --base smollm2-135m \
        --steps 300 --ranks 1,2,4,8,16 --work FOLDER

All runs learn the old release for as many steps, from the same samples, and every adapter is judged
at every rank by the loss on what the new release adds: a LoRA trained at each rank alone, DyLoRA
with each distribution, frozen and not, and drawing the judged ranks alone, Matryoshka, and the
largest LoRA cut by the singular values of its update, which is the best it can be at a lower rank
as a matrix. The learning rate is the same for all unless --train says otherwise.

Each result stands in FOLDER/results.json as soon as it is there; the same call goes on. On a GPU,
which one such training does not fill, several --jobs run at once.
"""

import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from commands import TRAIN, apart, said
from ledger import Ledger
from rank_table import table
from releases import OLD, repository

from budgetai_core.artifacts.base_models import EMBEDDED
from budgetai_core.artifacts.layout import PARTIAL
from budgetai_core.command import parse, print_json, run
from budgetai_core.errors import OptionError
from budgetai_core.options import option
from budgetai_training.hyperparameters import rank_weights as arithmetic
from budgetai_training.options import TrainOptions
from budgetai_training.report import report_files as report

# The steps are the limit, not the clock.
_BUDGET = "48h"
SVD = "SVD of LoRA"
NESTED = {
    "dylora uniform": "--method dylora --lora ranks=1-{largest}",
    "dylora geometric": "--method dylora --lora ranks=1-{largest},distribution=geometric",
    "dylora uniform frozen": "--method dylora --lora ranks=1-{largest},frozen=on",
    "dylora geometric frozen": "--method dylora"
    " --lora ranks=1-{largest},frozen=on,distribution=geometric",
    "dylora of judged ranks": "--method dylora --lora ranks={judged}",
    "matryoshka": "--method matryoshka --lora ranks={judged}",
}
# Stages that a search for the rank pays for.
_PAID = ("training", "choosing the rank")


@dataclass(frozen=True, kw_only=True)
class RankOptions:
    """On what, for how long, at which ranks."""

    old: Path = option(Path("old"), "the release that is learned", unit="folder")
    new: Path = option(Path("new"), "the release whose new lines are judged", unit="folder")
    base: str = option(EMBEDDED, "a base, as budgetai-train takes it")
    steps: int = option(300, "steps of each training")
    ranks: str = option("1,2,4,8,16", "ranks that are trained alone and judged, with commas")
    nested: str = option(", ".join(NESTED), "ways to train all ranks at once, with commas")
    windows: int = option(64, "held-out windows that each rank is judged by, at most")
    seed: int = option(0, "seed of training and of the places")
    jobs: int = option(1, "trainings at once; their times say less then")
    train: str = option("", 'further options of budgetai-train, for all, as in --train="--batch 2"')
    work: Path | None = option(
        None, "folder for the repository and the results; without it, a new one", unit="folder"
    )

    def judged(self) -> tuple[int, ...]:
        """Raises OptionError for what are not ranks."""
        return arithmetic.parse(self.ranks, 4096)

    def ways(self) -> list[str]:
        """Raises OptionError for one that is not known."""
        found = [name.strip() for name in self.nested.split(",") if name.strip()]
        for name in found:
            if name not in NESTED:
                raise OptionError(f"--nested {name}", f"Known: {', '.join(NESTED)}")
        return found


def main() -> int:
    return run("ranks", _main)


def _main() -> int:
    options = parse("ranks", "One run for all ranks against a run for each.", RankOptions)
    judged, ways = options.judged(), options.ways()
    work = options.work or Path(tempfile.mkdtemp(prefix="ranks-"))
    print(f"working in {work}", file=sys.stderr)
    names = ("old", "new", "base", "steps", "ranks", "windows", "seed", "train")
    ledger = Ledger(work, {name: getattr(options, name) for name in names})
    bench = Bench(options, repository(options.old, options.new, work), work, judged)
    # What all others are compared with comes first, and of it the largest, which is cut by SVD.
    alone = {f"lora {rank}": partial(bench.alone, rank) for rank in reversed(judged)}
    nested = {name: partial(bench.nested, NESTED[name]) for name in ways}
    ledger.all(alone | nested, options.jobs)
    print_json(ledger.results)
    print("\n".join(table(curves(ledger.results, judged), judged)))
    return 0


def curves(results: Mapping[str, Any], judged: Sequence[int]) -> dict[str, dict[str, Any]]:
    """Losses by rank and seconds of each way to have all ranks."""
    alone = [results[f"lora {rank}"] for rank in judged]
    losses = {str(rank): one["losses"][str(rank)] for rank, one in zip(judged, alone, strict=True)}
    found = {"LoRA, each alone": {"losses": losses, "seconds": sum(o["seconds"] for o in alone)}}
    found[SVD] = {"losses": alone[-1]["svd"], "seconds": alone[-1]["seconds"]}
    return found | {name: results[name] for name in NESTED if name in results}


@dataclass(frozen=True)
class Bench:
    """One base on one pair of releases."""

    options: RankOptions
    repo: Path
    work: Path
    judged: tuple[int, ...]

    def alone(self, rank: int) -> dict[str, Any]:
        """A LoRA of one rank; the largest is cut too."""
        cut = self.judged if rank == self.judged[-1] else ()
        return self._run(f"--method lora --rank {rank}", (rank,), cut)

    def nested(self, given: str) -> dict[str, Any]:
        largest = self.judged[-1]
        of = given.format(judged=",".join(map(str, self.judged)), largest=largest)
        return self._run(f"{of} --rank {largest}", self.judged, ())

    def _run(self, given: str, ranks: Sequence[int], svd: Sequence[int]) -> dict[str, Any]:
        # A wrong option is answered before torch is there.
        from rank_judge import judge

        out = self.work / "adapters" / re.sub(r"\W+", "-", given).strip("-")
        self._train(out, given)
        told = report.read(out)
        asked = TrainOptions(repo=self.repo, holdout=f"since:{OLD}", seed=self.options.seed)
        to_judge = (out, self.options.base, told.load_in, asked, ranks, svd, self.options.windows)
        found = apart(judge, *to_judge)
        shutil.rmtree(out)
        return found | {
            "seconds": round(sum(s.seconds for s in told.stages if s.name in _PAID), 1),
            "chosen": next((one.rank for one in told.ranks if one.chosen), None),
        }

    def _train(self, out: Path, given: str) -> None:
        # Rests of a call that was interrupted, or the adapter before.
        for folder in (out, out.with_name(out.name + PARTIAL)):
            shutil.rmtree(folder, ignore_errors=True)
        named = ("--repo", self.repo, "--base", self.options.base, "--out", out)
        limits = ("--budget", _BUDGET, "--max-steps", self.options.steps)
        more = ("--seed", self.options.seed, "--holdout", f"since:{OLD}")
        said(TRAIN, *named, *limits, *more, *shlex.split(given), *shlex.split(self.options.train))


if __name__ == "__main__":
    sys.exit(main())
