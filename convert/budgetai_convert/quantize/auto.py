"""`--quant auto`: files are made, measured, and the one that fits the user's limits is taken.

First the types whose blocks fit the model's widths; then mixtures of them, as `bit_allocation`
proposes.
"""

import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from budgetai_convert.checks import divergence
from budgetai_convert.checks.code_probes import Probe
from budgetai_convert.checks.divergence import Evaluator, Measured, Reference
from budgetai_convert.progress_line import Begin
from budgetai_convert.quantize import bit_allocation, llama_quantize, mixed_gguf
from budgetai_convert.quantize.file_size import expected_size
from budgetai_core.artifacts import gguf_reader
from budgetai_core.errors import CheckError
from budgetai_core.llama.quantizer import QuantizeParams

DEFAULT_KLD = 0.05
"""Nats per token, where the user gives no limit: about what 5 bits cost with an importance matrix
on models of half a billion weights."""

_WIDE = 256
_NARROW_STOCK = ("Q8_0", "Q5_0", "IQ4_NL", "Q4_0", "Q4_K_M")
_WIDE_STOCK = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_NL", "Q4_0")
# Rungs that the quickest kernels have on most processors, and those that save most bytes.
_NARROW_LADDERS = (("Q4_0", "Q6_K", "Q8_0"), ("IQ4_NL", "Q5_0", "Q6_K", "Q8_0"))
_WIDE_LADDERS = (("Q4_0", "Q8_0"), ("Q4_K", "Q5_K", "Q6_K", "Q8_0"))
_FILE_TYPES = {"Q4_K": "Q4_K_S", "Q5_K": "Q5_K_S"}
# Which part deserves bits is asked of fewer probes than which file is taken.
_TRYING = 8
# How far what a few probes say may be off before a file is out: the divergence on them differs
# from that on all by less than half, and that of two files on the same ones by less still.
_MARGIN, _PAIRED_MARGIN = 2.0, 1.25


@dataclass(frozen=True)
class QuantLimits:
    """The largest divergence in nats per token and the largest file in bytes; 0 for none."""

    kld: float
    size: float

    @property
    def effective(self) -> "QuantLimits":
        """Return these, or the one on divergence that holds where the user gives none."""
        return self if self.kld or self.size else QuantLimits(DEFAULT_KLD, 0)

    def allow(self, candidate: Measured) -> bool:
        return candidate.kld <= (self.kld or 1e9) and candidate.size <= (self.size or 1e18)


@dataclass(frozen=True)
class Choice:
    """The file taken, what it holds by part, everything that was measured, the 16-bit file's own
    row, and what it says."""

    chosen: Measured
    types: dict[str, str]
    measured: tuple[Measured, ...]
    original: Measured
    reference: Reference


@dataclass(frozen=True)
class AutoInputs:
    """What candidates are made of and evaluated on: the 16-bit file, the adapter that is laid over
    it, the file of an importance matrix or an empty text, and held-out probes."""

    merged: Path
    lora: Path | None
    imatrix: str
    probes: tuple[Probe, ...]


@dataclass(frozen=True)
class CandidateMaker:
    """Where candidates are made and evaluated. `folder` is for files that come and go."""

    inputs: AutoInputs
    folder: Path
    evaluator: Evaluator
    begin: Begin

    @property
    def merged(self) -> Path:
        return self.inputs.merged

    def path(self, name: str) -> Path:
        return self.folder / f"{name.replace(' ', '-')}.gguf"

    def quantised(self, quant: str, *, pure: bool = False) -> Path:
        """Return the file of one type, made when first asked for."""
        name = f"pure-{quant}" if pure else quant
        target = self.path(name)
        if not target.exists():
            params = QuantizeParams(
                quant=_FILE_TYPES.get(quant, quant), pure=pure, imatrix=self.inputs.imatrix
            )
            tensors = gguf_reader.read(self.merged).tensors
            shapes = {name: info.shape for name, info in tensors.items()}
            size = expected_size(shapes, params.quant, pure=pure)
            partial = target.with_suffix(".partial")
            task = self.begin(f"Quantising to {quant}", size)
            llama_quantize.quantize(self.merged, partial, params, task.reach)
            partial.replace(target)
        return target

    def measured(self, name: str, path: Path, contest: "Contest") -> Measured:
        """Return a file's numbers, on a few probes where these tell that it is not taken."""
        probes = self.evaluator.probes
        task = self.begin(f"Measuring {name}", len(probes))
        scores = self.evaluator.scores(path, _TRYING, task.add)
        size, speeds = path.stat().st_size, self.evaluator.speeds(path)
        rough = scores.measured(name, size, speeds)
        if not contest.may_win(rough):
            return rough
        whole = self.evaluator.resumed(scores, path, len(probes), task.add)
        return contest.entered(rough, whole.measured(name, size, speeds))

    def tried(self, name: str, path: Path) -> float:
        """Return the divergence over a few probes, in nats per token."""
        task = self.begin(f"Trying {name}", _TRYING)
        return self.evaluator.scores(path, _TRYING, task.add).measured(name, 0).kld

    def mixed(self, name: str, types: dict[str, str], rest: str) -> Path:
        """Return a mixture by part; what belongs to no part comes from the pure file `rest`."""
        kinds = {*types.values(), rest}
        sources = {kind: self.quantised(kind, pure=True) for kind in sorted(kinds)}
        origin = {
            tensor: types[part]
            for tensor in gguf_reader.read(sources[rest]).tensors
            if (part := bit_allocation.part_of(tensor)) in types
        }
        mixed_gguf.write(self.path(name), sources, origin, rest)
        return self.path(name)


def choose(inputs: AutoInputs, target: Path, limits: QuantLimits, begin: Begin) -> Choice:
    """Measure candidates, and leave the one that is taken at `target`. Raises CheckError if none
    is within the limits."""
    merged, probes = inputs.merged, inputs.probes
    with tempfile.TemporaryDirectory(dir=merged.parent) as name:
        folder = Path(name)
        task = begin("Asking the 16-bit file", len(probes))
        reference = divergence.evaluate_reference(
            merged, probes, folder / "reference", task.add, inputs.lora
        )
        evaluator = Evaluator(probes, reference, inputs.lora)
        maker = CandidateMaker(inputs, folder, evaluator, begin)
        size, speeds = merged.stat().st_size, evaluator.speeds(merged)
        original = Measured("F16", size, 0.0, 1.0, reference.exact, *speeds)
        measured: dict[Measured, dict[str, str]] = {}
        contest = Contest(limits, reference)
        for name, path, types in chain(_stock(maker), _mixtures(maker, limits)):
            candidate = maker.measured(name, path, contest)
            measured[candidate] = types
            # Together they would fill a disk.
            for other in measured:
                if other is not contest.best:
                    maker.path(other.name).unlink(missing_ok=True)
        try:
            chosen = pick([*([contest.best] if contest.best else []), original], limits)
        except CheckError:
            raise CheckError(_none_fits([*measured, original], limits.effective)) from None
        (merged if chosen is original else maker.path(chosen.name)).replace(target)
        return Choice(chosen, measured.get(chosen, {}), tuple(measured), original, reference)


@dataclass
class Contest:
    """The best file so far, on all probes and on the first few. Another is measured on all of them
    only where the few leave it a chance."""

    limits: QuantLimits
    reference: Reference
    best: Measured | None = None
    best_rough: Measured | None = None

    def may_win(self, rough: Measured) -> bool:
        limits = self.limits.effective
        if not QuantLimits(_MARGIN * limits.kld, limits.size).allow(rough):
            return False
        if self.best is None or self.best_rough is None:
            return True
        if limits.kld:
            return rough.seconds < self.best.seconds
        return rough.kld < _PAIRED_MARGIN * self.best_rough.kld

    def entered(self, rough: Measured, whole: Measured) -> Measured:
        """Return the file's numbers on all probes, and take it for the best if it is."""
        if not divergence.not_worse(self.reference, whole):
            return whole
        with suppress(CheckError):
            if pick([*([self.best] if self.best else []), whole], self.limits) is whole:
                self.best, self.best_rough = whole, rough
        return whole


def pick(candidates: Sequence[Measured], limits: QuantLimits) -> Measured:
    """Return the fastest within both limits; without a limit on divergence, the best within the
    size; without any, the fastest within DEFAULT_KLD. Raises CheckError."""
    limits = limits.effective
    fitting = [candidate for candidate in candidates if limits.allow(candidate)]
    if not fitting:
        raise CheckError(_none_fits(candidates, limits))
    if limits.kld:
        return min(fitting, key=lambda candidate: candidate.seconds)
    return min(fitting, key=lambda candidate: candidate.kld)


def _none_fits(candidates: Sequence[Measured], limits: QuantLimits) -> str:
    small = [candidate for candidate in candidates if candidate.size <= (limits.size or 1e18)]
    if not small:
        least = min(candidates, key=lambda candidate: candidate.size)
        return f"no file is that small: {least.name} takes {least.size / 1e6:,.1f} MB"
    best = min(small, key=lambda candidate: candidate.kld)
    return (
        f"no file of that size has a KL divergence of at most {limits.kld:g}: "
        f"{best.name} has {best.kld:.4f}"
    )


def _stock(maker: CandidateMaker) -> Iterator[tuple[str, Path, dict[str, str]]]:
    for name in _WIDE_STOCK if wide(maker.merged) else _NARROW_STOCK:
        yield name, maker.quantised(name), {}


def wide(path: Path) -> bool:
    """Return whether the rows of all matrices divide into the blocks of K-quants."""
    return set(_parts(path, _WIDE)) == set(_parts(path))


def _mixtures(
    maker: CandidateMaker, limits: QuantLimits
) -> Iterator[tuple[str, Path, dict[str, str]]]:
    """Yield what the search proposes on each ladder."""
    counts, fitting = _parts(maker.merged), _parts(maker.merged, _WIDE)
    wanted = limits.effective
    for ladder in _WIDE_LADDERS if wide(maker.merged) else _NARROW_LADDERS:
        pure = maker.quantised(ladder[0], pure=True)
        foot = maker.tried(ladder[0], pure)
        saved = {part: foot - _raised(maker, ladder, part) for part in counts}
        weights = sum(counts.values()) * bit_allocation.BITS[ladder[0]] / 8
        room = (wanted.size or math.inf) - (pure.stat().st_size - weights)
        steps_by_types: dict[str, bit_allocation.Step] = {}
        # What lies between is not measured, and may be bad: a base that was quantised stands on the
        # steps of some type, which as good as loses what was learned since.
        for rungs in (ladder, (ladder[0], ladder[-1])):
            ladders = {part: _rungs(rungs, part in fitting) for part in counts}
            steps = bit_allocation.path(ladders, counts, foot, saved, room)
            steps_by_types |= {
                str(step.types): step for step in bit_allocation.proposals(steps, wanted.kld)
            }
        for number, step in enumerate(steps_by_types.values(), 1):
            name = f"{ladder[0]} mix {number}"
            yield name, maker.mixed(name, step.types, ladder[0]), step.types


def _rungs(ladder: Sequence[str], fitting: bool) -> Sequence[str]:
    return [kind for kind in ladder if fitting or not kind.endswith("_K")]


def _raised(maker: CandidateMaker, ladder: Sequence[str], part: str) -> float:
    """Return the divergence at the foot of a ladder with one part at its top."""
    path = maker.mixed("trial", {part: ladder[-1]}, ladder[0])
    return maker.tried(f"{ladder[0]} with {part} in {ladder[-1]}", path)


def _parts(path: Path, block: int = 1) -> dict[str, int]:
    """Return numbers of weights by part, of those parts whose rows all divide into blocks."""
    counts: Counter[str] = Counter()
    left_out = set()
    for name, info in gguf_reader.read(path).tensors.items():
        part = bit_allocation.part_of(name)
        if part and len(info.shape) > 1:
            counts[part] += info.shape[0] * info.shape[1]
            left_out |= {part} if info.shape[-1] % block else set()
    return {part: count for part, count in counts.items() if part not in left_out}
