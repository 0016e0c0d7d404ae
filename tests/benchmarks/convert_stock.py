"""What `--quant auto` finds in the size of llama.cpp's own recipe, beside that recipe.

    python tests/benchmarks/convert_stock.py ADAPTER --repo REPO --place FOLDER [--stock Q4_K_M]

The adapter is merged to 16 bits, and that file quantised by the stock recipe: as it comes, and with
the importance matrix of the repository's code. auto may take a file of the plain one's size. All of
them are then judged on held-out holes that auto has not seen, by KL divergence from the 16-bit file
and by speed. What is in the folder already is not made again.
"""

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from commands import CONVERT, said

from budgetai_convert.checks import code_probes, divergence
from budgetai_convert.checks.code_probes import Probe, Reader
from budgetai_convert.checks.divergence import Evaluator, Measured
from budgetai_convert.model import adapter
from budgetai_convert.quantize import llama_quantize
from budgetai_core.artifacts import gguf_reader
from budgetai_core.command import parse, print_json, run
from budgetai_core.llama.quantizer import QuantizeParams
from budgetai_core.llama.scoring import ScoringModel
from budgetai_core.models import gguf_tokenizer
from budgetai_core.options import option


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which adapter, and which recipe it is compared with."""

    adapter: Path = option(Path(), "the adapter's folder", positional=True)
    repo: Path = option(Path(), "its repository, with what was held out")
    place: Path = option(Path(), "folder for the files, or with them")
    stock: str = option("Q4_K_M", "llama.cpp's recipe")
    seeds: int = option(3, "draws of 32 holes that auto has not seen")
    json: bool = option(False, "print the result as JSON")


def made(options: Options) -> dict[str, Path]:
    """The files by name, the 16-bit one first."""
    place, repo = options.place, ("--repo", options.repo)
    merged, matrix = place / "f16.gguf", place / "imatrix.gguf"
    place.mkdir(parents=True, exist_ok=True)
    if not merged.exists():
        said(CONVERT, options.adapter, *repo, "--quant", "F16", "--out", merged)
    stock = _stock(merged, place / "stock.gguf", QuantizeParams(quant=options.stock))
    found = {"16 bits": merged, options.stock: stock}
    auto = place / "auto.gguf"
    if not auto.exists():
        limits = ("--max-size", math.ceil(stock.stat().st_size / 1e4) / 100)
        more = (*repo, "--quant", "auto", *limits, "--imatrix", matrix, "--out", auto)
        told = said(CONVERT, options.adapter, *more)["auto"]
        (place / "choice.txt").write_text(json.dumps(told, indent=1))
    weighed = QuantizeParams(quant=options.stock, imatrix=str(matrix))
    found[f"{options.stock}, importance matrix"] = _stock(merged, place / "weighed.gguf", weighed)
    return found | {"auto": auto}


def _stock(merged: Path, target: Path, params: QuantizeParams) -> Path:
    if not target.exists():
        llama_quantize.quantize(merged, target, params, lambda size: None)
    return target


def fresh(options: Options, merged: Path) -> tuple[Probe, ...]:
    """Held-out holes by other seeds than the one auto chooses by, without those it has seen."""
    manifest = adapter.read_manifest(options.adapter)
    with ScoringModel(merged, vocabulary_only=True) as native:
        markers = gguf_tokenizer.mark(gguf_reader.read(merged).metadata).markers
        name, beginning = options.repo.resolve().name, tuple(native.beginning())
        reader = Reader(name, markers, native.tokenize, beginning)
        drawn = [
            code_probes.draw(options.repo, manifest, reader, seed).probes
            for seed in range(options.seeds + 1)
        ]
    return tuple(dict.fromkeys(one for some in drawn[1:] for one in some if one not in drawn[0]))


def rows(options: Options, files: dict[str, Path], probes: tuple[Probe, ...]) -> Iterator[Measured]:
    merged = files["16 bits"]
    reference = divergence.evaluate_reference(
        merged, probes, options.place / "reference", lambda: None
    )
    evaluator = Evaluator(probes, reference, None)
    for name, path in files.items():
        print(f"measuring {name}", file=sys.stderr, flush=True)
        scores = evaluator.scores(path, len(probes), lambda: None)
        yield scores.measured(name, path.stat().st_size, evaluator.speeds(path))


def story(options: Options) -> int:
    files = made(options)
    probes = fresh(options, files["16 bits"])
    found = list(rows(options, files, probes))
    stock, auto = found[1], found[-1]
    if options.json:
        print_json({"holes": len(probes), "files": [asdict(one) for one in found]})
        return 0
    print(f"{len(probes)} holes that auto has not seen")
    for one in found:
        told = f"{one.size / 1e6:7.1f} MB, KLD {one.kld:.4f}, best token {one.top:.1%}"
        speed = f"reads {one.prefill:.0f}, writes {one.decode:.0f} tokens/s"
        print(f"{one.name:28} {told}, lines {one.matched:.1%}, {speed}")
    print(f"auto: {auto.kld / stock.kld:.2f} of the stock's KLD, ", end="")
    print(f"{auto.prefill / stock.prefill:.2f} of its speed of reading")
    return 0


def main(argv: list[str] | None = None) -> int:
    about = "Compare auto's file with a stock recipe of its size."
    options = parse("convert_stock", about, Options, argv)
    return run("convert_stock", lambda: story(options))


if __name__ == "__main__":
    sys.exit(main())
