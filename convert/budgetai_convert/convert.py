"""The story of a conversion: adapter → merged F16 file → quantised file → checked → in its place.

Nothing stands at the final name before every check has passed, and the manifest is there first.
"""

import importlib.metadata
import math
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gguf import GGUFValueType

from budgetai_convert import corpus, merge, quantize, reference, slices, source, verify, writer
from budgetai_convert.adapter import Adapter
from budgetai_convert.gguf_file import Metadata, pack
from budgetai_convert.options import ConvertOptions
from budgetai_convert.progress import Begin, shown
from budgetai_convert.reference import Answer
from budgetai_convert.source import Source
from budgetai_convert.verify import Agreement, Native
from budgetai_server.artefacts import bases, home
from budgetai_server.artefacts.bases import Base
from budgetai_server.artefacts.manifest import AdapterManifest, ModelManifest
from budgetai_server.artefacts.storage import replaced
from budgetai_server.context.prompt import PROMPT_FORMAT
from budgetai_server.errors import AdapterError, OptionError, RepositoryError, StorageError

VERSIONED = ("budgetai", "gguf", "llama-cpp-python", "numpy", "torch", "transformers", "peft")


@dataclass(frozen=True)
class Result:
    """A finished model; `seconds` is the time the whole conversion took."""

    model: Path
    manifest: ModelManifest
    seconds: float


@dataclass(frozen=True)
class _Job:
    """What is to be made: from which base and adapter, of which type, at which path."""

    base: Base
    adapter: Adapter
    source: Source
    quant: str
    final: Path


def convert(options: ConvertOptions) -> Result:
    """Make a model file. Raises BudgetAIError for everything the user can mend."""
    start = time.monotonic()
    folder = adapter_folder(options)
    with slices.at_rank(folder, options.rank) as adapter:
        job = _prepared(options, folder, adapter)
        with shown() as begin, replaced(job.final) as temporary:
            checks = _make(job, temporary, begin)
            manifest = _manifest(job, temporary.stat().st_size, checks)
            # Written just before the model is renamed, so that no model is ever seen without it.
            manifest.write(job.final)
    return Result(job.final, manifest, time.monotonic() - start)


def cut(options: ConvertOptions, into: Path) -> AdapterManifest:
    """Write the adapter at its rank as a PEFT folder. Raises BudgetAIError as `convert` does."""
    with slices.at_rank(adapter_folder(options), options.rank) as adapter:
        slices.write(adapter, adapter.manifest.rank, into)
    return AdapterManifest.read(into)


def _prepared(options: ConvertOptions, folder: Path, adapter: Adapter) -> _Job:
    """Everything that can be refused is refused here, before any work."""
    quant = quantize.known(options.quant)
    final = options.out or _shelved(folder, options, quant)
    base = bases.located(adapter.manifest.base)
    _check_place(final, base)
    opened = source.open_source(base)
    merge.placed(opened, adapter)
    _check_space(final, writer.size_of(opened.weights), quant)
    return _Job(base, adapter, opened, quant, final)


def adapter_folder(options: ConvertOptions) -> Path:
    if options.adapter is not None:
        return options.adapter
    repo = options.repo or Path.cwd()
    if not repo.is_dir():
        raise RepositoryError(f"no such repository: {repo}", "Give --repo a folder that exists")
    found = home.newest_adapter(repo)
    if found is None:
        raise AdapterError(f"no adapter for {repo.resolve()}", "Run budgetai-train first")
    return found


def _shelved(folder: Path, options: ConvertOptions, quant: str) -> Path:
    """On the shelf the adapter came from, else on that of the repository."""
    place = folder.resolve()
    shelves = (home.home() / "repositories").resolve()
    if place.parent.name == "adapters" and place.parents[2] == shelves:
        return place.parents[1] / "models" / f"{home.stamp()}-{quant}.gguf"
    return home.new_model(options.repo or Path.cwd(), quant)


def _check_place(final: Path, base: Base) -> None:
    """Raises OptionError or StorageError when no model can, or may, be written at `final`."""
    if final.suffix != ".gguf":
        raise OptionError(f"--out {final} does not end in .gguf")
    if final.is_dir():
        raise OptionError(f"--out {final} is a folder")
    if base.path is not None and final.resolve() == base.path:
        raise OptionError(f"--out {final} is the base itself", "Give another name")
    beside = ModelManifest.path(final)
    if beside.exists() and ModelManifest.find(final) is None:
        raise OptionError(
            f"{beside} is there and is no manifest of ours", "Give --out another name"
        )
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write to {final.parent}: {error.strerror}") from None


def _check_space(final: Path, size: int, quant: str) -> None:
    """The F16 file and the quantised one stand side by side for a while."""
    needed = size + (0 if quant == "F16" else quantize.expected_size(size, quant))
    free = shutil.disk_usage(final.parent).free
    if needed > free:
        raise StorageError(
            f"the disk is full: converting needs {_megabytes(needed)}, "
            f"{final.parent} has {_megabytes(free)} free"
        )


def _megabytes(size: int) -> str:
    return f"{math.ceil(size / 1e6):,} MB"


def _make(job: _Job, target: Path, begin: Begin) -> dict[str, float]:
    """Write and check the model at `target`; returns the numbers of the checks."""
    if job.quant == "F16":
        _merge(job, target, begin)
        f16, _ = _checked_f16(job, target, begin)
        return _checks(f16, f16)
    with tempfile.TemporaryDirectory(prefix=f".{job.final.name}.", dir=target.parent) as folder:
        merged = Path(folder) / "merged-f16.gguf"
        _merge(job, merged, begin)
        f16, answers = _checked_f16(job, merged, begin)
        size = quantize.expected_size(merged.stat().st_size, job.quant)
        task = begin(f"Quantising to {job.quant}", size)
        quantize.quantize(merged, target, job.quant, task.reach)
    task = begin(f"Checking {job.quant}", len(answers))
    with Native(target) as native:
        verify.check_metadata(native, job.source.sizes.architecture)
        found = verify.compare(native, answers, task.add)
    verify.check_quant(found, job.quant)
    return _checks(f16, found)


def _merge(job: _Job, target: Path, begin: Begin) -> None:
    weights = job.source.weights
    task = begin("Merging", writer.size_of(weights))
    values = merge.merged(job.source, job.adapter)
    writer.write(target, _metadata(job), weights, values, task.add)


def _metadata(job: _Job) -> Metadata:
    """The base's metadata and ours: names only, no path of this machine."""
    repository = str(job.adapter.manifest.repository).replace("\\", "/").rstrip("/")
    return job.source.metadata | {
        "budgetai.prompt_format": pack(PROMPT_FORMAT, GGUFValueType.UINT32),
        "budgetai.repository": pack(repository.rpartition("/")[2], GGUFValueType.STRING),
        "budgetai.base": pack(job.base.name, GGUFValueType.STRING),
    }


def _checked_f16(job: _Job, merged: Path, begin: Begin) -> tuple[Agreement, list[Answer]]:
    """Compare the merged file with torch. Only one of the two models is in memory at a time."""
    task = begin("Checking the merge", 2 * len(corpus.PROMPTS) + 2)
    with Native(merged, vocabulary_only=True) as native:
        verify.check_metadata(native, job.source.sizes.architecture)
        _check_tokenizer(job, native)
        prompts = [native.beginning() + native.tokenize(text) for text in corpus.PROMPTS]
    task.add()
    answers = reference.answers(job.source.path, job.adapter.folder, prompts, task.add)
    with Native(merged) as native:
        found = verify.compare(native, answers, task.add)
    verify.check_f16(found)
    return found, answers


def _check_tokenizer(job: _Job, native: Native) -> None:
    """A folder's tokenizer is asked through transformers, a GGUF's through llama.cpp."""
    retyped = job.source.retyped
    if job.source.path.is_dir():
        tokenize = reference.tokenizer(job.source.path, retyped)
        verify.check_tokenizer(native, tokenize, corpus.TEXTS)
        return
    texts = [text for text in corpus.TEXTS if not any(name in text for name in retyped)]
    with Native(job.source.path, vocabulary_only=True) as base:
        verify.check_tokenizer(native, base.tokenize, texts)


def _checks(f16: Agreement, found: Agreement) -> dict[str, float]:
    return {
        "kld_f16": f16.kld,
        "top_agreement_f16": f16.top,
        "greedy_equal": float(f16.differing == 0),
        "greedy_ties": float(f16.ties),
        "kld": found.kld,
        "top_agreement": found.top,
        "positions": float(found.positions),
        "tokenizer_texts": float(len(corpus.TEXTS)),
    }


def _manifest(job: _Job, size: int, checks: dict[str, float]) -> ModelManifest:
    trained = job.adapter.manifest
    return ModelManifest(
        prompt_format=PROMPT_FORMAT,
        base=trained.base,
        adapter=job.adapter.folder.resolve().name,
        rank=trained.rank,
        quant=job.quant,
        size=size,
        held_out=trained.held_out,
        holdout=trained.holdout,
        scores=trained.scores,
        checks=checks,
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in VERSIONED:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
