"""An adapter over a base whose weights stand on no quantiser's steps, made from one whose do.

    python tests/benchmarks/dither.py ADAPTER --out FOLDER

Where no 16-bit model is at hand, a 4- or 5-bit file can be made into one that quantises like it:
each weight moves by an equally likely part of a 5-bit step up or down (the step is a sixteenth of
the largest weight of its 32). The model becomes about as much worse as by another rounding to 5
bits would make it (not measured), and no type finds its own steps again. It stands in for a 16-bit
model and is none. FOLDER/adapter, over FOLDER/base, is for convert_stock.py.
"""

import dataclasses
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from budgetai_core.artifacts import base_models, layout
from budgetai_core.artifacts.manifest import AdapterManifest
from budgetai_core.command import parse, run
from budgetai_core.options import option
from budgetai_training.model import shape

BLOCK = 32
STEPS = 16


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which adapter, and where to."""

    adapter: Path = option(Path(), "the adapter's folder", positional=True)
    out: Path = option(Path("dithered"), "folder to write", unit="folder")
    seed: int = option(0, "seed of the noise")


def dither(weights: torch.Tensor, random: torch.Generator) -> None:
    """Change a matrix [rows, columns] in place."""
    blocks = weights.view(-1, BLOCK)
    step = blocks.abs().amax(1, keepdim=True) / STEPS
    blocks += (torch.rand(blocks.shape, generator=random) - 0.5) * step


def dithered(folder: Path, out: Path, seed: int) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() == 2:
                dither(weights, random)
    model.to(torch.bfloat16).save_pretrained(out)
    AutoTokenizer.from_pretrained(folder).save_pretrained(out)


def story(options: Options) -> int:
    manifest = AdapterManifest.read(options.adapter)
    found = base_models.located(manifest.base)
    # Unpacks a GGUF file.
    shape(found, manifest.base.digest, 1)
    folder = layout.unpacked_base(manifest.base.digest) if found.kind == "gguf" else found.path
    assert folder is not None
    dithered(folder, options.out / "base", options.seed)
    adapter = options.out / "adapter"
    shutil.copytree(options.adapter, adapter)
    record = base_models.resolve(str(options.out / "base")).record()
    dataclasses.replace(manifest, base=record).write(adapter)
    print(adapter)
    return 0


def main(argv: list[str] | None = None) -> int:
    options = parse("dither", "Move a base's weights off their steps.", Options, argv)
    return run("dither", lambda: story(options))


if __name__ == "__main__":
    sys.exit(main())
