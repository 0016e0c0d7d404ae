"""The converter's options and the names of the quantisations it can make."""

from dataclasses import dataclass
from pathlib import Path

from budgetai_server.options import option

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

    source: Path | None = option(
        None,
        "folder made by budgetai-train, or a model folder or .gguf file to convert as it is;"
        " without it, the newest adapter of the repository",
        positional=True,
    )
    repo: Path | None = option(
        None,
        "repository the adapter was made for, whose code is calibrated on and judged by; without"
        " it, the current folder",
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
    )
    max_size: float = option(0.0, "largest file auto may take; 0 for any", unit="MB")
    importance: bool = option(
        True, "weigh columns by what the repository's own code puts through them"
    )
    imatrix: Path | None = option(
        None, "also write the importance matrix to this file, for llama-quantize"
    )
    bundle: bool = option(
        False,
        "write a folder with the quantised base, the adapter as a GGUF file beside it, and"
        " manifest.json, to switch adapters without loading",
    )
    card: bool = option(
        False, "write a model card and an Ollama Modelfile beside the model, as a bundle has them"
    )
    rank: int = option(
        0,
        "rank of the update, for an adapter of several; 0 takes the one that training chose",
    )
    peft: Path | None = option(
        None,
        "write the adapter alone, cut to the rank, into this folder for peft, and no model",
        unit="folder",
    )
    out: Path | None = option(
        None,
        "file to write, ending in .gguf, or the folder of a bundle; without it, the model goes"
        " where the server looks",
    )
    json: bool = option(False, "print the result as JSON")
