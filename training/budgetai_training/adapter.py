"""The LoRA adapter: putting it on a base, and writing it as a folder that plain peft reads."""

import importlib.metadata
import shutil
from pathlib import Path
from typing import Any

from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

from budgetai_server.artefacts.manifest import AdapterManifest
from budgetai_server.errors import StorageError

VERSIONED = ("budgetai", "torch", "transformers", "peft", "accelerate", "bitsandbytes")


def attach(model: Any, rank: int, load_in: str) -> Any:
    """LoRA (Hu et al. 2021) on every linear layer but the head, scale 1 (alpha = rank)."""
    if load_in == "4bit":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    config = LoraConfig(
        r=rank,
        lora_alpha=rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def save(model: Any, manifest: AdapterManifest, work: Path, out: Path) -> None:
    """Write the adapter below `work`, then rename it to `out`: it is there whole or not at all."""
    final = work / "final"
    if final.exists():
        shutil.rmtree(final)
    model.save_pretrained(final, save_embedding_layers=False)
    # The base is named in the manifest; a path of this machine has no place in the model card.
    (final / "README.md").unlink(missing_ok=True)
    manifest.write(final)
    if out.exists():
        raise StorageError(f"{out} has appeared meanwhile", f"The adapter is in {final}")
    out.parent.mkdir(parents=True, exist_ok=True)
    final.rename(out)
    shutil.rmtree(work, ignore_errors=True)


def versions() -> dict[str, str]:
    found = {}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
