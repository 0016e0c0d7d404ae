"""What a conversion is to make, with everything refused that can be before any work."""

import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from budgetai_convert import merge, quantize, slices, source, writer
from budgetai_convert.adapter import Adapter
from budgetai_convert.auto import Limits
from budgetai_convert.options import AUTO, ConvertOptions
from budgetai_convert.source import Source
from budgetai_server.artefacts import bases, home
from budgetai_server.artefacts.bases import Base
from budgetai_server.artefacts.manifest import ModelManifest
from budgetai_server.errors import AdapterError, OptionError, RepositoryError, StorageError


@dataclass(frozen=True)
class Job:
    """What is to be made: from which base and adapter, of which type, at which path. `root` is
    the repository whose code is read, if it is there."""

    base: Base
    adapter: Adapter | None
    source: Source
    quant: str
    final: Path
    root: Path | None
    limits: Limits
    importance: bool
    imatrix: Path | None
    bundle: bool
    card: bool


def prepared(options: ConvertOptions, adapter: Adapter | None) -> Job:
    """Raises BudgetAIError for everything the user can mend."""
    quant = quantize.known(options.quant)
    _check_limits(options, quant)
    given = str(options.source)
    base = bases.located(adapter.manifest.base) if adapter else bases.resolve(given)
    if options.bundle and adapter is None:
        raise OptionError(f"{options.source} has no adapter to bundle", "Leave --bundle out")
    final = options.out or _shelved(adapter, options, quant)
    _check_place(final, base, bundle=options.bundle)
    opened = source.open_source(base)
    if adapter:
        merge.placed(opened, adapter)
    _check_space(final, writer.size_of(opened.weights), quant)
    return Job(
        base=base,
        adapter=adapter,
        source=opened,
        quant=quant,
        final=final,
        root=_root(adapter, options),
        limits=Limits(options.max_kld, options.max_size * 1e6),
        importance=options.importance,
        imatrix=options.imatrix,
        bundle=options.bundle,
        card=options.card,
    )


def _check_limits(options: ConvertOptions, quant: str) -> None:
    for name, value in (("--max-kld", options.max_kld), ("--max-size", options.max_size)):
        if not 0 <= value < math.inf:
            raise OptionError(f"{name} {value}", "Use a number from 0 on")
        if value and quant != AUTO:
            raise OptionError(f"{name} is for --quant auto", f"{quant} is one type")


@contextmanager
def adapter_at_rank(options: ConvertOptions) -> Iterator[Adapter | None]:
    """The adapter, cut to the rank that is wanted; None for a model that is converted as it is."""
    if not _is_model(options.source):
        with slices.at_rank(adapter_folder(options), options.rank) as found:
            yield found
        return
    if options.rank:
        raise OptionError(f"--rank {options.rank}: {options.source} is no adapter", "Leave it out")
    yield None


def _is_model(given: Path | None) -> bool:
    return given is not None and (given.is_file() or (given / "config.json").is_file())


def adapter_folder(options: ConvertOptions) -> Path:
    """The folder named, or the newest one of the repository."""
    if options.source is not None:
        return options.source
    repo = options.repo or Path.cwd()
    if not repo.is_dir():
        raise RepositoryError(f"no such repository: {repo}", "Give --repo a folder that exists")
    found = home.newest_adapter(repo)
    if found is None:
        raise AdapterError(f"no adapter for {repo.resolve()}", "Run budgetai-train first")
    return found


def _root(adapter: Adapter | None, options: ConvertOptions) -> Path | None:
    """The repository named, or the one around the current folder if the adapter is of it."""
    if options.repo is not None:
        if not options.repo.is_dir():
            raise RepositoryError(f"no such repository: {options.repo}", "Give a folder")
        return options.repo
    if adapter is None:
        return None
    here = Path.cwd()
    return next((f for f in (here, *here.parents) if f.name == adapter.manifest.repository), None)


def _shelved(adapter: Adapter | None, options: ConvertOptions, quant: str) -> Path:
    """On the shelf the adapter came from, else on that of the repository."""
    if adapter is None:
        raise OptionError(f"{options.source} is no adapter of a repository", "Name a file: --out")
    if options.bundle:
        raise OptionError("a bundle needs a place", "Name a folder: --out")
    # A cut stands elsewhere.
    place = adapter_folder(options).resolve()
    shelves = (home.home() / "repositories").resolve()
    if place.parent.name == "adapters" and place.parents[2] == shelves:
        return place.parents[1] / "models" / f"{home.stamp()}-{quant}.gguf"
    return home.new_model(options.repo or Path.cwd(), quant)


def _check_place(final: Path, base: Base, *, bundle: bool) -> None:
    """Raises OptionError or StorageError when nothing can, or may, be written at `final`."""
    if bundle and final.exists():
        raise OptionError(f"--out {final} is there already", "Give another name for the folder")
    if not bundle:
        _check_file(final, base)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=final.parent):
            pass
    except OSError as error:
        raise StorageError(f"cannot write to {final.parent}: {error.strerror}") from None


def _check_file(final: Path, base: Base) -> None:
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


def _check_space(final: Path, size: int, quant: str) -> None:
    """The F16 file and the quantised one stand side by side for a while; auto keeps about four
    more in the middle of its search."""
    more = {"F16": 0, AUTO: 2 * size}.get(quant)
    needed = size + (quantize.expected_size(size, quant) if more is None else more)
    free = shutil.disk_usage(final.parent).free
    if needed > free:
        raise StorageError(
            f"the disk is full: converting needs {_megabytes(needed)}, "
            f"{final.parent} has {_megabytes(free)} free"
        )


def _megabytes(size: int) -> str:
    return f"{math.ceil(size / 1e6):,} MB"


@contextmanager
def claimed(final: Path) -> Iterator[None]:
    """Keep other conversions from writing `final`, and clear away what killed ones have left.

    The lock is the system's, so that it goes with its process. Raises StorageError.
    """
    lock = final.parent / f".{final.name}.lock"
    with lock.open("w") as held:
        if not (_locked(held.fileno()) and _still_there(lock, held.fileno())):
            raise StorageError(f"another conversion is writing {final}", "Wait for it to end")
        try:
            _sweep(final.parent, lock)
            yield
        finally:
            lock.unlink(missing_ok=True)


def _locked(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:
        # Windows: files that are open cannot be replaced there anyway.
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _still_there(lock: Path, descriptor: int) -> bool:
    """Between opening and locking, the one before may have taken its lock file away."""
    return lock.exists() and os.path.samestat(lock.stat(), os.fstat(descriptor))


def _sweep(folder: Path, own: Path) -> None:
    """What stands beside a lock that nobody holds belongs to nobody."""
    for lock in folder.glob(".*.lock"):
        with suppress(OSError), lock.open("r+") as held:
            if lock != own and not _locked(held.fileno()):
                continue
            for left in folder.glob(f"{lock.name.removesuffix('.lock')}.*"):
                if left != own:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
