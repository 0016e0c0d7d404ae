"""What learning a release is worth on the next one: base against tuned models by budget.

    python tests/benchmarks/later_release.py --old mcp-1.2.0 --new mcp-1.9.0 --base smollm2-135m \
        --budgets 5m,15m,45m --holes 200 --work FOLDER

The two releases become two commits. The trainer learns the old one and holds out what was written
since; base and tuned models complete the same places in the new lines. All by the commands of a
user, in processes of their own. Each result stands in FOLDER/results.json as soon as it is there,
and the same call goes on after an interruption. Only GGUF bases, since the base is judged too.
"""

import shlex
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import CONVERT, EVALUATE, TRAIN, apart, said
from ledger import Ledger
from releases import OLD, repository

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_core.artifacts.layout import PARTIAL
from budgetai_core.command import parse, print_json, run
from budgetai_core.errors import BaseError
from budgetai_core.evaluation.metrics import LineScores, change
from budgetai_core.options import Seconds, option

_BASE = "base"
_SCORES = ("exact_match", "edit_similarity")


@dataclass(frozen=True, kw_only=True)
class LaterOptions:
    """Which releases, which base, how long."""

    old: Path = option(Path("old"), "the release that is learned", unit="folder")
    new: Path = option(Path("new"), "the release whose new lines are judged", unit="folder")
    base: str = option(EMBEDDED, "a base that is a GGUF file")
    budgets: str = option("5m,15m,45m", "wall-clock times for training, with commas")
    holes: int = option(200, "places to complete")
    quant: str = option("Q8_0", "type of the tuned models")
    seed: int = option(0, "seed of training and of the places")
    train: str = option("", 'further options of budgetai-train, as in --train="--rank 32"')
    work: Path | None = option(
        None, "folder for repository, models and results; without it, a new one", unit="folder"
    )

    def lengths(self) -> list[Seconds]:
        """Raises OptionError for what is not a length of time."""
        return [Seconds.parse(text) for text in self.budgets.split(",")]


def main() -> int:
    return run("later_release", _main)


def _main() -> int:
    options = parse("later_release", "Learn a release, judge on the next.", LaterOptions)
    base = resolve(options.base).path
    if base is None or base.is_dir():
        raise BaseError(
            f"{options.base} is not a GGUF file", "The base is judged too: name its file"
        )
    budgets = options.lengths()
    work = options.work or Path(tempfile.mkdtemp(prefix="later-release-"))
    print(f"working in {work}", file=sys.stderr)
    names = ("old", "new", "base", "holes", "quant", "seed", "train")
    ledger = Ledger(work, {name: getattr(options, name) for name in names})
    bench = Bench(options, repository(options.old, options.new, work), base, work, ledger)
    for budget in budgets:
        bench.measure(budget)
    print_json(ledger.results)
    print("\n".join(bench.rows(budgets)))
    return 0


@dataclass(frozen=True)
class Bench:
    """One base on one pair of releases, with what is known already."""

    options: LaterOptions
    repo: Path
    base: Path
    work: Path
    ledger: Ledger

    def measure(self, budget: Seconds) -> None:
        """Train, convert, judge; the base is judged with the first model."""
        trained = self.ledger.once(f"{budget} trained", lambda: self._trained(budget))
        made = self.ledger.once(f"{budget} converted", lambda: self._converted(budget, trained))
        models = [Path(made["model"])]
        if _BASE not in self.ledger.results:
            models = [self.base, *models]
        judged = self.ledger.once(f"{budget} judged", lambda: self._judged(models))
        # What a model is judged on follows from its manifest, and the base has none: its scores
        # come from a call that names a tuned model too. The places are the same in every call.
        self.ledger.once(_BASE, lambda: judged["models"][0])

    def _trained(self, budget: Seconds) -> dict[str, Any]:
        _unpack(self.options.base)
        out = self.work / f"adapter-{budget}"
        # Rests of a call that was interrupted.
        for folder in (out, out.with_name(out.name + PARTIAL)):
            shutil.rmtree(folder, ignore_errors=True)
        named = ("--repo", self.repo, "--base", self.options.base, "--out", out)
        limits = ("--budget", budget, "--holdout", f"since:{OLD}", "--seed", self.options.seed)
        return said(TRAIN, *named, *limits, *shlex.split(self.options.train))

    def _converted(self, budget: Seconds, trained: dict[str, Any]) -> dict[str, Any]:
        out = self.work / f"tuned-{budget}-{self.options.quant}.gguf"
        return said(CONVERT, trained["adapter"], "--quant", self.options.quant, "--out", out)

    def _judged(self, models: list[Path]) -> dict[str, Any]:
        places = ("--repo", self.repo, "--holes", self.options.holes, "--seed", self.options.seed)
        return said(EVALUATE, *places, "--model", *models)

    def rows(self, budgets: list[Seconds]) -> list[str]:
        """The table of RESULTS.md, the base first."""
        found = self.ledger.results
        base = found[_BASE]
        rows = [
            f"| {self.base.name} | exact match | × base | edit similarity | × base "
            "| became right, wrong | difference of exact match | held-out loss | trained | holes |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
            _row("untuned", base, base, "", "", "", ""),
        ]
        for budget in budgets:
            trained = found[f"{budget} trained"]
            tuned = found[f"{budget} judged"]["models"][-1]
            told = (*_changed(base, tuned), _losses(trained), _amount(trained))
            rows.append(_row(str(budget), tuned, base, *told))
        return rows


def _unpack(base: str) -> None:
    """A GGUF is unpacked when it is first trained on; no budget should pay for that."""
    apart(_unpacked, base)


def _unpacked(base: str) -> None:
    from budgetai_training.model import shape

    found = resolve(base)
    shape(found, found.record().digest, 1)


def _row(name: str, model: dict[str, Any], base: dict[str, Any], *more: str) -> str:
    cells = [name]
    for score in _SCORES:
        own, other = (one["scores"][score] for one in (model, base))
        cells.append(f"{own['mean']:.3f} [{own['low']:.3f}, {own['high']:.3f}]")
        cells.append(f"{own['mean'] / other['mean']:.2f}" if other["mean"] else "-")
    return "| " + " | ".join([*cells, *more, str(model["scores"]["count"])]) + " |"


def _changed(base: dict[str, Any], tuned: dict[str, Any]) -> tuple[str, str]:
    """Place by place: two intervals that overlap say little of models on the same places."""
    found = change(*(LineScores(**one["scores"]) for one in (base, tuned)))
    gain = found.exact_match
    return (
        f"{found.better}, {found.worse}",
        f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]",
    )


def _losses(trained: dict[str, Any]) -> str:
    before, after = (trained["scores"][f"held_out_loss_{when}"] for when in ("before", "after"))
    return " → ".join("-" if loss is None else f"{loss:.3f}" for loss in (before, after))


def _amount(trained: dict[str, Any]) -> str:
    counts = trained["counts"]
    return f"{counts['steps']} steps, {counts['tokens']:,} tokens"


if __name__ == "__main__":
    sys.exit(main())
