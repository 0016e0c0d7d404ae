"""What a training takes of memory, stage by stage, in two checkouts that take turns.

    python tests/benchmarks/train_memory.py --old ../before --new . -- \
        --repo PATH --base FILE.gguf --load-in bf16 --evaluate none --max-steps 2 --budget 3h

What stands behind `--` is for budgetai-train, which runs in a process of its own for each checkout
and turn, with one thread. A peak is what the system calls the high-water mark of the resident
memory, pages of mapped files included, and is set back at the start of each stage; processor time
counts what `top` calls user and system. Both are hardly disturbed by other work, unlike seconds.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from budgetai_core.command import parse, print_json, run
from budgetai_core.errors import BudgetAIError
from budgetai_core.options import option

SIDE = Path(__file__).with_name("train_memory_side.py")


@dataclass(frozen=True, kw_only=True)
class TrainMemoryOptions:
    """Which checkouts, and how often."""

    old: Path = option(Path(), "checkout to compare with", unit="folder")
    new: Path = option(Path(), "checkout that is compared", unit="folder")
    turns: int = option(1, "how often each runs, in turns")
    wide_products: bool = option(
        False,
        "make products of bfloat16 matrices in 32 bits, part by part: where the processor has no"
        " instructions for them they would take a hundred times as long",
    )
    json: bool = option(False, "print the result as JSON")


def measured(checkout: Path, options: TrainMemoryOptions, arguments: list[str]) -> dict[str, Any]:
    """Return peaks in MiB and processor seconds by stage, and the losses of the steps. Raises
    BudgetAIError."""
    paths = [str(checkout.resolve() / part) for part in ("server", "training", "convert")]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "adapter"
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1",
            "WIDE_PRODUCTS": str(int(options.wide_products)), "TAKEN": f"{folder}/taken.json",
        }  # fmt: skip
        command = [sys.executable, str(SIDE), *arguments, f"--out={out}"]
        done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise BudgetAIError(f"{checkout} ended with {done.returncode}")
        taken: dict[str, Any] = json.loads(Path(f"{folder}/taken.json").read_text())
        report = json.loads((out / "report.json").read_text())
    return taken | {"losses": [point["loss"] for point in report["curve"]]}


def story(options: TrainMemoryOptions, arguments: list[str]) -> int:
    turns: dict[str, list[dict[str, Any]]] = {"old": [], "new": []}
    for _ in range(options.turns):
        for name, checkout in (("old", options.old), ("new", options.new)):
            turns[name].append(measured(checkout, options, arguments))
    if options.json:
        print_json(turns)
        return 0
    print(f"{'':20}{'old':>10}{'new':>10}{'ratio':>8}")
    for stage in turns["old"][0]["peaks"]:
        _row(f"{stage}, MiB", [max(t["peaks"].get(stage, 0) for t in turns[n]) for n in turns])
    for stage in turns["old"][0]["processor"]:
        pairs = zip(turns["old"], turns["new"], strict=True)
        ratios = [n["processor"][stage] / o["processor"][stage] for o, n in pairs]
        seconds = [median(t["processor"][stage] for t in turns[n]) for n in turns]
        print(f"{stage + ', s':20}{seconds[0]:10.1f}{seconds[1]:10.1f}{median(ratios):8.2f}")
    for name, sides in turns.items():
        print(f"losses, {name}: {', '.join(f'{loss:.4f}' for loss in sides[0]['losses'])}")
    return 0


def _row(label: str, values: list[float]) -> None:
    print(f"{label:20}{values[0]:10,.0f}{values[1]:10,.0f}{values[1] / values[0]:8.2f}")


def main() -> int:
    """Ours come first; what stands behind `--` is budgetai-train's."""
    here = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    about = "Measure what a training takes of memory."
    options = parse("train_memory", about, TrainMemoryOptions, sys.argv[1:here])
    return run("train_memory", lambda: story(options, sys.argv[here + 1 :]))


if __name__ == "__main__":
    sys.exit(main())
