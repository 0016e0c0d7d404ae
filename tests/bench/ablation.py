"""Which parts of the data recipe earn their place: each left out in turn, with as many steps.

    python tests/bench/ablation.py --old mcp-1.2.0 --new mcp-1.9.0 --base smollm2-135m \
        --steps 300 --recipes "default;nodes=0;chunks=0" --curricula "none;hard" --work FOLDER

Every variation trains on the old release and is judged by its loss on what the new one adds, over
all and by kind of hole. The exam and the LoRA's start depend on the seed alone, so a difference to
the first one with the same seed is one of pairs. Standard errors are those over seeds, of which
there must be two; with one, those over the kinds of holes say a little. A curriculum begins with
the second pass: give it steps for more than one.

Each result stands in FOLDER/results.json as soon as it is there; the same call goes on.
"""

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

from ablation_table import ALL, table
from commands import TRAIN, said
from ledger import Ledger
from releases import OLD, repository

from budgetai_server.artefacts.bases import EMBEDDED
from budgetai_server.artefacts.home import PARTIAL
from budgetai_server.artefacts.manifest import AdapterManifest
from budgetai_server.command import parse, print_json, run
from budgetai_server.options import option
from budgetai_training.options import TrainOptions
from budgetai_training.report import files as report
from budgetai_training.report.account import Account, Group

DEFAULT = "default"
PLAIN = "none"
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
    curricula: str = option(
        "none;hard", "curricula, with semicolons; all but the first with the first recipe alone"
    )
    seeds: int = option(1, "how often each is trained, with the seeds from 0 on")
    train: str = option("", 'further options of budgetai-train, for all, as in --train="--rank 32"')
    work: Path | None = option(
        None, "folder for the repository and the results; without it, a new one", unit="folder"
    )

    def variations(self) -> list["Variation"]:
        """The one that is compared with first. Raises OptionError for an unknown recipe."""
        recipes = [text.strip() for text in self.recipes.split(";")]
        curricula = [text.strip() for text in self.curricula.split(";")]
        found = [Variation(recipe, curricula[0]) for recipe in recipes]
        found += [Variation(recipes[0], curriculum) for curriculum in curricula[1:]]
        for one in found:
            TrainOptions(recipe=one.given)
        return found


class Variation(NamedTuple):
    """A recipe and a curriculum."""

    recipe: str
    curriculum: str

    @property
    def given(self) -> str:
        """What --recipe is told."""
        return "" if self.recipe == DEFAULT else self.recipe

    @property
    def name(self) -> str:
        return self.recipe + (f", {self.curriculum}" if self.curriculum != PLAIN else "")


def main() -> int:
    return run("ablation", _main)


def _main() -> int:
    options = parse("ablation", "Leave parts of the recipe out.", AblationOptions)
    variations = options.variations()
    work = options.work or Path(tempfile.mkdtemp(prefix="ablation-"))
    print(f"working in {work}", file=sys.stderr)
    names = ("old", "new", "base", "steps", "train")
    ledger = Ledger(work, {name: getattr(options, name) for name in names})
    repo = repository(options.old, options.new, work)
    found: dict[Variation, list[dict[str, Any]]] = {one: [] for one in variations}
    # Seeds outermost: after an interruption there is something of each variation.
    for seed, one in product(range(options.seeds), variations):
        measure = partial(_trained, options, repo, work / "adapter", one, seed)
        found[one].append(ledger.once(f"{one.name}, seed {seed}", measure))
    print_json(ledger.results)
    print("\n".join(table({one.name: results for one, results in found.items()})))
    return 0


def _trained(
    options: AblationOptions, repo: Path, out: Path, one: Variation, seed: int
) -> dict[str, Any]:
    """What the report of a run says: losses before and after, with their tokens, by group."""
    # Rests of a call that was interrupted, or the adapter of the variation before.
    for folder in (out, out.with_name(out.name + PARTIAL)):
        shutil.rmtree(folder, ignore_errors=True)
    named = ("--repo", repo, "--base", options.base, "--out", out, "--seed", seed)
    limits = ("--budget", _BUDGET, "--max-steps", options.steps, "--completions", 0)
    varied = ("--recipe", one.given, "--curriculum", one.curriculum)
    since = ("--holdout", f"since:{OLD}")
    said(TRAIN, *named, *limits, *varied, *since, *shlex.split(options.train))
    told = report.read(out)
    counts = AdapterManifest.read(out).counts
    shutil.rmtree(out)
    return _result(told, counts)


def _result(told: Account, counts: Mapping[str, int]) -> dict[str, Any]:
    general = told.forgetting
    return {
        "losses": {
            group.name or ALL: _losses(group) for group in told.held_out if group.by != "language"
        },
        "general": [general.before, general.after] if general else None,
        "counts": dict(counts),
        "seconds": round(told.spent, 1),
    }


def _losses(group: Group) -> dict[str, Any]:
    return {"before": group.before, "after": group.after, "tokens": group.tokens}


if __name__ == "__main__":
    sys.exit(main())
