"""What a run is evaluated on: held-out windows, masked spans by kind, and general code it must not
forget."""

import importlib.util
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Snapshot, build
from budgetai_training.corpus.records import Corpus, CorpusFile
from budgetai_training.evaluation.held_out_loss import ALL, Question
from budgetai_training.hyperparameters.mixture import Mixture
from budgetai_training.samples import docstring_samples
from budgetai_training.samples.docstring_samples import Pair
from budgetai_training.samples.encoding import Encoded, Encoder
from budgetai_training.samples.epoch import epoch
from budgetai_training.samples.masked_spans import span_samples
from budgetai_training.samples.sample import Sample

T = TypeVar("T")

GENERAL = ("general", "python")
GENERAL_WHAT = "eight modules of Python's own library"
FRESH = "fresh"
MAX_WINDOWS = 64
MAX_SPANS = 48
MAX_VALIDATION = 12
# Modules of Python's own library that have hardly changed for years. They stand in for code in
# general: every base has seen much of the kind, and no repository is like them.
MODULES = ("bisect", "heapq", "textwrap", "shlex", "fnmatch", "sched", "colorsys", "csv")


@dataclass(frozen=True)
class EvalSet:
    """`report` is asked before and after training; `validation`, other places where there are
    enough, decides while it goes on. `spans` are places to complete, `pairs` docstrings to write.
    """

    report: tuple[Question, ...]
    validation: tuple[Question, ...]
    spans: tuple[Sample, ...] = ()
    pairs: tuple[Pair, ...] = ()


def line_eval_set(
    corpus: Corpus, indexes: Mapping[str, Index], encoder: Encoder, seed: int
) -> EvalSet:
    """Return questions in an order in which any beginning is a fair choice."""
    rng = random.Random(f"exam/{seed}")
    validation, reported = _divided(_windows(corpus, indexes, rng), _asked_characters)
    spans = span_samples(corpus.held_out, indexes, f"{seed}", MAX_SPANS)
    first = _questions(reported[:MAX_WINDOWS], _encode_windows(encoder), _window_groups)
    others = [
        *_questions(spans, encoder.asked, lambda sample: (("hole", sample.kind),)),
        *_questions(general_samples(), encoder.learned, lambda sample: (GENERAL,)),
    ]
    rng.shuffle(others)
    validated = _questions(validation, _encode_windows(encoder), _window_groups)
    return EvalSet(_interleaved(first, others), tuple(validated), tuple(spans))


def docstring_eval_set(held_out: Sequence[Pair], encoder: Encoder, seed: int) -> EvalSet:
    """Return the same for docstrings: what is asked are the held-out ones."""
    rng = random.Random(f"exam/{seed}")
    pairs = rng.sample(held_out, len(held_out))

    def ask(pair: Pair) -> Question:
        shown = docstring_samples.sample(pair)
        return Question(encoder.learned(shown), (*_window_groups(shown), ("style", pair.style)))

    validation, reported = _divided(pairs, lambda pair: len(pair.answer))
    others = _questions(general_samples(), encoder.learned, lambda sample: (GENERAL,))
    report = _interleaved([ask(pair) for pair in reported[:MAX_WINDOWS]], others)
    return EvalSet(report, tuple(map(ask, validation)), pairs=tuple(reported))


def _divided(things: list[T], size: Callable[[T], int]) -> tuple[list[T], list[T]]:
    """Split into what decides during a run and what the report says: every fourth decides; with so
    few that none would be left, all do both."""
    validation = things[::4] if len(things) >= 4 else things
    # The longest say most: a new line of a few tokens would decide by chance.
    validation = sorted(validation, key=size, reverse=True)[:MAX_VALIDATION]
    return validation, [thing for thing in things if thing not in validation] or things


def _interleaved(first: Sequence[Question], others: Sequence[Question]) -> tuple[Question, ...]:
    """Interleave both: however few there is time for, half are the first, since the held-out loss
    comes first."""
    pairs = zip_longest(first, others)
    return tuple(question for pair in pairs for question in pair if question is not None)


def _windows(corpus: Corpus, indexes: Mapping[str, Index], rng: random.Random) -> list[Sample]:
    """Return held-out text as the server would show it, cross-file chunks from the training
    files."""
    # The user's weights are for what is learned.
    whole = [replace(file, weight=1.0) for file in corpus.held_out if file.fresh is None]
    samples = epoch(whole, indexes, "held-out", Mixture(chunk_share=1.0))
    for file in corpus.held_out:
        samples += [_fresh(file, indexes, span) for span in file.fresh or ()]
    rng.shuffle(samples)
    return [sample for sample in samples if sample.prompt.before.strip()]


def _asked_characters(window: Sample) -> int:
    """Return characters of a window that are asked for."""
    return window.answer if window.kind == FRESH else len(window.prompt.before)


def _fresh(file: CorpusFile, indexes: Mapping[str, Index], span: tuple[int, int]) -> Sample:
    """Return a stretch of new text, with the old text around it as context."""
    place = Snapshot(file.repository, file.source, file.text, span[1], declared=file.language)
    prompt = build(place, indexes[file.repository])
    return Sample(file, prompt, FRESH, min(span[1] - span[0], len(prompt.before)))


def _encode_windows(encoder: Encoder) -> Callable[[Sample], Encoded]:
    return lambda s: encoder.asked(s) if s.kind == FRESH else encoder.learned(s)


def _window_groups(sample: Sample) -> tuple[tuple[str, str], ...]:
    return ALL, ("language", sample.language)


def _questions(
    samples: Iterable[Sample],
    encode: Callable[[Sample], Encoded],
    groups: Callable[[Sample], tuple[tuple[str, str], ...]],
) -> list[Question]:
    return [Question(encode(sample), groups(sample)) for sample in samples]


def general_samples() -> Sequence[Sample]:
    """Return the beginnings of modules of Python's own library, as far as they are there to be
    read."""
    files = []
    for name in MODULES:
        spec = importlib.util.find_spec(name)
        if spec and spec.origin and Path(spec.origin).is_file():
            text = Path(spec.origin).read_text(encoding="utf-8", errors="replace")[:2400]
            files.append(CorpusFile("python", f"Lib/{name}.py", text))
    empty = Index()
    return [
        Sample(file, build(Snapshot("python", file.path, file.text, 2400), empty), "line", 0, False)
        for file in files
    ]
