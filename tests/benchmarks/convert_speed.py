"""Two checkouts convert the same model in turn: seconds, processor time and memory, and the ratios.

    python tests/benchmarks/convert_speed.py --before FOLDER --source ADAPTER --repo PATH \
        [--quant Q8_0] [--rounds 2] [--place FOLDER]

`--before` is another checkout of this repository. Both run in this environment, one after the
other, A B A B, so that what else the machine does falls on both. Processor time is that of all
processes; memory is what they have allocated themselves, in sum, at its highest.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from convert_memory import NOTHING, together

from budgetai_core.command import parse, print_json, run
from budgetai_core.errors import OptionError, StorageError
from budgetai_core.options import option

_POLL_SECONDS = 0.25
_AFTER = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class SpeedOptions:
    """What is converted, by which checkouts."""

    before: Path | None = option(None, "another checkout", unit="folder")
    source: Path | None = option(None, "adapter or model that is converted")
    repo: Path | None = option(None, "repository whose code is read", unit="folder")
    quant: str = option("Q8_0", "type that is made")
    rounds: int = option(2, "runs of each", low=1)
    place: Path | None = option(None, "folder with room for both files", unit="folder")
    json: bool = option(False, "print the result as JSON")


@dataclass(frozen=True)
class Run:
    """A conversion: seconds, seconds of processor time, MiB allocated."""

    seconds: float
    processor: float
    memory: float


def main() -> int:
    return run("convert_speed", _main)


def _main() -> int:
    options = parse("convert_speed", "Convert with two checkouts in turn.", SpeedOptions)
    if options.before is None or not (options.before / "convert").is_dir():
        raise OptionError("--before names no checkout", "Clone the repository once more")
    if options.source is None:
        raise OptionError("--source is missing", "Name an adapter or a model")
    before, after = [], []
    with tempfile.TemporaryDirectory(dir=options.place) as folder:
        for number in range(options.rounds):
            for checkout, runs in ((options.before, before), (_AFTER, after)):
                out = Path(folder) / "model.gguf"
                runs.append(_converted(checkout.resolve(), options, out))
                print(f"{number + 1} {checkout.name}: {runs[-1]}", file=sys.stderr, flush=True)
    ratios = {
        name: statistics.median(
            getattr(new, name) / getattr(old, name) for old, new in zip(before, after, strict=True)
        )
        for name in ("seconds", "processor", "memory")
    }
    if options.json:
        told = {"before": [asdict(r) for r in before], "after": [asdict(r) for r in after]}
        print_json({**told, "ratios": ratios})
        return 0
    for name, ratio in ratios.items():
        told = " ".join(_told(runs, name) for runs in (before, after))
        print(f"{name:10} {told}   {ratio:.2f} x")
    return 0


def _told(runs: Sequence[Run], name: str) -> str:
    return f"{statistics.median(getattr(run, name) for run in runs):9.1f}"


def _converted(checkout: Path, options: SpeedOptions, out: Path) -> Run:
    """Run the command of a checkout. Raises StorageError where it fails."""
    paths = os.pathsep.join(str(checkout / part) for part in ("server", "training", "convert"))
    arguments = [str(options.source), "--quant", options.quant, "--out", str(out)]
    arguments += ["--repo", str(options.repo)] if options.repo else []
    began, used, most = time.monotonic(), _processor(), NOTHING
    with subprocess.Popen(
        [sys.executable, "-m", "budgetai_convert", *arguments],
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.DEVNULL,
    ) as child:
        while child.poll() is None:
            most = most.at_least(together(child.pid))
            time.sleep(_POLL_SECONDS)
    if child.returncode:
        raise StorageError(f"{checkout.name} ended with {child.returncode}")
    return Run(time.monotonic() - began, _processor() - used, most.anonymous)


def _processor() -> float:
    """Return the processor time of all that this process has started and waited for."""
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    sys.exit(main())
