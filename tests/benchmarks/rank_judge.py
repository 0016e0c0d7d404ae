"""Held-out loss of an adapter at several ranks: as it was trained to be cut, and cut by SVD."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from budgetai_core.artifacts.base_models import resolve
from budgetai_core.artifacts.manifest import NESTED, AdapterManifest
from budgetai_training import chunked_loss
from budgetai_training.corpus import load as corpus
from budgetai_training.evaluation import held_out_loss
from budgetai_training.evaluation.eval_set import line_eval_set
from budgetai_training.evaluation.held_out_loss import ALL, Question
from budgetai_training.methods.dylora import ADAPTER, DyLoRA, layers
from budgetai_training.model import load
from budgetai_training.options import TrainOptions
from budgetai_training.samples.encoding import Encoder


def judge(
    folder: Path,
    base: str,
    load_in: str,
    asked: TrainOptions,
    ranks: Sequence[int],
    svd: Sequence[int],
    most: int,
) -> dict[str, Any]:
    """Nats per token over at most `most` of the held-out windows that `asked` leads to, by rank:
    `losses` as the method means its ranks, `svd` by the singular values of the whole update."""
    found = resolve(base)
    loaded = load(found, found.record().digest, load_in)
    data = corpus.read(asked)
    exam = line_eval_set(data, data.indexes(), Encoder(loaded.tokenizer), asked.seed)
    windows = [question for question in exam.report if ALL in question.groups][:most]
    model = PeftModel.from_pretrained(loaded.model, folder)
    manifest = AdapterManifest.read(folder)
    method = manifest.kind if manifest.kind in NESTED else "lora"
    nested = DyLoRA(model, TrainOptions(method=method, rank=manifest.rank))
    losses = {}
    for rank in ranks:
        nested.cut(rank)
        losses[str(rank)] = _loss(model, windows)
    return {"losses": losses, "svd": _by_svd(model, windows, svd)}


def _loss(model: Any, windows: Sequence[Question]) -> float:
    with chunked_loss.headless(model) as output:
        found = held_out_loss.total(windows, held_out_loss.evaluate(model, output, windows)).mean
    assert found is not None
    return found


def _by_svd(model: Any, windows: Sequence[Question], ranks: Sequence[int]) -> dict[str, float]:
    """The largest rank first: each lower one is cut from what is left, and is the same."""
    found = {}
    for rank in sorted(ranks, reverse=True):
        for layer in layers(model).values():
            truncate(layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight, rank)
        found[str(rank)] = _loss(model, windows)
    return found


@torch.no_grad()
def truncate(a: torch.Tensor, b: torch.Tensor, rank: int) -> None:
    """Make B A, of a (r, in) and b (out, r), the nearest matrix of this rank (Eckart and Young
    1936), in place; the scale of the update stays as it is."""
    # By the factors alone: the product of a wide layer has millions of entries.
    left, upper = torch.linalg.qr(b.float())  # (out, r), (r, r)
    right, lower = torch.linalg.qr(a.float().t())  # (in, r), (r, r)
    u, s, v = torch.linalg.svd(upper @ lower.t())
    s[rank:] = 0.0
    b.copy_(left @ (u * s.sqrt()))
    a.copy_((s.sqrt()[:, None] * v) @ right.t())
