"""What a run stands on: the corpus, the base as memory allows, the adapter on it, the exam."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import transformers

from budgetai_core.artifacts.base_models import Base, resolve
from budgetai_core.artifacts.manifest import BaseRecord
from budgetai_core.context.index import Index
from budgetai_training import fsdp, memory_plan, process_group
from budgetai_training.corpus.records import Corpus
from budgetai_training.evaluation.eval_set import EvalSet, docstring_eval_set, line_eval_set
from budgetai_training.incremental import adapter_before, changed, gone
from budgetai_training.memory_plan import Plan, Shape
from budgetai_training.methods import peft_adapter, prefix
from budgetai_training.methods.dylora import DyLoRA
from budgetai_training.model import LoadedBase, choose_precision, load, shape
from budgetai_training.options import DOCSTRING, TrainOptions
from budgetai_training.progress_bar import Reporter
from budgetai_training.report.schema import Stage
from budgetai_training.run_dir import RunFolder
from budgetai_training.samples.docstring_samples import Pairs, pairs_of
from budgetai_training.samples.encoding import Encoder
from budgetai_training.time_budget import Clock

# Tokens a micro-batch shows, about: the longest sample with its context.
WINDOW = 1200


@dataclass
class Stages:
    """Time by stage of the run, in the order of their beginnings."""

    seconds: dict[str, float]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began

    def told(self) -> tuple[Stage, ...]:
        return tuple(Stage(name=name, seconds=spent) for name, spent in self.seconds.items())


@dataclass(frozen=True)
class Run:
    """Everything that stays the same while a run goes on. `corpus` is what is judged and told of,
    `learned` the part of it that is trained on; `pairs` are the docstrings of both, where they are
    the task."""

    options: TrainOptions
    folder: RunFolder
    clock: Clock
    stages: Stages
    corpus: Corpus
    learned: Corpus
    pairs: Pairs | None
    indexes: Mapping[str, Index]
    record: BaseRecord
    loaded: LoadedBase
    plan: Plan
    model: Any
    nested: DyLoRA
    encoder: Encoder
    exam: EvalSet
    report: Reporter


def prepare(
    options: TrainOptions,
    folder: RunFolder,
    clock: Clock,
    found: Corpus,
    report: Reporter,
    *,
    spread: bool,
) -> Run:
    """Read the base, put an adapter on it, and set the exam; `spread` it over all processes."""
    # What went by until here was reading the repository and loading libraries.
    stages = Stages({"starting": clock.spent() - clock.spent_before})
    base = resolve(options.base)
    with stages.stage("loading"), report.busy(f"reading the base {base.name}"):
        record = base.record()
        before = adapter_before(options, record.digest)
        _begun(options, folder, record)
        # From here on the rank is that of the adapter to go on from.
        options = replace(options, rank=before.rank) if before else options
        planned = _planned(options, folder, lambda: _shape(base, record.digest, options))
        loaded = load(base, record.digest, planned.load_in)
    # After a change of the files, a resumed run still holds out what it began with.
    folder.once("held_out", lambda: {"names": list(found.held_out_names)})
    if before and (line := gone(before, found, options.continue_from)):
        report.say(line)
    learned = changed(found, options)
    pairs = pairs_of(found).among(learned.train) if options.task == DOCSTRING else None
    transformers.set_seed(options.seed)
    with stages.stage("loading"):
        model = peft_adapter.attach(loaded.model, options, checkpointing=planned.checkpointing)
        nested = DyLoRA(model, options)
    if spread:
        fsdp.spread(model, process_group.count())
        report.say(f"each of {process_group.count()} processes holds a share of every layer (FSDP)")
    folder.check_space(peft_adapter.parameters(model)[0])
    _say(report, found, learned, planned, model, options)
    if pairs:
        report.say(pairs.told)
    encoder = Encoder(loaded.tokenizer)
    if options.method == "prefix":
        prefix.begin(model, _beginning(learned, encoder, peft_adapter.size(model)))
    indexes = found.indexes()
    with stages.stage("setting the exam"):
        exam = (
            docstring_eval_set(pairs.held_out, encoder, options.seed)
            if pairs
            else line_eval_set(found, indexes, encoder, options.seed)
        )
    return Run(
        options, folder, clock, stages, found, learned, pairs, indexes, record, loaded, planned,
        model, nested, encoder, exam, report,
    )  # fmt: skip


def _beginning(learned: Corpus, encoder: Encoder, tokens: int) -> list[int]:
    """The first tokens of the first files."""
    found: list[int] = []
    for file in learned.train:
        found += encoder.tokenize(file.text[: 20 * tokens])
        if len(found) >= tokens:
            break
    return found[:tokens]


def _begun(options: TrainOptions, folder: RunFolder, record: BaseRecord) -> None:
    if options.resume:
        folder.check_base(record.digest)
    elif process_group.first():
        folder.begin(options, record.digest)


def _shape(base: Base, digest: str, options: TrainOptions) -> Shape:
    """The base's, with what is trained on it; a prefix or bottleneck takes less than a LoRA."""
    found = shape(base, digest, options.trained_ranks[-1])
    everything = found.parameters - found.embeddings
    return replace(found, trained=everything) if options.method == "full" else found


def _planned(options: TrainOptions, folder: RunFolder, measure: Callable[[], Shape]) -> Plan:
    """What fits into memory; a resumed run keeps to its first plan, or it would be another run."""

    def decide() -> dict[str, Any]:
        free = memory_plan.available(options.memory * 1e9)
        wanted = choose_precision(options.load_in)
        if options.method == "full" and wanted == "4bit":
            wanted = "bf16"
        fixed = options.load_in != "auto" or options.method == "full"
        batch = options.batch or (1 if options.max_steps else memory_plan.usual_batch())
        gpu = memory_plan.on_gpu()
        planned = memory_plan.plan(
            measure(), wanted, WINDOW, free, fixed=fixed, batch=batch, gpu=gpu
        )
        return asdict(planned)

    kept = folder.once("plan", decide)
    return Plan(**{**kept, "notes": tuple(kept["notes"])})


def _say(
    report: Reporter,
    found: Corpus,
    learned: Corpus,
    planned: Plan,
    model: Any,
    options: TrainOptions,
) -> None:
    report.say(_corpus_line(found))
    if options.continue_from:
        report.say(f"going on from {options.continue_from}: {len(learned.train)} files shown")
    trained, every = peft_adapter.parameters(model)
    size = peft_adapter.size(model)
    kind = peft_adapter.method(model, options) + (f" of rank {size}" if size else "")
    report.say(
        f"base in {planned.load_in}, {kind}: "
        f"{trained / 1e6:.1f} of {every / 1e6:.0f} million parameters are trained"
    )
    given_up = f" with {', '.join(planned.notes)}" if planned.notes else ""
    report.say(
        f"memory: about {planned.predicted / 1e9:.1f} GB{given_up}, "
        f"{planned.available / 1e9:.1f} GB free"
    )


def _corpus_line(found: Corpus) -> str:
    left_out = ", ".join(f"{n} {reason}" for reason, n in sorted(found.reasons.items()))
    line = f"{found.name}: {len(found.train)} files to learn, {len(found.held_out)} held out"
    return f"{line}; left out: {left_out}" if left_out else line
