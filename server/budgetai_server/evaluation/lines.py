"""How good a model is on a repository: masked spans in held-out files, completed as the server
would."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from budgetai_core import repository
from budgetai_core.artifacts import base_models, layout
from budgetai_core.artifacts.manifest import AdapterManifest, ModelManifest, held_in
from budgetai_core.context.block_words import measured_by_name
from budgetai_core.context.index import Index
from budgetai_core.context.languages import Language
from budgetai_core.errors import AdapterError, ModelError, RepositoryError
from budgetai_core.evaluation.metrics import LineScores, percentile, score
from budgetai_core.evaluation.spans import MaskedSpan, mask_spans
from budgetai_core.repository import SourceFile
from budgetai_core.repository.added_lines import Range, intersection
from budgetai_core.repository.history import SINCE, added_since
from budgetai_core.repository.language_map import declarations
from budgetai_core.repository.parts import held_ranges
from budgetai_server.completion.render import CompletionPolicy
from budgetai_server.completion.service import complete
from budgetai_server.evaluation.candidates import manifest_of, named
from budgetai_server.evaluation.options import EvalOptions
from budgetai_server.inference.local import LocalEngine


@dataclass(frozen=True)
class LineEvaluation:
    """A model's scores; latencies in milliseconds from request to text."""

    model: Path
    adapter: str
    scores: LineScores
    latency_p50: float
    latency_p95: float
    answers: tuple[str, ...]

    @property
    def name(self) -> str:
        return named(self.model, self.adapter)


@dataclass(frozen=True)
class LineEvalSet:
    """The places a repository is evaluated on. `note` says where the held-out list comes from."""

    name: str
    spans: tuple[MaskedSpan, ...]
    index: Index
    note: str


@dataclass(frozen=True)
class Sources:
    """The files of the repository `name` as path and text. `ranges` are the characters, by path,
    that no compared model was trained on, as `note` says."""

    name: str
    texts: tuple[tuple[str, str], ...]
    ranges: dict[str, tuple[Range, ...]]
    note: str
    languages: Mapping[str, Language | None]

    def index(self) -> Index:
        index = Index()
        for path, text in self.texts:
            index.update(path, text, language=self.languages.get(path))
        return index


def models_of(options: EvalOptions) -> tuple[Path, ...]:
    """Return the models named, or the newest of the repository. Raises ModelError if there is
    none."""
    if options.model:
        return tuple(base_models.named_file(path) or path for path in options.model)
    newest = layout.newest_model(options.repo)
    if newest is None:
        raise ModelError(
            f"there is no model for {options.repo}",
            "Run budgetai-train and budgetai-convert, or name a file with --model",
        )
    return (newest,)


def eval_set(options: EvalOptions, models: Sequence[Path]) -> LineEvalSet:
    """Mask spans of the files that no compared model has been trained on. Raises RepositoryError
    where they have no line."""
    sources = sources_of(options, models)
    held = [(path, text) for path, text in sources.texts if path in sources.ranges]
    spans = mask_spans(held, options.holes, options.seed, sources.ranges, sources.languages)
    if not spans:
        raise RepositoryError(
            f"the held-out files of {options.repo} have no line to complete",
            "Train on a larger repository",
        )
    return LineEvalSet(sources.name, tuple(spans), sources.index(), sources.note)


def sources_of(options: EvalOptions, models: Sequence[Path]) -> Sources:
    """Return the files of a repository, and what of them is held out. Raises RepositoryError."""
    root = repository.open_repository(options.repo)
    files, _ = repository.sources(root, declarations(options.language))
    if not files:
        raise RepositoryError(f"{options.repo} has no code files", "Name another --repo")
    ranges, note = held_out(root, models, files)
    known = measured_by_name((file.language, file.text) for file in files)
    languages = {f.path: f.language and known.get(f.language.name, f.language) for f in files}
    return Sources(root.name, tuple((f.path, f.text) for f in files), ranges, note, languages)


def held_out(
    root: Path, models: Sequence[Path], files: Sequence[SourceFile]
) -> tuple[dict[str, tuple[Range, ...]], str]:
    """Return by path the character ranges that none of the models was trained on, nor the newest
    adapter if they say nothing; and where that is known from.

    With a warning, all of every file where nothing is known. Raises RepositoryError where the
    commit that a model was trained at is missing.
    """
    manifests = [manifest for model in models if (manifest := manifest_of(model))]
    if manifests:
        unseen = [_unseen(root, manifest, files) for manifest in manifests]
        return _by_all(unseen), "files held out by the models' training"
    adapter = layout.newest_adapter(root)
    if adapter is not None:
        try:
            unseen = [_unseen(root, AdapterManifest.read(adapter), files)]
            return _by_all(unseen), f"held out by {adapter.name}"
        except AdapterError:
            pass
    return _whole(files), "all files: no manifest says what was held out"


def _unseen(
    root: Path, manifest: AdapterManifest | ModelManifest, files: Sequence[SourceFile]
) -> dict[str, tuple[Range, ...]]:
    if manifest.holdout:
        return added_since(root, manifest.holdout.removeprefix(SINCE), files)
    held = held_in(root.name, manifest)
    return {
        file.path: ranges
        for file in files
        if (ranges := held_ranges(file.path, file.text, file.language, held))
    }


def _whole(files: Sequence[SourceFile]) -> dict[str, tuple[Range, ...]]:
    return {file.path: ((0, len(file.text)),) for file in files}


def _by_all(unseen: Sequence[dict[str, tuple[Range, ...]]]) -> dict[str, tuple[Range, ...]]:
    """Return what is unseen in every one of them."""
    both = unseen[0]
    for other in unseen[1:]:
        both = {p: intersection(both[p], other[p]) for p in both.keys() & other.keys()}
    return both


def evaluate(
    engine: LocalEngine,
    questions: LineEvalSet,
    tick: Callable[[int], None] = lambda done: None,
    enough: Callable[[int], bool] = lambda done: False,
) -> LineEvaluation:
    """Complete every masked span in turn, or as many as are `enough`."""
    answers: list[str] = []
    latencies: list[float] = []
    for number, span in enumerate(questions.spans, 1):
        if enough(len(answers)):
            break
        began = time.perf_counter()
        done = complete(
            engine, span.snapshot(questions.name), questions.index, CompletionPolicy(block=0)
        )
        latencies.append((time.perf_counter() - began) * 1000)
        answers.append(done.text)
        tick(number)
    return LineEvaluation(
        engine.path,
        engine.adapter,
        score(answers, [span.expected for span in questions.spans[: len(answers)]]),
        percentile(latencies, 0.5),
        percentile(latencies, 0.95),
        tuple(answers),
    )
