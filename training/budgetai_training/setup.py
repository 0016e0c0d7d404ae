"""What a run stands on: the plan of its memory, the base with an adapter on it, and the samples."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import transformers

from budgetai_core.artifacts.base_models import Base
from budgetai_core.artifacts.manifest import AdapterManifest, BaseRecord
from budgetai_core.context.index import Index
from budgetai_core.errors import RepositoryError
from budgetai_training import fsdp, incremental, memory_plan, process_group
from budgetai_training.corpus.records import Corpus
from budgetai_training.evaluation.eval_set import EvalSet
from budgetai_training.hyperparameters.mixture import Mixture
from budgetai_training.memory_plan import MemoryPlan
from budgetai_training.methods import baselines, peft_adapter
from budgetai_training.methods.dylora import DyLoRA
from budgetai_training.model import LoadedBase, choose_precision, shape
from budgetai_training.options import COMPLETION, DOCSTRING, TrainOptions
from budgetai_training.progress_bar import Reporter
from budgetai_training.run_dir import RunFolder
from budgetai_training.samples.batching import Epochs
from budgetai_training.samples.docstring_samples import Pairs, docstring_epoch, sample
from budgetai_training.samples.encoding import Encoder
from budgetai_training.samples.epoch import epoch
from budgetai_training.samples.sample import Sample
from budgetai_training.time_budget import Clock, Stages

# Tokens a micro-batch shows, about: the longest sample with its context.
WINDOW = 1200
# About three characters are a token of code.
CHARACTERS_PER_TOKEN = 3
# More is learning by heart. After the first epoch over 93,000 tokens held-out loss fell no more,
# for SmolLM2 and Qwen 0.5B alike; a rate that fell over six epochs was still high at the best
# state, which ended worse than one that fell over 1.5 epochs (1.418 against 1.393; 0.890 and
# 0.879).
USUAL_PASSES = {COMPLETION: 2, DOCSTRING: 6}


@dataclass(frozen=True)
class Run:
    """Everything that stays the same while a run goes on. `corpus` is what is evaluated and told
    of, `learned` the part of it that is trained on; `pairs` are the docstrings of both, where they
    are the task."""

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
    plan: MemoryPlan
    model: Any
    dylora: DyLoRA
    encoder: Encoder
    eval_set: EvalSet
    reporter: Reporter


def begin(options: TrainOptions, folder: RunFolder, base: Base) -> tuple[TrainOptions, BaseRecord]:
    """Note in its folder what the run is made of, or check that the base is still the same. Returns
    the options with the rank of the adapter to go on from, and the record of the base. Raises
    AdapterError and OptionError where they do not fit together."""
    record = base.record()
    before = incremental.adapter_before(options, record.digest)
    if options.resume:
        folder.check_base(record.digest)
    elif process_group.is_main():
        folder.begin(options, record.digest)
    return replace(options, rank=before.rank) if before else options, record


def plan_memory(options: TrainOptions, folder: RunFolder, base: Base, digest: str) -> MemoryPlan:
    """Choose precision, batch and window so that the run fits into memory; a resumed run keeps to
    its first plan, or it would be another run. Raises BaseError where nothing fits."""

    def decide() -> dict[str, Any]:
        sizes = shape(base, digest, options.trained_ranks[-1])
        wanted = choose_precision(options.load_in)
        if options.method == "full":
            # What a prefix or a bottleneck takes is less than a LoRA; this is more.
            sizes = replace(sizes, trained=sizes.parameters - sizes.embeddings)
            wanted = "bf16" if wanted == "4bit" else wanted
        plan = memory_plan.plan(
            sizes,
            wanted,
            WINDOW,
            memory_plan.available(options.memory * 1e9),
            fixed=options.load_in != "auto" or options.method == "full",
            batch=options.batch or (1 if options.max_steps else memory_plan.usual_batch()),
            gpu=memory_plan.on_gpu(),
        )
        return asdict(plan)

    kept = folder.once("plan", decide)
    return MemoryPlan(**{**kept, "notes": tuple(kept["notes"])})


def split(options: TrainOptions, folder: RunFolder, corpus: Corpus, reporter: Reporter) -> Corpus:
    """Return the part of the corpus that is trained on: all of its training files, or what has
    changed since the adapter to go on from. Raises RepositoryError where nothing has."""
    # After a change of the files, a resumed run still holds out what it began with.
    folder.once("held_out", lambda: {"names": list(corpus.held_out_names)})
    before = options.continue_from
    if before and (
        line := incremental.missing_held_out(AdapterManifest.read(before), corpus, before)
    ):
        reporter.say(line)
    return incremental.changed_files(corpus, options)


def attach(
    options: TrainOptions, loaded: LoadedBase, plan: MemoryPlan, folder: RunFolder, *, sharded: bool
) -> tuple[Any, DyLoRA]:
    """Put what is trained on the base; `sharded` over all processes. Raises StorageError where
    the disk will not hold its checkpoints."""
    transformers.set_seed(options.seed)
    model = peft_adapter.attach(loaded.model, options, checkpointing=plan.checkpointing)
    dylora = DyLoRA(model, options)
    if sharded:
        fsdp.shard(model, process_group.world_size())
    folder.check_space(peft_adapter.parameters(model)[0])
    return model, dylora


def begin_prefix(model: Any, learned: Corpus, encoder: Encoder) -> None:
    """Begin a prefix as the first tokens of the first files."""
    tokens = peft_adapter.size(model)
    ids: list[int] = []
    for file in learned.train:
        ids += encoder.tokenize(file.text[: 20 * tokens])
        if len(ids) >= tokens:
            break
    baselines.begin_prefix(model, ids[:tokens])


def describe(
    options: TrainOptions,
    corpus: Corpus,
    learned: Corpus,
    plan: MemoryPlan,
    model: Any,
    pairs: Pairs | None,
    *,
    sharded: bool,
) -> list[str]:
    """Tell what is learned, by which method, and what it takes, a line each."""
    left_out = ", ".join(f"{n} {reason}" for reason, n in sorted(corpus.reasons.items()))
    line = f"{corpus.name}: {len(corpus.train)} files to learn, {len(corpus.held_out)} held out"
    lines = [f"{line}; left out: {left_out}" if left_out else line]
    if pairs:
        lines.append(pairs.description)
    if options.continue_from:
        lines.append(f"going on from {options.continue_from}: {len(learned.train)} files shown")
    trained, parameters = peft_adapter.parameters(model)
    size = peft_adapter.size(model)
    kind = peft_adapter.method(model, options) + (f" of rank {size}" if size else "")
    given_up = f" with {', '.join(plan.notes)}" if plan.notes else ""
    if sharded:
        count = process_group.world_size()
        lines.append(f"each of {count} processes holds a share of every layer (FSDP)")
    return [
        *lines,
        f"base in {plan.load_in}, {kind}: "
        f"{trained / 1e6:.1f} of {parameters / 1e6:.0f} million parameters are trained",
        f"memory: about {plan.predicted / 1e9:.1f} GB{given_up}, "
        f"{plan.available / 1e9:.1f} GB free",
    ]


def epochs(run: Run) -> Epochs:
    """Lay the samples out in epochs. Raises RepositoryError where there are none."""
    # An epoch has a micro-batch at least, so there are enough for --max-steps.
    needed = run.options.max_steps * run.plan.accumulate
    passes = run.options.passes or needed or USUAL_PASSES[run.options.task]
    characters = CHARACTERS_PER_TOKEN * run.plan.window * run.plan.batch
    samples = Epochs(_sampler(run), run.encoder, passes, characters)
    if not samples.epoch_length:
        raise RepositoryError("there is nothing to learn", "Give the files in --corpus more weight")
    return samples


def _sampler(run: Run) -> Callable[[int], list[Sample]]:
    """Return the samples of an epoch, by its number; less of each where there is little memory."""
    share = run.plan.window / WINDOW
    if run.pairs is None:
        mixture = Mixture.parse(run.options.recipe).scaled(share)
        return lambda n: epoch(run.learned.train, run.indexes, f"{run.options.seed}/{n}", mixture)
    if not run.pairs.train:
        raise RepositoryError("no docstring is new", "Come back after some commits")
    # Each pair once in an epoch, always with the same prompt, the server's.
    samples = [sample(pair, share) for pair in run.pairs.train]
    return lambda n: docstring_epoch(samples, f"{run.options.seed}/{n}")
