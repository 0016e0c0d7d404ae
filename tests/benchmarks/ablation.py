"""Which parts of the data recipe earn their place: each left out in turn, with as many steps.

    python tests/benchmarks/ablation.py --old mcp-1.2.0 --new mcp-1.9.0 --base smollm2-135m \
        --steps 300 --recipes "default;nodes=0;chunks=0" --work FOLDER

Every variation trains on the old release and is judged by its loss on what the new one adds, over
all and by kind of hole, and with --lines by the new lines that it brings back. `--more` varies
anything else: "--rank 64;--learning-rate 1e-3". The exam and the LoRA's start depend on the seed
alone, so a difference to the first one with the same seed is one of pairs. Standard errors are
those over seeds, of which there must be two; with one, those over the kinds of holes say a little.

Each result stands in FOLDER/results.json as soon as it is there; the same call goes on. On a GPU,
which one such training does not fill, several --jobs run at once.
"""

import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from ablation_table import ALL, UNTUNED, table
from commands import TRAIN, apart, said
from ledger import Ledger
from releases import OLD, repository

from budgetai_core.artifacts.base_models import EMBEDDED
from budgetai_core.artifacts.layout import PARTIAL
from budgetai_core.artifacts.manifest import AdapterManifest
from budgetai_core.command import parse, print_json, run
from budgetai_core.options import option
from budgetai_training.options import TrainOptions
from budgetai_training.report import report_files as report
from budgetai_training.report.schema import Group, Report

DEFAULT = "default"
# The steps are the limit, not the clock.
_BUDGET = "48h"
_RECIPES = "default;nodes=0;chunks=0;copies=0;nothing=0;no_after=0;order=dependency;before=1200"


@dataclass(frozen=True, kw_only=True)
class AblationOptions:
    """What is varied, on what, for how long."""

    old: Path = option(Path("old"), "the release that is learned", unit="folder")
    new: Path = option(Path("new"), "the release whose new lines are judged", unit="folder")
    base: str = option(EMBEDDED, "a base, as budgetai-train takes it")
    steps: int = option(300, "steps of each training")
    recipes: str = option(
        _RECIPES, "recipes as --recipe takes them, with semicolons; the first one is compared with"
    )
    more: str = option("", "further variations, as options of budgetai-train, with semicolons")
    seeds: int = option(1, "how often each is trained, with the seeds from 0 on")
    lines: int = option(0, "new lines that each has to bring back, by torch")
    jobs: int = option(1, "trainings at once")
    keep: bool = option(False, "keep the adapters, in a folder for each variation and seed")
    train: str = option("", 'further options of budgetai-train, for all, as in --train="--rank 32"')
    work: Path | None = option(
        None, "folder for the repository and the results; without it, a new one", unit="folder"
    )

    def variations(self) -> list["Variation"]:
        """The one that is compared with first. Raises OptionError for an unknown recipe."""
        recipes = [Variation.of(recipe) for recipe in _parts(self.recipes)]
        first = recipes[0].flags
        return recipes + [Variation(m, (*first, *shlex.split(m))) for m in _parts(self.more)]


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


class Variation(NamedTuple):
    """A name, and options of budgetai-train that hold against the others'."""

    name: str
    flags: tuple[str, ...]

    @classmethod
    def of(cls, recipe: str) -> "Variation":
        given = "" if recipe == DEFAULT else recipe
        TrainOptions(recipe=given)
        return cls(recipe, ("--recipe", given))


def main() -> int:
    return run("ablation", _main)


def _main() -> int:
    options = parse("ablation", "Leave parts of the recipe out.", AblationOptions)
    variations = options.variations()
    work = options.work or Path(tempfile.mkdtemp(prefix="ablation-"))
    print(f"working in {work}", file=sys.stderr)
    names = ("old", "new", "base", "steps", "lines", "train")
    ledger = Ledger(work, {name: getattr(options, name) for name in names})
    bench = Bench(options, repository(options.old, options.new, work), work)
    # Seeds outermost: after an interruption there is something of each variation.
    asked = {
        f"{one.name}, seed {seed}": partial(bench.trained, one, seed)
        for seed, one in product(range(options.seeds), variations)
    }
    if options.lines:
        asked = {UNTUNED: bench.untuned, **asked}
    ledger.all(asked, options.jobs)
    print_json(ledger.results)
    found = {
        one.name: [ledger.results[f"{one.name}, seed {seed}"] for seed in range(options.seeds)]
        for one in variations
    }
    print("\n".join(table(found, ledger.results.get(UNTUNED))))
    return 0


@dataclass(frozen=True)
class Bench:
    """One base on one pair of releases."""

    options: AblationOptions
    repo: Path
    work: Path

    def trained(self, one: Variation, seed: int) -> dict[str, Any]:
        """What the report of a run says: losses before and after, with their tokens, by group."""
        out = self.work / "adapters" / re.sub(r"[^\w.=-]+", "_", f"{one.name}-{seed}").strip("_")
        # Rests of a call that was interrupted.
        for folder in (out, out.with_name(out.name + PARTIAL)):
            shutil.rmtree(folder, ignore_errors=True)
        named = ("--repo", self.repo, "--base", self.options.base, "--out", out, "--seed", seed)
        limits = ("--budget", _BUDGET, "--max-steps", self.options.steps)
        since = ("--holdout", f"since:{OLD}")
        said(TRAIN, *named, *limits, *since, *shlex.split(self.options.train), *one.flags)
        told = report.read(out)
        found = _result(told, AdapterManifest.read(out).counts)
        if self.options.lines:
            found["lines"] = self._lines(out, told.load_in)
        if not self.options.keep:
            shutil.rmtree(out)
        return found

    def untuned(self) -> dict[str, Any]:
        return {"lines": self._lines(None, "bf16")}

    def _lines(self, folder: Path | None, load_in: str) -> dict[str, Any]:
        from line_judge import judge

        given = (folder, self.options.base, load_in, self.repo, OLD, self.options.lines, 0)
        return apart(judge, *given)


def _result(told: Report, counts: Mapping[str, int]) -> dict[str, Any]:
    general = told.forgetting
    return {
        "losses": {
            group.name or ALL: _losses(group) for group in told.held_out if group.by != "language"
        },
        "general": [general.before, general.after] if general else None,
        "counts": dict(counts),
        "load_in": told.load_in,
        "peak": told.memory.peak if told.memory else None,
        "training": next((s.seconds for s in told.stages if s.name == "training"), 0.0),
        "seconds": round(told.spent, 1),
    }


def _losses(group: Group) -> dict[str, Any]:
    return {"before": group.before, "after": group.after, "tokens": group.tokens}


if __name__ == "__main__":
    sys.exit(main())
