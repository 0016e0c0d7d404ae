"""How much better a base gets on a repository: train, convert, and judge base and tuned model.

    python tests/benchmarks/main_job.py --repo PATH --base smollm2-135m --budget 10m

The commands are those of a user, in processes of their own; the holes are the same for both. It
prints JSON and a row of the table in RESULTS.md. Only GGUF bases, since the base is judged too.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from budgetai_core.artifacts import layout
from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_core.command import parse, print_json, run
from budgetai_core.options import Seconds, option


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What to learn from what, for how long."""

    repo: Path = option(Path(), "the repository to learn", unit="folder")
    base: str = option(EMBEDDED, "a base that is a GGUF file")
    budget: Seconds = option(Seconds(600), "wall-clock time for training", unit="time")
    quant: str = option("Q8_0", "type of the tuned model")
    holes: int = option(200, "places to complete")


def main() -> int:
    return run("main_job", _main)


def _main() -> int:
    options = parse("main_job", "Train, convert, judge.", BenchOptions)
    base = resolve(options.base).path
    repo = ["--repo", str(options.repo)]
    _command("budgetai_training", *repo, "--base", options.base, "--budget", str(options.budget))
    _command("budgetai_convert", *repo, "--quant", options.quant)
    tuned = layout.newest_model(options.repo)
    models = ["--model", str(base), str(tuned)]
    judged = json.loads(
        _command(
            "budgetai_server.cli.evaluate", *repo, *models, "--holes", str(options.holes), "--json"
        )
    )
    manifest = json.loads(Path(str(tuned)).with_suffix(".json").read_text(encoding="utf-8"))
    print_json({"scores": manifest["scores"], "checks": manifest["checks"]} | judged)
    print(_row(options, manifest["scores"], judged))
    return 0


def _command(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    print(done.stdout, file=sys.stderr)
    return done.stdout


def _row(options: BenchOptions, scores: dict[str, Any], judged: dict[str, Any]) -> str:
    cells = [Path(options.base).name, str(options.budget)]
    cells.append(f"{scores['held_out_loss_before']:.3f} → {scores['held_out_loss_after']:.3f}")
    for name in ("exact_match", "edit_similarity"):
        both = [model["scores"][name] for model in judged["models"]]
        shown = [f"{s['mean']:.3f} [{s['low']:.3f}, {s['high']:.3f}]" for s in both]
        cells.append(" → ".join(shown))
    return "| " + " | ".join([*cells, str(judged["holes"])]) + " |"


if __name__ == "__main__":
    sys.exit(main())
