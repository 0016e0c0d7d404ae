"""What quantising costs, on held-out lines: KL divergence and best tokens against the 16-bit file,
lines brought back, and speed.

Lines are scored by teacher forcing: a line is brought back if each of its tokens is the best one
after those before it, which is when a greedy answer would be that line.
"""

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from budgetai_convert.checks.agreement import MAX_KLD_F16
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
    """What the 16-bit file says of the first probes: log-probabilities (places, vocabulary) on
    disk, and which lines it brings back. `size` is that of the vocabulary."""

    path: Path
    size: int
    exact: tuple[bool, ...]

    @property
    def matched(self) -> float:
        return sum(self.exact) / max(len(self.exact), 1)

    def rows(self, probes: Sequence[Probe], start: int = 0) -> Iterator[LogProbs]:
        """Yield the log-probabilities (places, vocabulary) of the probes that are known, from the
        one at `start` on."""
        counts = [_places(probe) for probe in probes[: len(self.exact)]]
        stored = np.memmap(self.path, np.float16, "r", shape=(sum(counts), self.size))
        at = sum(counts[:start])
        for count in counts[start:]:
            yield stored[at : at + count]
            at += count


def _places(probe: Probe) -> int:
    return len(probe.tokens) - probe.first


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


def keep_reference(
    native: ScoringModel, probes: Sequence[Probe], logits: Iterable[Logits], path: Path
) -> Reference:
    """Write what the 16-bit file says of each probe, logits (places, vocabulary), to `path`.
    Half precision below the best token's logarithm: its error is 1e-7 nats in a divergence."""
    with path.open("wb") as file:
        exact = _kept(native, probes, logits, file)
    return Reference(path, native.size, exact)


def _kept(
    native: ScoringModel, probes: Sequence[Probe], logits: Iterable[Logits], file: BinaryIO
) -> tuple[bool, ...]:
    exact = []
    for probe, rows in zip(probes, logits, strict=True):
        exact.append(_brought_back(probe, rows, native.piece))
        file.write(_log_softmax(rows).astype(np.float16).tobytes())
    return tuple(exact)


def evaluate_reference(
    model: Path,
    probes: Sequence[Probe],
    path: Path,
    tick: Callable[[], None],
    lora: Path | None = None,
    known: Reference | None = None,
) -> Reference:
    """Evaluate the 16-bit file on all probes, or on those that `known` has not, whose file is
    `path`, too."""
    exact = known.exact if known else ()
    rest = probes[len(exact) :]
    with (
        ScoringModel(model, lora=lora) as native,
        closing(_evaluated(native, rest, tick)) as logits,
        path.open("ab" if known else "wb") as file,
    ):
        return Reference(path, native.size, exact + _kept(native, rest, logits, file))


def _evaluated(
    native: ScoringModel, probes: Sequence[Probe], tick: Callable[[], None]
) -> Generator[Logits, None, None]:
    if not probes:
        return
    with native.evaluating(longest(probes)) as evaluate:
        for probe in probes:
            yield evaluate(probe.tokens[:-1], probe.first - 1)
            tick()


@dataclass
class HeldOutScores:
    """What a file says of the first probes, beside what the 16-bit file says."""

    reference: Reference
    klds: list[float] = field(default_factory=list)
    tops: list[bool] = field(default_factory=list)
    exact: list[bool] = field(default_factory=list)

    def add(
        self, native: ScoringModel, probes: Sequence[Probe], logits: Iterable[Logits]
    ) -> "HeldOutScores":
        """Count the logits (places, vocabulary) of the probes that come next; `probes` are
        all that the reference knows."""
        start = len(self.exact)
        known = self.reference.rows(probes, start)
        for rows, probe, wanted in zip(logits, probes[start:], known, strict=False):
            self.klds += _divergences(wanted, rows)
            self.tops += list(wanted.argmax(1) == rows.argmax(1))
            self.exact.append(_brought_back(probe, rows, native.piece))
        return self

    def measured(
        self, name: str, size: int, speeds: tuple[float, float] = (math.nan, math.nan)
    ) -> Measured:
        kld, top = float(np.mean(self.klds)), float(np.mean(self.tops))
        return Measured(name, size, kld, top, tuple(self.exact), *speeds)

    @property
    def nearly_lossless(self) -> bool:
        """Whether the file is so near to the 16-bit one that no more lines need be asked for: as
        near as a merged file has to be to torch, with every line that was brought back."""
        lost = any(a and not b for a, b in zip(self.reference.exact, self.exact, strict=False))
        return not lost and bool(np.mean(self.klds) <= MAX_KLD_F16)


@dataclass(frozen=True)
class Evaluator:
    """Probes, and what the 16-bit file says of them; `lora` lies over every file that is
    evaluated."""

    probes: tuple[Probe, ...]
    reference: Reference
    lora: Path | None

    def scores(self, model: Path, count: int, tick: Callable[[], None]) -> HeldOutScores:
        """Compare a file with the reference on the first `count` probes."""
        return self.resumed(HeldOutScores(self.reference), model, count, tick)

    def resumed(
        self, scores: HeldOutScores, model: Path, count: int, tick: Callable[[], None]
    ) -> HeldOutScores:
        """Compare the file further, up to the probe `count`."""
        rest = self.probes[len(scores.exact) : count]
        with (
            ScoringModel(model, lora=self.lora) as native,
            closing(_evaluated(native, rest, tick)) as logits,
        ):
            return scores.add(native, self.probes[:count], logits)

    def speeds(self, model: Path) -> tuple[float, float]:
        """Return the tokens per second that a file reads and writes."""
        with ScoringModel(model, lora=self.lora) as native:
            return _speed(native, self.probes)


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


def _brought_back(probe: Probe, logits: Logits, piece: Callable[[int], str]) -> bool:
    best = logits[probe.target - probe.first :].argmax(1)
    wanted = probe.tokens[probe.target :]
    same = [int(b) == w for b, w in zip(best[:-1], wanted[:-1], strict=True)]
    return all(same) and _ends_alike(piece(int(best[-1])), piece(wanted[-1]))


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
