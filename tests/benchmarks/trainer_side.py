"""One side of trainer_speed.py: trains in this process, and says what that took.

What both have in common stands here: the samples, the base, the LoRA, the rate, the stop-watch.
The two ways to train them are `_ours` and `plain_trainer.train`.
"""

import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import plain_trainer
import psutil
import torch
import transformers

from budgetai_core.artifacts.base_models import resolve
from budgetai_core.errors import OptionError, RepositoryError
from budgetai_core.options import Seconds
from budgetai_training import memory_plan
from budgetai_training.corpus import load as corpus
from budgetai_training.hyperparameters.mixture import Mixture
from budgetai_training.methods import peft_adapter
from budgetai_training.methods.dylora import DyLoRA
from budgetai_training.model import LoadedBase, load
from budgetai_training.options import TrainOptions
from budgetai_training.samples.batching import Epochs
from budgetai_training.samples.encoding import Encoded, Encoder
from budgetai_training.samples.epoch import epoch
from budgetai_training.samples.sample import Sample
from budgetai_training.setup import WINDOW
from budgetai_training.time_budget import Clock, Pace
from budgetai_training.trainer import FitArguments, Interruption, fit

if TYPE_CHECKING:
    from trainer_speed import SpeedOptions

MIB = 2**20
# Longer than anyone waits: neither clock nor checkpoints shall come in between.
_LONG = Seconds(1e6)


@dataclass(frozen=True)
class Took:
    """What a side took. Memory in MiB: `before` is what the process had right before the first
    step, `peak` its most ever. Speeds leave the first step out, the loss per learned token and the
    share of padding do not."""

    load_in: str
    steps: int
    tokens: int
    seconds: float
    tokens_per_second: float
    learned_per_second: float
    padding: float
    before: float
    peak: float
    loss: float
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Setting:
    """What both sides train: `rows` are the samples as token ids, in the order of the pass."""

    options: TrainOptions
    loaded: LoadedBase
    model: Any
    encoder: Encoder
    samples: list[Sample]
    rows: list[Encoded]
    rate: float


class Stopwatch:
    """Notes the memory before the first step, and time, loss and tokens at the end of each."""

    def __init__(self) -> None:
        self.before = 0.0
        self.ends: list[float] = []
        self.losses: list[float] = []
        self.tokens: list[int] = []

    def read(self) -> None:
        """A batch is read; before the first one is, everything else is there already."""
        self.before = self.before or _resident()

    def step(self, number: int, loss: float, tokens: int) -> None:
        self.ends.append(time.perf_counter())
        self.losses.append(loss)
        self.tokens.append(tokens)

    def validated(self, number: int, loss: float) -> None:
        """There are no evaluations."""

    def say(self, line: str) -> None:
        """Nothing else is of interest."""


class Watched(Epochs):
    """Passes that say when they are read."""

    watch: Stopwatch

    def __getitem__(self, position: int) -> tuple[Encoded, ...]:
        self.watch.read()
        return super().__getitem__(position)


@dataclass(frozen=True)
class Batches:
    """How rows were put together: (rows, tokens of the longest) of each batch, and the labelled
    tokens of each step."""

    shapes: list[tuple[int, int]]
    learned: list[int]


def measured(options: "SpeedOptions") -> Took:
    """Train as `options.side` says."""
    setting = _setting(options)
    watch, batches = (_ours if options.side == "ours" else _plain)(setting, options)
    if len(watch.ends) < 2:
        raise OptionError(f"{options.samples} samples make one step", "Ask for more --steps")
    used, shown = sum(map(_length, setting.rows)), sum(n * m for n, m in batches.shapes)
    seconds = watch.ends[-1] - watch.ends[0]
    return Took(
        load_in=setting.loaded.load_in,
        steps=len(watch.ends),
        tokens=watch.tokens[-1],
        seconds=seconds,
        tokens_per_second=(watch.tokens[-1] - watch.tokens[0]) / seconds,
        learned_per_second=sum(batches.learned[1:]) / seconds,
        padding=1 - used / shown,
        before=watch.before,
        peak=memory_plan.used_at_most() / MIB,
        loss=_mean_loss(watch.losses, batches.learned),
        losses=tuple(watch.losses),
    )


def _setting(options: "SpeedOptions") -> Setting:
    """Raises RepositoryError where a pass has fewer samples than are asked for."""
    given = TrainOptions(
        repo=options.repo, base=options.base, load_in=options.load_in, rank=options.rank,
        seed=options.seed, budget=_LONG, checkpoint_every=_LONG,
    )  # fmt: skip
    found = corpus.read(given)
    # The plain side's loss is the model's own, in which all tokens count alike.
    every = epoch(found.train, found.indexes(), f"{options.seed}/0", Mixture(emphasis=1))
    samples = every[: options.samples]
    if len(samples) < options.samples:
        raise RepositoryError(
            f"a pass over {options.repo} has {len(samples)} samples, {options.samples} are needed",
            "Ask for fewer --steps, or name a larger --repo",
        )
    base = resolve(options.base)
    loaded = load(base, base.record().digest, options.load_in)
    transformers.set_seed(options.seed)
    model = peft_adapter.attach(loaded.model, given)
    encoder = Encoder(loaded.tokenizer)
    rows = [encoder.learned(sample) for sample in samples]
    peak = options.rate or peft_adapter.default_rate(model.get_nb_trainable_parameters()[1])
    return Setting(given, loaded, model, encoder, samples, rows, peak)


def _ours(setting: Setting, options: "SpeedOptions") -> tuple[Stopwatch, Batches]:
    """By the trainer's own loop, with as many steps as the plain side, as nearly as it divides."""
    passes = Watched(lambda number: setting.samples, setting.encoder, 1, 3 * WINDOW)
    passes.watch = watch = Stopwatch()
    accumulate = max(1, round(passes.epoch_length / (options.steps + 1)))
    steps = math.ceil(passes.epoch_length / accumulate)
    with tempfile.TemporaryDirectory() as folder:
        fit(setting.model, passes, _fitting(setting, Path(folder), accumulate, steps, watch))
    rows = [passes[number] for number in range(passes.epoch_length)]
    return watch, _batches(rows, accumulate)


def _fitting(
    setting: Setting, folder: Path, accumulate: int, steps: int, watch: Stopwatch
) -> FitArguments:
    given = TrainOptions(**{**vars(setting.options), "max_steps": steps})
    return FitArguments(
        options=given,
        folder=folder,
        optimizer=peft_adapter.optimizer(setting.model, setting.rate, given),
        accumulate=accumulate,
        evaluations=0,
        validate=lambda output: {0: math.inf},
        dylora=DyLoRA(setting.model, given),
        mixed=setting.loaded.load_in != "fp32",
        pad=setting.encoder.pad,
        pace=Pace(Clock(float(_LONG), time.monotonic()), steps, all_steps=steps),
        interruption=Interruption(),
        watcher=watch,
        checkpoint=None,
    )


def _plain(setting: Setting, options: "SpeedOptions") -> tuple[Stopwatch, Batches]:
    watch = Stopwatch()
    shown = plain_trainer.train(
        setting.model, setting.rows, batch=options.batch, rate=setting.rate, seed=options.seed,
        pad=setting.encoder.pad, mixed=setting.loaded.load_in != "fp32", watch=watch,
    )  # fmt: skip
    return watch, _batches(shown, 1)


def _batches(batches: "list[Any]", accumulate: int) -> Batches:
    shapes = [(len(rows), max(map(_length, rows))) for rows in batches]
    learned = [sum(map(_learned, rows)) for rows in batches]
    steps = range(0, len(learned), accumulate)
    return Batches(shapes, [sum(learned[start : start + accumulate]) for start in steps])


def _length(row: Encoded) -> int:
    return len(row["input_ids"])


def _learned(row: Encoded) -> int:
    return sum(label >= 0 for label in row["labels"][1:])


def _mean_loss(losses: list[float], learned: list[int]) -> float:
    return sum(a * b for a, b in zip(losses, learned, strict=True)) / sum(learned)


def _resident() -> float:
    if torch.cuda.is_available():
        return torch.cuda.memory_allocated() / MIB
    return psutil.Process().memory_info().rss / MIB
