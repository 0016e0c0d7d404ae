"""How much memory a run takes at its peak, and what is given up, in turn, where there is less.

An estimate from the shape of the model, made before any weight is read; RESULTS.md has it
beside measured peaks.
"""

import sys
from dataclasses import dataclass, replace

import psutil
import torch

from budgetai_core.errors import BaseError
from budgetai_core.hardware import free_memory
from budgetai_training.chunked_loss import CHUNK

# Python with torch, transformers and peft loaded, and the allocator's slack. Not on a GPU.
RUNTIME = 1000 * 2**20
# What backward needs of a token and layer, as vectors of the model's width and of the inner one,
# which are kept in 16 bits whatever is computed in. On a GPU: measured before blocks were lean.
KEPT, KEPT_INNER = 8, 2
KEPT_ON_GPU, KEPT_INNER_ON_GPU = 10, 4
SHARE_OF_FREE = 0.9
# A window is in characters, three to a token; dense code has this many times the tokens.
DENSE = 1.3
BYTES = {"4bit": 0.56, "bf16": 2.0, "fp32": 4.0}


@dataclass(frozen=True)
class Shape:
    """Sizes of a model: numbers of parameters in all, in the embeddings, and trained."""

    parameters: int
    embeddings: int
    trained: int
    layers: int
    width: int
    inner: int
    vocabulary: int


@dataclass(frozen=True)
class MemoryPlan:
    """What a run is going to be, and the bytes it takes: samples of up to `window` tokens, `batch`
    of them at once, `accumulate` times in a step. `notes` say what was given up, and why."""

    load_in: str
    window: int
    checkpointing: bool
    predicted: int
    available: int
    notes: tuple[str, ...] = ()
    batch: int = 1
    accumulate: int = 1
    gpu: bool = False


def plan(
    shape: Shape,
    load_in: str,
    window: int,
    available: int,
    *,
    fixed: bool,
    batch: int = 1,
    gpu: bool = False,
) -> MemoryPlan:
    """Choose precision, tokens a micro-batch and checkpointing so that the peak fits.

    First fewer at once, then 4 bit, then half the window, then recomputing activations: in the
    order of what they cost in quality and time. `fixed` keeps the precision. Raises BaseError
    where nothing fits.
    """
    first = _planned(MemoryPlan(load_in, window, False, 0, available, batch=batch, gpu=gpu), shape)
    for tried in _smaller(first, shape, fixed=fixed):
        if tried.predicted <= SHARE_OF_FREE * available:
            # Smaller batches cost no quality: as many samples are averaged in a step.
            return replace(tried, accumulate=-(-first.batch // tried.batch))
    raise BaseError(
        f"the run needs about {tried.predicted / 1e9:.1f} GB of memory, "
        f"{available / 1e9:.1f} GB are free",
        "Close other programs, or take a smaller --base",
    )


def _smaller(first: MemoryPlan, shape: Shape, *, fixed: bool) -> "list[MemoryPlan]":
    plans = [first]

    def give_up(what: str, **changes: object) -> None:
        changed = replace(plans[-1], **changes, notes=(*plans[-1].notes, what))  # type: ignore[arg-type]
        plans.append(_planned(changed, shape))

    while plans[-1].batch > 1:
        plans.append(_planned(replace(plans[-1], batch=plans[-1].batch // 2), shape))
    if not fixed and first.load_in != "4bit":
        give_up("base in 4 bit", load_in="4bit")
    give_up("shorter samples", window=first.window // 2)
    give_up("activations computed twice", checkpointing=True)
    give_up("still shorter samples", window=first.window // 4)
    return plans


def _planned(plan: MemoryPlan, shape: Shape) -> MemoryPlan:
    return replace(plan, predicted=round(peak(shape, plan)))


def peak(shape: Shape, plan: MemoryPlan) -> float:
    """Return bytes at the height of a step."""
    # Embeddings stay in 16 bits where the rest is in 4.
    wide = BYTES["bf16"] if plan.load_in == "4bit" else BYTES[plan.load_in]
    weights = shape.embeddings * wide + (shape.parameters - shape.embeddings) * BYTES[plan.load_in]
    # Weight, gradient and Adam's two moments, 4 bytes each.
    adapter = 16 * shape.trained
    logits = 2.5 * 4 * CHUNK * shape.vocabulary
    fixed = weights + adapter + logits
    return fixed + _activations(shape, plan) + (0 if plan.gpu else RUNTIME)


def _activations(shape: Shape, plan: MemoryPlan) -> float:
    """Return what backward needs of the forward pass."""
    size = 4 if plan.load_in == "fp32" else 2
    tokens = DENSE * plan.window * plan.batch
    kept, inner = (KEPT_ON_GPU, KEPT_INNER_ON_GPU) if plan.gpu else (KEPT, KEPT_INNER)
    layer = tokens * (size * kept * shape.width + 2 * inner * shape.inner)
    if plan.checkpointing:
        return layer + shape.layers * size * tokens * shape.width
    return shape.layers * layer


def usual_batch() -> int:
    """Return samples at once: a GPU waits for the next kernel most of the time with one of a small
    model; a CPU is as busy with one as with several."""
    return 4 if on_gpu() else 1


def on_gpu() -> bool:
    return bool(torch.cuda.is_available())


def available(limit: float = 0.0) -> int:
    """Free bytes where the model will be: on the GPU, or in memory; at most `limit` if given."""
    free = torch.cuda.mem_get_info()[0] if on_gpu() else free_memory()
    return min(free, int(limit)) if limit else free


def used_at_most() -> int:
    """Return the peak so far, in bytes: of the GPU where there is one, else of this process."""
    if on_gpu():
        return int(torch.cuda.max_memory_allocated())
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    # Not above: Windows has no such module.
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
