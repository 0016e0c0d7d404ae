"""The user's code as the model will meet it: prompts to calibrate on, and held-out lines to
evaluate on. What was held out of training is never calibrated on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from budgetai_convert.checks import docstring_probes
from budgetai_core import repository
from budgetai_core.artifacts.imatrix import CHUNK
from budgetai_core.artifacts.manifest import AdapterManifest, held_in
from budgetai_core.context.prompt import Markers, build, encode
from budgetai_core.context.window import WindowLimits
from budgetai_core.evaluation.spans import MaskedSpan, mask_spans
from budgetai_core.repository.added_lines import Range
from budgetai_core.repository.history import SINCE, added_since
from budgetai_core.repository.parts import held_ranges

CALIBRATION_TEXTS, EVALUATION_PROBES = 24, 32
# Nobody types here, so texts begin at the line where they fit, not at one in 32.
_SEEN = WindowLimits(before=1600, after=500, chunks=0, step=1)
# Short prompts: every candidate is asked all of them.
_ASKED = WindowLimits(before=600, after=200, chunks=0, step=1)
_IN_FRONT = 24

Tokenize = Callable[[str], list[int]]


@dataclass(frozen=True)
class Probe:
    """A held-out line with what stands around it. Predictions are compared from `first` on;
    tokens[target:] are the line's missing end, the last one with the newline."""

    tokens: tuple[int, ...]
    first: int
    target: int


@dataclass(frozen=True)
class Samples:
    """`texts` to calibrate on (empty without a repository), `probes` to evaluate on, and `origin`,
    a few words on where they come from."""

    texts: tuple[tuple[int, ...], ...]
    probes: tuple[Probe, ...]
    origin: str


@dataclass(frozen=True)
class Reader:
    """How text becomes a prompt: the vocabulary's markers, and how it tokenises."""

    name: str
    markers: Markers
    tokenize: Tokenize
    beginning: tuple[int, ...]

    def probe(self, span: MaskedSpan) -> Probe | None:
        """Return a masked span as tokens, in one piece, so that a token across the cursor is as in
        the file."""
        prompt = build(span.snapshot(self.name), limits=_ASKED)
        head, before = encode(prompt, self.markers, self.tokenize, beginning=self.beginning)
        whole = self.tokenize(prompt.before + span.expected + "\n")
        shared = next((i for i, t in enumerate(before) if whole[i : i + 1] != [t]), len(before))
        start = len(head) + shared
        tokens = (*head, *whole)
        if not 1 <= start < len(tokens) <= CHUNK:
            return None
        return Probe(tokens, max(1, start - _IN_FRONT), start)

    def text(self, span: MaskedSpan) -> tuple[int, ...]:
        """Return a stretch of code around a place, as the server would show it."""
        prompt = build(span.snapshot(self.name), limits=_SEEN)
        head, _ = encode(prompt, self.markers, self.tokenize, beginning=self.beginning)
        return tuple((head + self.tokenize(prompt.before + span.expected + "\n"))[:CHUNK])


def draw(root: Path, manifest: AdapterManifest | None, reader: Reader, seed: int = 0) -> Samples:
    """Return samples of the repository at `root`, of what the adapter was trained to write. Without
    a manifest nothing says what the model has seen: a tenth of the files, at least one, is kept for
    evaluation. With one that holds nothing back, nothing is evaluated."""
    files, _ = repository.sources(repository.open_repository(root))
    unseen = _unseen(root, manifest, files)
    seen = [(f.path, f.text) for f in files if f.path not in unseen]
    held = [(f.path, f.text) for f in files if f.path in unseen]
    task = manifest.task if manifest else "completion"
    mask = docstring_probes.mask_docstrings if task == docstring_probes.KIND else mask_spans
    texts = [reader.text(span) for span in mask(seen, CALIBRATION_TEXTS, seed)]
    drawn = [reader.probe(span) for span in mask(held, EVALUATION_PROBES, seed, unseen)]
    probes = tuple(probe for probe in drawn if probe)
    kept = "held out of training" if manifest else "kept back"
    what = "docstrings" if task == docstring_probes.KIND else "lines"
    return Samples(tuple(texts), probes, f"{len(probes)} {what} in {len(held)} files {kept}")


def _unseen(
    root: Path, manifest: AdapterManifest | None, files: Sequence[repository.SourceFile]
) -> dict[str, tuple[Range, ...]]:
    """Return character ranges by path that the model has not been trained on."""
    if manifest and manifest.holdout:
        return added_since(root, manifest.holdout.removeprefix(SINCE), files)
    kept_back = {file.path for file in files[::10]}
    held = held_in(root.resolve().name, manifest) if manifest else kept_back
    return {
        f.path: ranges for f in files if (ranges := held_ranges(f.path, f.text, f.language, held))
    }
