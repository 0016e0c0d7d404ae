"""The converter's options and the names of the quantisations it can make."""

from dataclasses import dataclass
from pathlib import Path

from budgetai_server.options import option

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

    adapter: Path | None = option(
        None,
        "folder made by budgetai-train; without it, the newest adapter of the repository",
        positional=True,
    )
    repo: Path | None = option(
        None, "repository the adapter was made for; without it, the current folder"
    )
    quant: str = option("Q8_0", "type of the weights: " + ", ".join(QUANTS))
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
        None, "file to write, ending in .gguf; without it, the model goes where the server looks"
    )
    json: bool = option(False, "print the result as JSON")
