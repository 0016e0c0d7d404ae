"""The story of a conversion: adapter → merged F16 file → quantised file → checked → in its place.

Nothing stands at the final name before every check has passed, and the manifest is there first.
"""

import importlib.metadata
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gguf import GGUFValueType

from budgetai_convert import (
    auto,
    calibrate,
    corpus,
    imatrix,
    measure,
    merge,
    quantize,
    reference,
    samples,
    verify,
    vocabulary,
    writer,
)
from budgetai_convert.auto import Choice
from budgetai_convert.gguf_file import Metadata, pack
from budgetai_convert.job import Job, claimed, prepared
from budgetai_convert.measure import Measured
from budgetai_convert.native import Native
from budgetai_convert.options import AUTO, ConvertOptions
from budgetai_convert.progress import Begin, shown
from budgetai_convert.quantize import Recipe
from budgetai_convert.reference import Answer
from budgetai_convert.samples import Reader, Samples
from budgetai_convert.verify import Agreement
from budgetai_server.artefacts.manifest import ModelManifest
from budgetai_server.artefacts.storage import replaced
from budgetai_server.context.prompt import PROMPT_FORMAT
from budgetai_server.errors import CheckError, OptionError

VERSIONED = ("budgetai", "gguf", "llama-cpp-python", "numpy", "torch", "transformers", "peft")

# One chance in forty that a file as good as the 16-bit one is refused.
_CHANCE = 0.025
_NEED_NO_IMATRIX = ("F16", "BF16", "Q8_0")
_FEWEST_PROBES = 4


@dataclass(frozen=True)
class Result:
    """A finished model; `seconds` is the time the whole conversion took. `choice` is what auto
    measured."""

    model: Path
    manifest: ModelManifest
    seconds: float
    choice: Choice | None = None


@dataclass
class _Made:
    """What is known of the file in the making: its checks, and what was said on the way."""

    checks: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    choice: Choice | None = None


def convert(options: ConvertOptions) -> Result:
    """Make a model file. Raises BudgetAIError for everything the user can mend."""
    start = time.monotonic()
    job = prepared(options)
    with claimed(job.final), shown() as begin, replaced(job.final) as temporary:
        made = _make(job, temporary, begin)
        manifest = _manifest(job, temporary.stat().st_size, made)
        # Written just before the model is renamed, so that no model is ever seen without it.
        manifest.write(job.final)
    return Result(job.final, manifest, time.monotonic() - start, made.choice)


def _make(job: Job, target: Path, begin: Begin) -> _Made:
    """Write and check the model at `target`."""
    made = _Made()
    with tempfile.TemporaryDirectory(prefix=f".{job.final.name}.", dir=target.parent) as name:
        folder = Path(name)
        merged = folder / "merged-f16.gguf"
        _merge(job, merged, begin)
        f16, answers = _checked_f16(job, merged, begin)
        found = f16
        if job.quant == "F16":
            merged.replace(target)
        else:
            drawn = _drawn(job, merged, made)
            importance = _importance(job, merged, drawn, folder, made, begin)
            _quantise(job, merged, target, importance, drawn, made, begin)
            found = _checked_quant(job, target, answers, begin)
    made.checks = _checks(f16, found) | made.checks
    return made


def _merge(job: Job, target: Path, begin: Begin) -> None:
    weights = job.source.weights
    task = begin("Merging", writer.size_of(weights))
    values = merge.merged(job.source, job.adapter)
    writer.write(target, _metadata(job), weights, values, task.add)


def _metadata(job: Job) -> Metadata:
    """The base's metadata and ours: names only, no path of this machine. A model that was not
    tuned on our prompts does not say so."""
    own = {"budgetai.base": pack(job.base.name, GGUFValueType.STRING)}
    if job.adapter:
        repository = job.adapter.manifest.repository.replace("\\", "/").rstrip("/")
        own |= {
            "budgetai.prompt_format": pack(PROMPT_FORMAT, GGUFValueType.UINT32),
            "budgetai.repository": pack(repository.rpartition("/")[2], GGUFValueType.STRING),
        }
    return job.source.metadata | own


def _checked_f16(job: Job, merged: Path, begin: Begin) -> tuple[Agreement, list[Answer]]:
    """Compare the merged file with torch. Only one of the two models is in memory at a time."""
    task = begin("Checking the merge", 2 * len(corpus.PROMPTS) + 2)
    with Native(merged, vocabulary_only=True) as native:
        _check_metadata(job, native)
        _check_tokenizer(job, native)
        prompts = [native.beginning() + native.tokenize(text) for text in corpus.PROMPTS]
    task.add()
    adapter = job.adapter.folder if job.adapter else None
    answers = reference.answers(job.source.path, adapter, prompts, task.add)
    with Native(merged) as native:
        found = verify.compare(native, answers, task.add)
    verify.check_f16(found)
    return found, answers


def _check_metadata(job: Job, native: Native) -> None:
    prompt_format = PROMPT_FORMAT if job.adapter else None
    verify.check_metadata(native, job.source.sizes.architecture, prompt_format)


def _check_tokenizer(job: Job, native: Native) -> None:
    """A folder's tokenizer is asked through transformers, a GGUF's through llama.cpp."""
    retyped = job.source.retyped
    if job.source.path.is_dir():
        tokenize = reference.tokenizer(job.source.path, retyped)
        verify.check_tokenizer(native, tokenize, corpus.TEXTS)
        return
    texts = [text for text in corpus.TEXTS if not any(name in text for name in retyped)]
    with Native(job.source.path, vocabulary_only=True) as base:
        verify.check_tokenizer(native, base.tokenize, texts)


def _drawn(job: Job, merged: Path, made: _Made) -> Samples | None:
    """The repository's code as prompts. Raises OptionError if auto has nothing to judge by."""
    drawn = None
    if job.root is not None:
        with Native(merged, vocabulary_only=True) as native:
            markers = vocabulary.mark(job.source.metadata).markers
            name = job.root.resolve().name
            reader = Reader(name, markers, native.tokenize, tuple(native.beginning()))
            manifest = job.adapter.manifest if job.adapter else None
            drawn = samples.draw(job.root, manifest, reader)
            made.notes["judged_by"] = drawn.origin
    if job.quant == AUTO and (drawn is None or len(drawn.probes) < _FEWEST_PROBES):
        raise OptionError(
            "--quant auto needs held-out code to measure on",
            "Name the repository with --repo, or one type with --quant",
        )
    return drawn


def _importance(
    job: Job, merged: Path, drawn: Samples | None, folder: Path, made: _Made, begin: Begin
) -> str:
    """The path of the importance matrix of the repository's code, or an empty text."""
    wanted = job.importance and (job.imatrix or job.quant not in _NEED_NO_IMATRIX)
    if not wanted or drawn is None or not drawn.texts:
        if job.imatrix:
            raise OptionError(f"no code to make {job.imatrix} from", "Name --repo")
        return ""
    task = begin("Reading your code", len(drawn.texts))
    importance = calibrate.collect(merged, drawn.texts, task.add)
    path = folder / "imatrix.gguf"
    imatrix.write(path, importance, "the repository's own code")
    if job.imatrix:
        with replaced(job.imatrix) as copy:
            copy.write_bytes(path.read_bytes())
    made.notes["importance"] = f"{sum(map(len, drawn.texts))} tokens of the repository"
    return str(path)


def _quantise(
    job: Job,
    merged: Path,
    target: Path,
    importance: str,
    drawn: Samples | None,
    made: _Made,
    begin: Begin,
) -> None:
    if job.quant == AUTO:
        assert drawn is not None
        choice = auto.choose(merged, target, importance, drawn.probes, job.limits, begin)
        made.choice = choice
        _judge(made, choice.chosen, choice.reference)
        return
    size = quantize.expected_size(merged.stat().st_size, job.quant)
    task = begin(f"Quantising to {job.quant}", size)
    quantize.quantize(merged, target, Recipe(quant=job.quant, imatrix=importance), task.reach)
    if drawn is not None and drawn.probes:
        _judge(made, *_compared(job, merged, target, drawn, begin))


def _compared(
    job: Job, merged: Path, target: Path, drawn: Samples, begin: Begin
) -> tuple[Measured, Measured]:
    """The quantised file and the merged one on held-out holes."""
    probes = drawn.probes
    task = begin("Completing held-out lines", 3 * len(probes))
    said = measure.refer(merged, probes, merged.with_suffix(".reference"), task.add)
    found = measure.measure(job.quant, target, probes, said, task.add, timed=False)
    return found, measure.measure("F16", merged, probes, said, task.add, timed=False)


def _judge(made: _Made, found: Measured, original: Measured) -> None:
    """Keep the numbers on held-out code. Raises CheckError when lines are lost beyond chance."""
    made.checks |= {
        "held_out_kld": found.kld,
        "held_out_top_agreement": found.top,
        "held_out_exact": found.matched,
        "held_out_exact_f16": original.matched,
        "held_out_holes": float(len(found.exact)),
    }
    if measure.lost(original.exact, found.exact) < _CHANCE:
        raise CheckError(
            f"{found.name} completes {found.matched:.0%} of {len(found.exact)} held-out lines, "
            f"16 bits {original.matched:.0%}: more than chance",
            "Use a type with more bits",
        )


def _checked_quant(job: Job, target: Path, answers: list[Answer], begin: Begin) -> Agreement:
    task = begin(f"Checking {job.quant}", len(answers))
    with Native(target) as native:
        _check_metadata(job, native)
        found = verify.compare(native, answers, task.add)
    verify.check_quant(found, job.quant)
    return found


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


def _manifest(job: Job, size: int, made: _Made) -> ModelManifest:
    trained = job.adapter.manifest if job.adapter else None
    return ModelManifest(
        prompt_format=PROMPT_FORMAT,
        base=trained.base if trained else job.base.record(),
        adapter=job.adapter.folder.resolve().name if job.adapter else "",
        quant=made.choice.chosen.name if made.choice else job.quant,
        size=size,
        held_out=trained.held_out if trained else (),
        holdout=trained.holdout if trained else "",
        scores=trained.scores if trained else {},
        checks=made.checks,
        versions=_versions(),
        notes=made.notes,
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in VERSIONED:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
