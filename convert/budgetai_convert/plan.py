"""What a conversion is to make, with everything refused that can be before any work."""

import dataclasses
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from budgetai_convert import destination, inputs
from budgetai_convert.formats import gguf_writer
from budgetai_convert.model import merge
from budgetai_convert.model.adapter import Adapter
from budgetai_convert.options import AUTO, ConvertOptions
from budgetai_convert.quantize import llama_quantize
from budgetai_convert.quantize.auto import Limits
from budgetai_core.artifacts import base_models
from budgetai_core.artifacts.base_models import Base
from budgetai_core.artifacts.bundle import NO_ADAPTER, AdapterEntry
from budgetai_core.artifacts.manifest import MANIFEST
from budgetai_core.context.languages import LANGUAGES
from budgetai_core.errors import AdapterError, OptionError, RepositoryError
from budgetai_core.models import base_weights
from budgetai_core.models.base_weights import Source

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
_LARGEST_SCALE = 100.0


@dataclass(frozen=True)
class Plan:
    """What is to be made: from which base and adapter, of which type, at which path. `root` is
    the repository whose code is read, if it is there; `entry` is what a bundle will say of the
    adapter, but for its file, and None without a bundle."""

    base: Base
    adapter: Adapter | None
    source: Source
    quant: str
    final: Path
    root: Path | None
    limits: Limits
    importance: bool
    imatrix: Path | None
    card: bool
    entry: AdapterEntry | None = None

    @property
    def title(self) -> str:
        """What the model is called by people: its repository, else its adapter, else its base."""
        if self.adapter is None:
            return self.base.name
        return Path(self.adapter.manifest.repository).name or self.adapter.folder.resolve().name


def make_plan(options: ConvertOptions, adapter: Adapter | None) -> Plan:
    """The job of a model, or of a bundle's base and first adapter. Raises BudgetAIError for
    everything the user can mend."""
    quant = llama_quantize.known(options.quant)
    _check_limits(options, quant)
    _check_labels(options)
    base = (
        base_models.located(adapter.manifest.base)
        if adapter
        else base_models.resolve(_model(options))
    )
    final = options.out or _shelved(adapter, options, quant)
    destination.check(final, base, bundle=options.bundle)
    return _job(options, base, adapter, quant, final)


def joining(options: ConvertOptions, adapter: Adapter, quant: str, digest: str) -> Plan:
    """The job of an adapter for a bundle that is there, whose base has this digest and is of the
    type `quant`. Raises BudgetAIError."""
    assert options.add_to is not None
    _check_labels(options)
    if adapter.manifest.base.digest != digest:
        raise AdapterError(
            f"{adapter.folder.name} was trained on {adapter.manifest.base.location}, which is not "
            f"the base of {options.add_to}",
            "Make a bundle of its own with --bundle",
        )
    base, final = base_models.located(adapter.manifest.base), options.add_to / MANIFEST
    return _job(options, base, adapter, quant, final)


def _job(
    options: ConvertOptions, base: Base, adapter: Adapter | None, quant: str, final: Path
) -> Plan:
    opened = base_weights.open_source(base)
    if adapter:
        merge.placed(opened, adapter)
    destination.check_space(final.parent, gguf_writer.size_of(opened.weights), quant)
    return Plan(
        base=base,
        adapter=adapter,
        source=opened,
        quant=quant,
        final=final,
        root=_root(adapter, options),
        limits=Limits(options.max_kld, options.max_size * 1e6),
        importance=options.importance,
        imatrix=options.imatrix,
        card=options.card,
        entry=_entry(adapter, options) if adapter and (options.bundle or options.add_to) else None,
    )


def further(job: Plan, adapter: Adapter, options: ConvertOptions, taken: Sequence[str]) -> Plan:
    """The job of one more adapter of the same base, under a name that is not `taken`. Raises
    AdapterError or OptionError."""
    assert job.adapter is not None
    if adapter.manifest.base.digest != job.adapter.manifest.base.digest:
        raise AdapterError(
            f"{adapter.folder.name} was trained on {adapter.manifest.base.location}, "
            f"{job.adapter.folder.name} on {job.adapter.manifest.base.location}",
            "A bundle has one base: convert them apart",
        )
    merge.placed(job.source, adapter)
    entry = _entry(adapter, options)
    count, name = 1, entry.name
    while name in taken:
        count += 1
        name = f"{entry.name}-{count}"
    entry = dataclasses.replace(entry, name=name)
    return dataclasses.replace(job, adapter=adapter, root=_root(adapter, options), entry=entry)


def _model(options: ConvertOptions) -> str:
    return str(options.source[0])


def _check_limits(options: ConvertOptions, quant: str) -> None:
    for name, value in (("--max-kld", options.max_kld), ("--max-size", options.max_size)):
        if not 0 <= value < math.inf:
            raise OptionError(f"{name} {value}", "Use a number from 0 on")
        if value and quant != AUTO:
            raise OptionError(f"{name} is for --quant auto", f"{quant} is one type")


def _check_labels(options: ConvertOptions) -> None:
    """Raises OptionError for what a bundle cannot say of an adapter, or where there is none."""
    bundled = options.bundle or options.add_to
    for flag, said in (
        ("--name", options.name),
        ("--scale", options.scale != 1),
        ("--languages", options.languages),
    ):
        if said and not bundled:
            raise OptionError(f"{flag} is for --bundle and --add-to", "Leave it out")
    if options.name and (not _NAME.fullmatch(options.name) or options.name in ("base", NO_ADAPTER)):
        raise OptionError(f"--name {options.name!r}", "Use letters, digits, _, ., + and -")
    if options.name and len(options.source) > 1:
        raise OptionError(f"--name {options.name} for several adapters", "Add them one by one")
    if not -_LARGEST_SCALE <= options.scale <= _LARGEST_SCALE:
        raise OptionError(f"--scale {options.scale}", f"Use at most {_LARGEST_SCALE:g}")
    known = {language.name for language in LANGUAGES}
    for language in options.languages:
        if language not in known:
            raise OptionError(f"--languages {language}", f"Known: {', '.join(sorted(known))}")


def _entry(adapter: Adapter, options: ConvertOptions) -> AdapterEntry:
    manifest = adapter.manifest
    repository = Path(manifest.repository.replace("\\", "/")).name
    told = f"{repository or adapter.folder.resolve().name}-{manifest.task}"
    plain = re.sub(r"[^A-Za-z0-9_.+-]+", "-", told).strip("-.")[:60]
    return AdapterEntry(
        name=options.name or plain,
        file="",
        task=manifest.task,
        rank=manifest.rank,
        scale=options.scale,
        languages=options.languages,
        repository=repository,
        trained=adapter.folder.resolve().name,
    )


def _root(adapter: Adapter | None, options: ConvertOptions) -> Path | None:
    """The repository named, or the one around the current folder if the adapter is of it."""
    if options.repo is not None:
        if not options.repo.is_dir():
            raise RepositoryError(f"no such repository: {options.repo}", "Give a folder")
        return options.repo
    if adapter is None or not adapter.manifest.repository:
        return None
    here = Path.cwd()
    return next((f for f in (here, *here.parents) if f.name == adapter.manifest.repository), None)


def _shelved(adapter: Adapter | None, options: ConvertOptions, quant: str) -> Path:
    if adapter is None:
        raise OptionError(f"{_model(options)} is no adapter of a repository", "Name a file: --out")
    # A cut stands elsewhere: the folder that was named tells the shelf.
    folder = options.source[0] if options.source else inputs.newest(options)
    return destination.shelved(folder, options, quant)
