"""What quantising costs, on held-out lines: KL divergence and best tokens against the 16-bit file,
lines brought back, and speed.

Lines are scored by teacher forcing: a line is brought back if each of its tokens is the best one
after those before it, which is when a greedy answer would be that line.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from budgetai_convert.checks.code_probes import Probe
from budgetai_core.llama.scoring import Logits, ScoringModel

_READ, _WRITTEN, _REPEATS = 192, 24, 2
# One chance in forty that a file as good as the 16-bit one is refused.
_CHANCE = 0.025
# How byte-level vocabularies write a newline.
_NEWLINE = "Ċ"

LogProbs = NDArray[np.float16]


@dataclass(frozen=True)
class Reference:
    """What the 16-bit file says: log-probabilities (places of all probes, vocabulary) on disk,
    and which lines it brings back."""

    path: Path
    shape: tuple[int, int]
    exact: tuple[bool, ...]

    @property
    def matched(self) -> float:
        return sum(self.exact) / max(len(self.exact), 1)

    def rows(self, probes: Sequence[Probe]) -> Iterator[LogProbs]:
        """Yield the log-probabilities (places, vocabulary), probe by probe."""
        stored = np.memmap(self.path, np.float16, "r", shape=self.shape)
        at = 0
        for probe in probes:
            count = len(probe.tokens) - probe.first
            yield stored[at : at + count]
            at += count


@dataclass(frozen=True)
class Measured:
    """One file: bytes; nats per token; shares of places and of lines; tokens per second."""

    name: str
    size: int
    kld: float
    top: float
    exact: tuple[bool, ...]
    prefill: float
    decode: float

    @property
    def matched(self) -> float:
        return sum(self.exact) / max(len(self.exact), 1)

    @property
    def seconds(self) -> float:
        """Return the time of a keystroke's request, which reads 64 tokens and writes 12."""
        return 64 / self.prefill + 12 / self.decode


def evaluate_reference(
    model: Path,
    probes: Sequence[Probe],
    path: Path,
    tick: Callable[[], None],
    lora: Path | None = None,
) -> Reference:
    """Evaluate the 16-bit file once, and keep what it says at `path`. Half precision below the
    best token's logarithm: its error is 1e-7 nats in a divergence."""
    exact, rows = [], 0
    with (
        ScoringModel(model, lora=lora) as native,
        path.open("wb") as file,
        native.evaluating(longest(probes)) as evaluate,
    ):
        pieces = native.pieces()
        for probe in probes:
            logits = evaluate(probe.tokens[:-1], probe.first - 1)
            exact.append(_brought_back(probe, logits, pieces))
            file.write(_log_softmax(logits).astype(np.float16).tobytes())
            rows += len(logits)
            tick()
        size = native.size
    return Reference(path, (rows, size), tuple(exact))


@dataclass(frozen=True)
class Evaluator:
    """Probes, and what the 16-bit file says of them; `lora` lies over every file that is
    evaluated."""

    probes: tuple[Probe, ...]
    reference: Reference
    lora: Path | None

    def narrowed(self, count: int) -> "Evaluator":
        """Return an evaluator by the first probes alone."""
        reference = dataclasses.replace(self.reference, exact=self.reference.exact[:count])
        return Evaluator(self.probes[:count], reference, self.lora)

    def timed(self, name: str, model: Path, tick: Callable[[], None]) -> Measured:
        """Compare a file with the reference, and take its speeds."""
        with ScoringModel(model, lora=self.lora) as native:
            agreed = self._agreement(native, tick)
            return Measured(name, model.stat().st_size, *agreed, *_speed(native, self.probes))

    def untimed(self, name: str, model: Path, tick: Callable[[], None]) -> Measured:
        """Compare a file with the reference; its speeds are NaN."""
        with ScoringModel(model, lora=self.lora) as native:
            agreed = self._agreement(native, tick)
            return Measured(name, model.stat().st_size, *agreed, math.nan, math.nan)

    def _agreement(
        self, native: ScoringModel, tick: Callable[[], None]
    ) -> tuple[float, float, tuple[bool, ...]]:
        klds: list[float] = []
        tops: list[bool] = []
        exact, pieces = [], native.pieces()
        with native.evaluating(longest(self.probes)) as evaluate:
            for probe, wanted in zip(self.probes, self.reference.rows(self.probes), strict=True):
                logits = evaluate(probe.tokens[:-1], probe.first - 1)
                klds += _divergences(wanted, logits)
                tops += list(wanted.argmax(1) == logits.argmax(1))
                exact.append(_brought_back(probe, logits, pieces))
                tick()
        return float(np.mean(klds)), float(np.mean(tops)), tuple(exact)


def loss(model: Path, probes: Sequence[Probe], tick: Callable[[], None]) -> float:
    """Return mean of -log p over the tokens of the missing lines, in nats."""
    losses: list[float] = []
    with ScoringModel(model) as native, native.evaluating(longest(probes)) as evaluate:
        for probe in probes:
            log_probabilities = _log_softmax(evaluate(probe.tokens[:-1], probe.target - 1))
            wanted = np.array(probe.tokens[probe.target :])
            losses += list(-log_probabilities[np.arange(len(wanted)), wanted])
            tick()
    return float(np.mean(losses))


def longest(probes: Sequence[Probe]) -> int:
    return max(len(probe.tokens) for probe in probes)


def _speed(native: ScoringModel, probes: Sequence[Probe]) -> tuple[float, float]:
    """Return the better of a few runs: whatever else the machine does only makes a run slower."""
    tokens = [token for probe in probes for token in probe.tokens][:_READ]
    runs = [native.speed(tokens, _WRITTEN) for _ in range(_REPEATS)]
    return max(run[0] for run in runs), max(run[1] for run in runs)


def _brought_back(probe: Probe, logits: Logits, pieces: Sequence[str]) -> bool:
    best = logits[probe.target - probe.first :].argmax(1)
    wanted = probe.tokens[probe.target :]
    same = [int(b) == w for b, w in zip(best[:-1], wanted[:-1], strict=True)]
    return all(same) and _ends_alike(pieces[best[-1]], pieces[wanted[-1]])


def _ends_alike(continuation: str, wanted: str) -> bool:
    """Return whether the last tokens are the same up to the newline; what follows it is another
    line."""
    return continuation == wanted or (
        _NEWLINE in continuation
        and continuation.partition(_NEWLINE)[0] == wanted.partition(_NEWLINE)[0]
    )


def _divergences(wanted: LogProbs, logits: Logits) -> list[float]:
    """Return KL divergence row by row, in nats."""
    p, q = wanted.astype(np.float32), _log_softmax(logits)
    return [float(np.sum(np.exp(a) * (a - b), dtype=np.float64)) for a, b in zip(p, q, strict=True)]


def _log_softmax(logits: Logits) -> Logits:
    shifted = logits - logits.max(1, keepdims=True)
    total = np.exp(shifted).sum(1, keepdims=True, dtype=np.float64)
    return np.asarray(shifted - np.log(total), np.float32)


def not_worse(reference: Reference, measured: Measured) -> bool:
    """Return whether a file brings back no fewer lines than the 16-bit one, as far as chance
    tells."""
    return sign_test(reference.exact, measured.exact) >= _CHANCE


def sign_test(reference: Sequence[bool], candidate: Sequence[bool]) -> float:
    """Return how likely so many more lines are lost than gained by chance: the one-sided sign test
    (McNemar's, exact). Small values say that quantising has made the model worse."""
    gone = sum(a and not b for a, b in zip(reference, candidate, strict=True))
    new = sum(b and not a for a, b in zip(reference, candidate, strict=True))
    ways = sum(math.comb(gone + new, k) for k in range(gone, gone + new + 1))
    return float(ways / 2 ** (gone + new))
