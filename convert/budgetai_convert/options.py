"""The converter's options and the names of the quantisations it can make."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from budgetai_core.options import option

PROGRAM = "budgetai-convert"
AUTO = "auto"

# Types that need an importance matrix (IQ1 to IQ3) are left out: without one they are noise.
QUANTS = (
    "F16",
    "BF16",
    "Q8_0",
    "Q6_K",
    "Q5_K_M",
    "Q5_K_S",
    "Q5_1",
    "Q5_0",
    "Q4_K_M",
    "Q4_K_S",
    "IQ4_NL",
    "IQ4_XS",
    "Q4_1",
    "Q4_0",
    "Q3_K_L",
    "Q3_K_M",
    "Q3_K_S",
    "Q2_K",
)


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """What is converted, to which type, and where the file goes."""

    REMOVED = MappingProxyType(
        {
            "name": "Edit the adapter's name in the bundle's manifest.json",
            "task": "Edit the adapter's task in the bundle's manifest.json",
            "scale": "Edit the adapter's scale in the bundle's manifest.json",
            "languages": "Edit the adapter's languages in the bundle's manifest.json",
            "card": "Model card and Modelfile are always written",
        }
    )
    source: tuple[Path, ...] = option(
        (),
        "folder made by budgetai-train or peft, several for a bundle; or a model folder, .gguf file"
        " or Hub id to convert as it is; without it, the newest adapter of the repository",
        positional=True,
    )
    base: str = option(
        "",
        "base of an adapter that was not made by budgetai-train: a Hub id, which is then fetched, a"
        " folder or a .gguf file; without it, the one its configuration names",
        unit="name",
    )
    repo: Path | None = option(
        None,
        "repository the adapter was made for, whose code is used to calibrate and to evaluate;"
        " without it, the current folder",
    )
    quant: str = option(
        "Q8_0",
        "type of the weights: auto, which measures, or " + ", ".join(QUANTS),
    )
    max_kld: float = option(
        0.0,
        "auto takes the fastest file with at most this KL divergence; 0 takes the best within"
        " --max-size, or 0.05 without that",
        unit="nats",
        group="the choice of types",
    )
    max_size: float = option(
        0.0, "largest file auto may take; 0 for any", unit="MB", group="the choice of types"
    )
    importance: bool = option(
        True,
        "weigh columns by what the repository's own code puts through them",
        group="the choice of types",
    )
    imatrix: Path | None = option(
        None,
        "also write the importance matrix to this file, for llama-quantize",
        group="the choice of types",
    )
    bundle: bool = option(
        False,
        "write a folder with the quantised base, the adapters as GGUF files beside it, and"
        " manifest.json, to switch adapters without loading",
    )
    add_to: Path | None = option(
        None,
        "add the adapter to this bundle, or replace the one of its name there; servers that run go"
        " on with it",
        unit="folder",
        group="bundles",
    )
    rank: int = option(
        0,
        "rank of the update: an adapter of several is cut to it, of one rank the nearest matrix of"
        " that rank is taken (SVD); 0 takes the one that training chose",
        group="adapters",
    )
    own_weights: bool = option(
        False,
        "also merge what an adapter has in place of its base's weights: head, embedding, norms,"
        " new tokens; such a model shares its base with no other adapter",
        group="adapters",
    )
    peft: Path | None = option(
        None,
        "write the adapter alone, cut to the rank, into this folder for peft, and no model",
        unit="folder",
        group="adapters",
    )
    out: Path | None = option(
        None,
        "file to write, ending in .gguf, or the folder of a bundle; without it, they go where the"
        " server looks",
    )
    gate: bool = option(
        True,
        "serve the model only if it is not worse than what is served now, as budgetai promote"
        " decides; without --out or --bundle",
    )
    json: bool = option(False, "print the result as JSON")
