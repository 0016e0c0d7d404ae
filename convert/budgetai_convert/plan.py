"""What a conversion is to make: all that the user named is resolved and read here, once, and
everything is refused that can be before any work.
"""

import dataclasses
import math
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from budgetai_convert.model import adapter_layout, merge, own_weights, rank_truncation
from budgetai_convert.model.adapter import Adapter
from budgetai_convert.options import AUTO, PROGRAM, ConvertOptions
from budgetai_convert.quantize import llama_quantize
from budgetai_convert.quantize.auto import QuantLimits
from budgetai_convert.quantize.file_size import expected_size
from budgetai_core.artifacts import base_models, layout
from budgetai_core.artifacts.atomic_write import read_json
from budgetai_core.artifacts.base_models import Base
from budgetai_core.artifacts.bundle import AdapterEntry, Bundle
from budgetai_core.artifacts.manifest import MANIFEST, BaseRecord, ModelManifest
from budgetai_core.artifacts.typed_json import structured
from budgetai_core.errors import (
    AdapterError,
    ModelError,
    OptionError,
    RepositoryError,
    StorageError,
)
from budgetai_core.models import base_weights, gguf_tokenizer
from budgetai_core.models.base_weights import Source

BUNDLE_BASE = "base.gguf"
SIDECAR_SUFFIXES = (".md", ".Modelfile", ".svg")
"""Endings of the files beside a model that people read; each names this program."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The base with one adapter, or alone: what is merged and checked as one model. `root` is the
    repository whose code is read, if it is there; `entry` is what a bundle will say of the adapter,
    but for its file, and None without a bundle."""

    adapter: Adapter | None
    root: Path | None
    entry: AdapterEntry | None = None


@dataclass(frozen=True, kw_only=True)
class ConversionPlan:
    """What is to be made: `variants` of a base, of the type `quant`. `final` is the file of a
    model, the folder of a bundle, or, for adapters that are added to one, its manifest. A model
    has one variant."""

    base: Base
    source: Source
    variants: tuple[Variant, ...]
    quant: str
    final: Path
    limits: QuantLimits
    importance: bool
    imatrix: Path | None

    def expected_size(self, quant: str) -> int:
        """Return about how many bytes a file of a type will have."""
        return _expected_size(self.source, quant)

    def title(self, variant: Variant) -> str:
        """Return what a model is called by people: its repository, else its adapter, else its
        base."""
        if variant.adapter is None:
            return self.base.name
        repository = Path(variant.adapter.manifest.repository).name
        return repository or variant.adapter.folder.resolve().name


@contextmanager
def planned(options: ConvertOptions) -> Iterator[ConversionPlan]:
    """Give the plan; adapters that are cut to a rank stand in temporary folders until the end.
    Raises BudgetAIError for everything the user can mend."""
    model = next((path for path in options.source if is_model(path)), None)
    if model is not None:
        _check_model_alone(options, model)
    folders = () if model is not None else options.source or (_newest_adapter(options),)
    with ExitStack() as stack:
        cuts = [rank_truncation.at_rank(path, options.rank, options.base) for path in folders]
        adapters = [stack.enter_context(cut) for cut in cuts]
        if options.add_to:
            yield _added(options, adapters, stack)
        else:
            yield _made(options, folders, adapters, stack)


def adapter_folder(options: ConvertOptions) -> Path:
    """Return the folder of a single adapter. Raises OptionError where there are several."""
    if len(options.source) > 1:
        raise OptionError(f"{len(options.source)} adapters at once", "Only a bundle holds several")
    return options.source[0] if options.source else _newest_adapter(options)


def is_model(path: Path) -> bool:
    """Return whether this is a model rather than an adapter: a file, a folder of one, or a known
    name. What begins with the name of a folder here is not a Hub id."""
    if (path / adapter_layout.CONFIG).is_file():
        # Whatever else lies there: some trainers leave the base's files beside the adapter.
        return False
    if path.is_file() or (path / "config.json").is_file():
        return True
    if path.exists() or (path.parts and Path(path.parts[0]).exists()):
        return False
    return base_models.is_name(str(path))


def _newest_adapter(options: ConvertOptions) -> Path:
    repo = options.repo or Path.cwd()
    if not repo.is_dir():
        raise RepositoryError(f"no such repository: {repo}", "Give --repo a folder that exists")
    newest = layout.newest_adapter(repo)
    if newest is None:
        raise AdapterError(f"no adapter for {repo.resolve()}", "Run budgetai-train first")
    return newest


def _made(
    options: ConvertOptions,
    folders: Sequence[Path],
    adapters: Sequence[Adapter],
    stack: ExitStack,
) -> ConversionPlan:
    """Return the plan of a model or of a bundle."""
    if len(adapters) > 1 and not options.bundle:
        raise OptionError(f"{len(adapters)} adapters at once", "Use --bundle to keep them apart")
    quant = llama_quantize.known(options.quant)
    _check_limits(options, quant)
    if adapters:
        base = base_models.located(adapters[0].manifest.base)
    else:
        base = base_models.resolve(str(options.source[0]))
    final = options.out or _default_final(options, folders, quant)
    _check_final(final, base, bundle=options.bundle)
    for other in adapters[1:]:
        if other.manifest.base.digest != adapters[0].manifest.base.digest:
            raise AdapterError(
                f"{other.folder.name} was trained on {other.manifest.base.location}, "
                f"{adapters[0].folder.name} on {adapters[0].manifest.base.location}",
                "A bundle has one base: convert them apart",
            )
    return _plan(options, base, adapters, quant, final, stack)


def _added(
    options: ConvertOptions, adapters: Sequence[Adapter], stack: ExitStack
) -> ConversionPlan:
    """Return the plan of adapters for a bundle that is there."""
    assert options.add_to is not None
    if options.bundle or options.out:
        raise OptionError("--add-to names a bundle that is there", "Leave --bundle and --out out")
    quant, digest = _base_of_bundle(options.add_to)
    for adapter in adapters:
        if adapter.manifest.base.digest != digest:
            raise AdapterError(
                f"{adapter.folder.name} was trained on {adapter.manifest.base.location}, which is "
                f"not the base of {options.add_to}",
                "Make a bundle of its own with --bundle",
            )
    base = base_models.located(adapters[0].manifest.base)
    return _plan(options, base, adapters, quant, options.add_to / MANIFEST, stack)


@dataclass(frozen=True, kw_only=True)
class _MadeBundle:
    """What the manifest of a bundle of ours says of its base."""

    base: BaseRecord
    base_file: str
    quant: str


def _base_of_bundle(folder: Path) -> tuple[str, str]:
    """Return the type of a bundle's base, and the digest of what that was made from. Raises
    ModelError if it is not a bundle, or broken."""
    Bundle.read(folder)
    try:
        made = structured(_MadeBundle, read_json(folder / MANIFEST))
    except ValueError:
        made = None
    if made is None or made.base_file != BUNDLE_BASE:
        raise ModelError(f"{folder} was not made by budgetai-convert", "Make it with --bundle")
    return made.quant, made.base.digest


def _plan(
    options: ConvertOptions,
    base: Base,
    adapters: Sequence[Adapter],
    quant: str,
    final: Path,
    stack: ExitStack,
) -> ConversionPlan:
    # From here on a base of the Hub is the commit that was found.
    base = base_weights.fetched(base)
    source = base_weights.open_source(base)
    single = not (options.bundle or options.add_to)
    for adapter in adapters:
        if adapter.own and not single:
            raise AdapterError(
                f"the adapter {adapter.folder.name} brings weights of its own "
                f"({adapter.own.names}), which a bundle cannot hold apart",
                "Leave --bundle out",
            )
        # A LoRA of a head that is the embedding, too, leaves the embedding as it is.
        parts = single and "lm_head" in adapter.updates and source.sizes.tied
        if (adapter.own or parts) and not options.own_weights:
            raise AdapterError(
                f"the adapter {adapter.folder.name} is more than updates of its base's layers: it "
                f"replaces {adapter.own.names or 'the head, which is the embedding, too'}",
                "Add --own-weights to merge it all the same",
            )
        tokenizer = single and (adapter.own.of_tokens or _brings_tokenizer(adapter, source))
        if adapter.own or parts or tokenizer:
            laid = own_weights.laid_in(
                base, adapter.own, adapter.origin, tokenizer=tokenizer, parts=parts
            )
            base = stack.enter_context(laid)
            source = base_weights.open_source(base)
    for adapter in adapters:
        merge.placed(source, adapter)
    _check_space(final.parent, source, quant)
    return ConversionPlan(
        base=base,
        source=source,
        variants=_variants(options, adapters),
        quant=quant,
        final=final,
        limits=QuantLimits(options.max_kld, options.max_size * 1e6),
        importance=options.importance,
        imatrix=options.imatrix,
    )


def _brings_tokenizer(adapter: Adapter, source: Source) -> bool:
    """Return whether the adapter's folder has a chat template or tokens that its base has not, and
    the model can have them."""
    metadata = source.metadata
    return (
        source.path.is_dir()
        and bool(gguf_tokenizer.left_out(adapter.origin, metadata))
        and gguf_tokenizer.extends(adapter.origin, metadata)
    )


def _variants(options: ConvertOptions, adapters: Sequence[Adapter]) -> tuple[Variant, ...]:
    if not adapters:
        return (Variant(adapter=None, root=_root(None, options)),)
    if not (options.bundle or options.add_to):
        return tuple(Variant(adapter=adapter, root=_root(adapter, options)) for adapter in adapters)
    variants: list[Variant] = []
    for adapter in adapters:
        entry = _entry(adapter)
        if options.bundle:
            names = [variant.entry.name for variant in variants if variant.entry]
            entry = dataclasses.replace(entry, name=_free(entry.name, names))
        variants.append(Variant(adapter=adapter, root=_root(adapter, options), entry=entry))
    return tuple(variants)


def _free(name: str, taken: Sequence[str]) -> str:
    """Return the name itself, or with the first number that makes it another."""
    free, count = name, 1
    while free in taken:
        count += 1
        free = f"{name}-{count}"
    return free


def _entry(adapter: Adapter) -> AdapterEntry:
    manifest = adapter.manifest
    repository = Path(manifest.repository.replace("\\", "/")).name
    told = f"{repository or adapter.folder.resolve().name}-{manifest.task}"
    return AdapterEntry(
        name=re.sub(r"[^A-Za-z0-9_.+-]+", "-", told).strip("-.")[:60],
        file="",
        task=manifest.task,
        rank=manifest.rank,
        repository=repository,
        trained=adapter.folder.resolve().name,
    )


def _root(adapter: Adapter | None, options: ConvertOptions) -> Path | None:
    """Return the repository named, or the one around the current folder if the adapter is of it."""
    if options.repo is not None:
        if not options.repo.is_dir():
            raise RepositoryError(f"no such repository: {options.repo}", "Give a folder")
        return options.repo
    if adapter is None or not adapter.manifest.repository:
        return None
    here = Path.cwd()
    return next((f for f in (here, *here.parents) if f.name == adapter.manifest.repository), None)


def _default_final(options: ConvertOptions, folders: Sequence[Path], quant: str) -> Path:
    """Return a path in the repository folder that the first adapter came from, else in that of the
    repository."""
    if not folders:
        raise OptionError(
            f"{options.source[0]} is not an adapter of a repository", "Name a file: --out"
        )
    place = folders[0].resolve()
    repositories = (layout.home() / "repositories").resolve()
    model = layout.new_model(options.repo or Path.cwd(), quant)
    if place.parent.name == "adapters" and place.parents[2] == repositories:
        model = place.parents[1] / "models" / model.name
    if options.bundle:
        return model.with_suffix("")
    return model.parents[1] / layout.CANDIDATES / model.name if options.gate else model


def _check_model_alone(options: ConvertOptions, model: Path) -> None:
    """Raise OptionError for what goes with adapters only."""
    if len(options.source) > 1:
        raise OptionError(f"{model} is a model, and more is named", "Convert one at a time")
    if options.base and not model.exists():
        raise OptionError(
            f"{model} is a model on the Hub, --base is the base of an adapter",
            f"Fetch an adapter with `hf download {model} --local-dir FOLDER` and name the folder",
        )
    if options.base:
        raise OptionError(f"--base {options.base}: {model} is not an adapter", "Leave it out")
    if options.rank:
        raise OptionError(f"--rank {options.rank}: {model} is not an adapter", "Leave it out")
    for flag, value in (("--bundle", options.bundle), ("--add-to", options.add_to)):
        if value:
            raise OptionError(f"{model} has no adapter to bundle", f"Leave {flag} out")


def _check_limits(options: ConvertOptions, quant: str) -> None:
    for name, value in (("--max-kld", options.max_kld), ("--max-size", options.max_size)):
        if not 0 <= value < math.inf:
            raise OptionError(f"{name} {value}", "Use a number from 0 on")
        if value and quant != AUTO:
            raise OptionError(f"{name} is for --quant auto", f"{quant} is one type")


def _check_final(final: Path, base: Base, *, bundle: bool) -> None:
    """Raise OptionError or StorageError when nothing can, or may, be written at `final`."""
    if bundle and final.exists():
        raise OptionError(
            f"--out {final} is there already", "Give another name, or use --add-to for an adapter"
        )
    if not bundle:
        _check_final_file(final, base)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=final.parent):
            pass
    except OSError as error:
        raise StorageError(f"cannot write to {final.parent}: {error.strerror}") from None


def _check_final_file(final: Path, base: Base) -> None:
    if final.suffix != ".gguf":
        raise OptionError(f"--out {final} does not end in .gguf")
    if final.is_dir():
        raise OptionError(f"--out {final} is a folder")
    if base.path is not None and final.resolve() == base.path:
        raise OptionError(f"--out {final} is the base itself", "Give another name")
    beside = ModelManifest.path(final)
    if beside.exists() and ModelManifest.find(final) is None:
        raise OptionError(
            f"{beside} is there and is not a manifest of ours", "Give --out another name"
        )
    for suffix in SIDECAR_SUFFIXES:
        sidecar = final.with_suffix(suffix)
        if sidecar.exists() and PROGRAM.encode() not in sidecar.read_bytes():
            raise OptionError(
                f"{sidecar} is there and was not written by {PROGRAM}", "Give --out another name"
            )


def _expected_size(source: Source, quant: str) -> int:
    shapes = {weight.name: weight.shape for weight in source.weights}
    header = sum(len(key) + len(value) for key, value in source.metadata.items())
    return header + expected_size(shapes, quant)


def _check_space(folder: Path, source: Source, quant: str) -> None:
    """Check the space. The F16 file and the quantised one stand side by side for a while; auto
    keeps about four more in the middle of its search. Raises StorageError."""
    size = _expected_size(source, "F16")
    more = {"F16": 0, AUTO: 2 * size}.get(quant)
    needed = size + (_expected_size(source, quant) if more is None else more)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageError(
            f"the disk is full: converting needs {_megabytes(needed)}, "
            f"{folder} has {_megabytes(free)} free"
        )


def _megabytes(size: int) -> str:
    return f"{math.ceil(size / 1e6):,} MB"
