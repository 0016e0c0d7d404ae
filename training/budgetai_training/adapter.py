"""The LoRA adapter: putting it on a base, and writing it as a folder that plain peft reads."""

import importlib.metadata
import shutil
from pathlib import Path
from typing import Any

from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from safetensors import SafetensorError

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


def write(model: Any, manifest: AdapterManifest, folder: Path) -> None:
    """Write the adapter and its manifest into a folder of their own."""
    if folder.exists():
        shutil.rmtree(folder)
    try:
        model.save_pretrained(folder, save_embedding_layers=False)
    except SafetensorError as error:
        raise StorageError(f"the adapter cannot be written to {folder}: {error}") from None
    # The base is named in the manifest; peft's empty model card would only repeat its path.
    (folder / "README.md").unlink(missing_ok=True)
    manifest.write(folder)


def versions() -> dict[str, str]:
    found = {}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
