"""Held-out loss: how well the model foretells code it has never seen, in nats per token."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch

from budgetai_training import chunked_loss, process_group
from budgetai_training.methods.dylora import DyLoRA, each_rank
from budgetai_training.samples.batching import collate
from budgetai_training.samples.encoding import Encoded

# The group of all held-out windows: the held-out loss.
ALL = ("all", "")


@dataclass(frozen=True)
class Question:
    """Tokens with labels on what is asked for. `groups` are the (by, name) it counts under."""

    encoded: Encoded
    groups: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Loss:
    """Cross entropies summed over `tokens` labelled tokens of `samples` samples, in nats."""

    total: float = 0.0
    tokens: int = 0
    samples: int = 0

    def __add__(self, other: "Loss") -> "Loss":
        return Loss(
            self.total + other.total, self.tokens + other.tokens, self.samples + other.samples
        )

    @property
    def mean(self) -> float | None:
        return self.total / self.tokens if self.tokens else None


@dataclass(frozen=True)
class Baseline:
    """The losses of questions before training, and the seconds that they took."""

    losses: tuple[Loss, ...]
    seconds: float

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        return cls(tuple(Loss(*loss) for loss in values["losses"]), float(values["seconds"]))

    def to_json(self) -> dict[str, Any]:
        losses = [(loss.total, loss.tokens, loss.samples) for loss in self.losses]
        return {"losses": losses, "seconds": self.seconds}


@torch.no_grad()
def evaluate(
    model: Any,
    output: chunked_loss.Head,
    questions: Sequence[Question],
    seconds: float = math.inf,
    tick: Callable[[int], None] = lambda done: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Loss]:
    """Return the loss of each question in turn, until `seconds` are over, but of one at least, or
    until `stop` becomes true. `model` is headless, `output` its head. All processes ask the
    same."""
    training = model.training
    model.eval()
    started = time.monotonic()
    losses: list[Loss] = []
    for question in questions:
        late = bool(losses) and time.monotonic() - started > seconds
        if process_group.broadcast(late or stop()):
            break
        losses.append(_loss(model, output, question))
        tick(len(losses))
    model.train(training)
    return process_group.broadcast(losses)


def _loss(model: Any, output: chunked_loss.Head, question: Question) -> Loss:
    batch = {name: value.to(model.device) for name, value in collate([question.encoded]).items()}
    with chunked_loss.arithmetic(model.device, output.weight.dtype):
        hidden, labels = chunked_loss.hidden_at_labels(model, batch)
        total = chunked_loss.losses(hidden, output, labels).sum()
    return Loss(float(total), len(labels), 1)


def by_rank(
    model: Any, ranks: DyLoRA, output: chunked_loss.Head, questions: Sequence[Question]
) -> dict[int, float]:
    """Return mean held-out loss at each evaluated rank, in nats per token; under 0 where one rank
    alone is trained."""
    losses = each_rank(ranks, lambda: evaluate(model, output, questions))
    means = {rank: total(questions, answered).mean for rank, answered in losses.items()}
    return {rank: math.inf if mean is None else mean for rank, mean in means.items()}


def total(questions: Sequence[Question], losses: Iterable[Loss]) -> Loss:
    """Return losses added up over all held-out windows."""
    return grouped(questions, losses).get(ALL, Loss())


def grouped(questions: Iterable[Question], losses: Iterable[Loss]) -> dict[tuple[str, str], Loss]:
    """Return losses added up by group."""
    sums: defaultdict[tuple[str, str], Loss] = defaultdict(Loss)
    for question, loss in zip(questions, losses, strict=False):
        for group in question.groups:
            sums[group] += loss
    return dict(sums)
