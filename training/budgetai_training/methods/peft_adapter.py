"""The adapter: putting it on a base, and writing it as a folder that plain peft reads."""

import importlib.metadata
import shutil
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from safetensors import SafetensorError

from budgetai_core.artifacts.manifest import AdapterManifest
from budgetai_core.errors import AdapterError, StorageError
from budgetai_training.lean_blocks import make_lean
from budgetai_training.methods import baselines
from budgetai_training.options import TrainOptions

VERSIONED = ("budgetai", "torch", "transformers", "peft", "accelerate", "bitsandbytes")
# As multiples of LoRA's: that of plain fine-tuning is a tenth (Schulman et al. 2025, "LoRA Without
# Regret"); keys and values are larger than weights, and move in larger steps.
RATES = {"full": 0.1, "prefix": 10.0}
TARGETS: dict[str, Any] = {
    # Tried later on; what stands here until then, the others are compared with.
    "auto": "all-linear",
    "all": "all-linear",
    "attention": ["q_proj", "k_proj", "v_proj", "o_proj"],
    "mlp": ["gate_proj", "up_proj", "down_proj"],
}


def attach(model: Any, options: TrainOptions, *, checkpointing: bool = False) -> Any:
    """Attach LoRA (Hu et al. 2021) on the chosen layers, rsLoRA (Kalajdzievski 2023) or DoRA (Liu
    et al. 2024) where asked for; the head is never tuned. Or the adapter to go on from."""
    make_lean(model, checkpointing=checkpointing)
    before = options.continue_from
    tuned = _continued(model, before) if before else _new(model, options)
    # A prefix is a cache, which activations that are computed twice cannot go with.
    if checkpointing and options.method != "prefix":
        tuned.enable_input_require_grads()
        tuned.gradient_checkpointing_enable({"use_reentrant": False})
    return tuned


def _new(model: Any, options: TrainOptions) -> Any:
    size = options.trained_ranks[-1]
    if options.method == "full":
        return baselines.attach_full(model)
    if options.method == "prefix":
        return baselines.attach_prefix(model, size)
    if options.method == "parallel-adapter":
        return baselines.attach_parallel(model, size, options.lora.alpha)
    config = LoraConfig(
        r=size,
        lora_alpha=options.lora.alpha or size,
        lora_dropout=0.0,
        target_modules=_targets(model, options),
        layers_to_transform=layer_numbers(options.lora.layers, model.config.num_hidden_layers),
        use_rslora=options.lora.rslora,
        use_dora=options.lora.dora,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def _targets(model: Any, options: TrainOptions) -> Any:
    """Return what peft is told; where layers are numbered it takes names alone."""
    target = TARGETS[options.lora.target]
    if options.lora.layers == "all" or isinstance(target, list):
        return target
    head = model.get_output_embeddings()
    linear = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and m != head]
    return sorted({name.rpartition(".")[2] for name in linear})


def layer_numbers(which: str, count: int) -> list[int] | None:
    """Return numbers of the layers that get an adapter; None is all. Tuning the upper half alone
    halves the backward pass: no gradient goes below it."""
    return None if which == "all" else list(range(count // 2, count))


def _continued(model: Any, folder: Path) -> Any:
    try:
        return PeftModel.from_pretrained(
            model, folder, is_trainable=True, autocast_adapter_dtype=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise AdapterError(
            f"the adapter {folder} cannot be gone on with: {first_line}",
            "Give --base the base it was trained on",
        ) from None


def optimizer(model: Any, rate: float, options: TrainOptions) -> torch.optim.Optimizer:
    """Return AdamW without decay; with LoRA+ (Hayou et al. 2024) B learns faster than A by a
    ratio."""
    if options.lora.plus:
        made: torch.optim.Optimizer = create_loraplus_optimizer(
            model, torch.optim.AdamW, lr=rate, loraplus_lr_ratio=options.lora.plus,
            weight_decay=0.0,
        )  # fmt: skip
        return made
    trainable = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.AdamW(trainable, lr=rate, weight_decay=0.0)


def method(model: Any, options: TrainOptions) -> str:
    """Return what the manifest and the report call it."""
    config = model.active_peft_config
    names = [
        (options.method, options.method != "lora"),
        ("frozen", options.lora.frozen),
        ("dora", getattr(config, "use_dora", False)),
        ("rslora", getattr(config, "use_rslora", False)),
        ("lora+", bool(options.lora.plus)),
    ]
    return " ".join(name for name, used in names if used) or "lora"


def size(model: Any) -> int:
    """Return rank, width of the bottleneck or tokens of the prefix; 0 where there is no such
    thing."""
    config = model.active_peft_config
    return int(getattr(config, "r", 0) or getattr(config, "num_virtual_tokens", 0))


def parameters(model: Any) -> tuple[int, int]:
    """Return how many parameters are trained, and how many there are; a byte of a 4-bit weight
    holds two, also where it is sharded over processes, when peft would count one."""
    counts = [(p.numel() * (2 if p.dtype == torch.uint8 else 1), p) for p in model.parameters()]
    return sum(n for n, p in counts if p.requires_grad), sum(n for n, _ in counts)


def usual_rate(model: Any, options: TrainOptions) -> float:
    """Return the peak learning rate where none is given or tried."""
    return default_rate(parameters(model)[1]) * RATES.get(options.method, 1.0)


def default_rate(parameters: int) -> float:
    """Return the peak rate for LoRA on a base of this size; smaller models take larger ones.

    After 20 steps of SmolLM2-135M 5e-4, 1e-3, 2e-3 and 4e-3 led from 1.469 to 1.408, 1.386, 1.377
    and 1.421; after 12 of Qwen 0.5B 3e-4, 1e-3 and 2e-3 led to 0.749, 0.741 and 0.808. The longer
    a run, the lower its best rate.
    """
    return 1e-3 if parameters < 300e6 else 5e-4


def write(model: Any, manifest: AdapterManifest, folder: Path) -> None:
    """Write the adapter and its manifest into a folder of their own. Raises StorageError."""
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
    versions_by_name = {}
    for name in VERSIONED:
        try:
            versions_by_name[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions_by_name
