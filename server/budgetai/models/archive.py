"""One file that brings a model to a colleague: a zip archive without compression.

    budgetai.json     what it is, for which repository, and of each file its size and sha256
    model.gguf, …     a model with what stands beside it, or the files of a bundle

The file may come from anywhere. Nothing is written that it does not list, nothing under another
name than a plain one, and nothing gets its final place before all of it was read and checked.
"""

import contextlib
import dataclasses
import hashlib
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from budgetai.models.inventory import BUNDLE, MODEL, Artifact
from budgetai_core import version
from budgetai_core.artifacts import gguf_header, layout
from budgetai_core.artifacts.atomic_write import read_json, replaced, write_json
from budgetai_core.artifacts.bundle import Bundle
from budgetai_core.artifacts.gguf_header import HeaderError
from budgetai_core.artifacts.manifest import MANIFEST
from budgetai_core.artifacts.typed_json import structured
from budgetai_core.context.prompt import PROMPT_FORMAT
from budgetai_core.errors import ModelError, RepositoryError, StorageError
from budgetai_core.repository.identity import Identity, identity

SUFFIX = ".budgetai"
ARCHITECTURES = ("llama", "granite", "smollm3", "qwen2", "qwen3", "starcoder2")
"""What budgetai-convert makes, by general.architecture."""

_LISTING, _STEM = "budgetai.json", "model"
_FORMAT = 1
_MAX_LISTING_BYTES, _MAX_FILES = 1_000_000, 200
_BLOCK = 1 << 22
_NAME = re.compile(r"(?!\.)[\w.+-]{1,150}")
_QUANT = re.compile(r"[A-Z0-9_]{2,8}|auto")
# Windows takes these for devices, with any ending.
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


@dataclass(frozen=True, kw_only=True)
class ArchivedFile:
    """A file in the archive, and what its bytes have to be."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What an archive says of itself. `repository` is its name, `identity` what it is known by."""

    format: int
    kind: str
    prompt_format: int
    repository: str
    files: tuple[ArchivedFile, ...]
    quant: str = ""
    identity: Identity = Identity()
    version: str = ""


def export(artifact: Artifact, target: Path) -> Listing:
    """Write a model or a bundle into one file. Paths of this machine are left out. Raises
    ModelError for a broken bundle."""
    sources = _sources(artifact)
    folder = layout.home() / "repositories" / artifact.repository
    with replaced(target) as temporary, _prepared(sources) as files:
        rows = tuple(_row(name, path) for name, path in sorted(files.items()))
        listing = Listing(
            format=_FORMAT,
            kind=artifact.kind,
            prompt_format=PROMPT_FORMAT,
            repository=artifact.repository_name,
            quant=artifact.name.rpartition("-")[2],
            identity=layout.remembered(folder) or Identity(),
            version=version(),
            files=rows,
        )
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_LISTING, json.dumps(dataclasses.asdict(listing), indent=2))
            for row in rows:
                archive.write(files[row.name], row.name)
    return listing


def _sources(artifact: Artifact) -> dict[str, Path]:
    if artifact.kind == BUNDLE:
        bundle = Bundle.read(artifact.path)
        names = [bundle.base_file, MANIFEST, *(entry.file for entry in bundle.adapters)]
        beside = [*artifact.path.glob("*.Modelfile"), *artifact.path.glob("README.md")]
        return {name: artifact.path / name for name in [*names, *(path.name for path in beside)]}
    return {f"{_STEM}{path.suffix}": path for path in artifact.files}


@contextlib.contextmanager
def _prepared(sources: dict[str, Path]) -> Iterator[dict[str, Path]]:
    """Give the files as they go into the archive: a manifest names its base, and does not say where
    on this machine it lies."""
    with _temporary_folder(layout.home()) as folder:
        files = dict(sources)
        for name, path in sources.items():
            if path.suffix == ".json":
                files[name] = folder / name
                write_json(files[name], _without_paths(read_json(path)))
        yield files


@contextlib.contextmanager
def _temporary_folder(parent: Path) -> Iterator[Path]:
    """Give a folder that the user alone can read."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".archive-", suffix=".tmp", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _without_paths(manifest: Any) -> Any:
    base = manifest.get("base", {}) if isinstance(manifest, dict) else {}
    if not isinstance(base, dict) or base.get("kind") == "hub":
        return manifest
    location = str(base.get("location", "")).replace("\\", "/").rstrip("/")
    return manifest | {"base": base | {"location": location.rpartition("/")[2]}}


def _row(name: str, path: Path) -> ArchivedFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ArchivedFile(name=name, size=path.stat().st_size, sha256=digest)


def import_archive(source: Path, root: Path, *, any_repository: bool = False) -> Path:
    """Check an archive, and put what is in it where the repository at `root` finds it. Returns the
    model's place. Raises ModelError for an archive that is cut short, broken, of another kind or
    version, RepositoryError for one of another repository, StorageError where there is no room."""
    with _opened(source) as archive:
        listing = _listing(archive, source)
        root = root if any_repository else _same_folder(listing, root)
        _check_room(listing)
        quant = listing.quant if _QUANT.fullmatch(listing.quant) else "model"
        final = layout.new_model(root, quant)
        if final.exists() or final.with_suffix("").exists():
            raise ModelError(f"{final} is there already", "Try again in a second")
        with _temporary_folder(final.parent) as temporary:
            folder = temporary / "checked"
            folder.mkdir()
            for row in listing.files:
                _extract(archive, row, folder / row.name, source)
            _check_content(listing, folder, source)
            if listing.kind == BUNDLE:
                final = folder.rename(final.with_suffix(""))
            else:
                _put_beside(folder, final)
    layout.remember(root)
    return final


def _put_beside(folder: Path, final: Path) -> None:
    """Move a model and what stands beside it to their place. The model comes last: the server looks
    for it."""
    for path in sorted(folder.iterdir(), key=lambda path: path.suffix == ".gguf"):
        path.rename(final.with_suffix(path.suffix))


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(source) as archive:
            yield archive
    except FileNotFoundError:
        raise ModelError(f"there is no {source}", "Name a file that `export` made") from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError(
            f"{source} is cut short, or not a file that `budgetai models export` made: {error}",
            "Fetch it again",
        ) from None


def _listing(archive: zipfile.ZipFile, source: Path) -> Listing:
    """Read what the archive says of itself, and compare that with what is in it."""
    entries = archive.infolist()
    listing = _read_listing(archive, source)
    sizes = {row.name: row.size for row in listing.files}
    names = sorted(entry.filename for entry in entries)
    if len(names) > _MAX_FILES or names != sorted([_LISTING, *sizes]):
        raise _broken(source, "it holds other files than it lists")
    for entry in entries:
        _check_entry(entry, sizes, source)
    if listing.kind not in (MODEL, BUNDLE):
        raise _broken(source, f"it holds a {listing.kind[:40]!r}")
    if listing.prompt_format != PROMPT_FORMAT:
        raise ModelError(
            f"{source} was made for prompt format {listing.prompt_format}, this version uses "
            f"{PROMPT_FORMAT}",
            "Use the same version of BudgetAI on both sides",
        )
    return listing


def _read_listing(archive: zipfile.ZipFile, source: Path) -> Listing:
    try:
        size = archive.getinfo(_LISTING).file_size
    except KeyError:
        raise ModelError(f"{source} was not made by `budgetai models export`") from None
    if size > _MAX_LISTING_BYTES:
        raise _broken(source, f"{_LISTING} is too large")
    try:
        values = json.loads(archive.read(_LISTING))
        if isinstance(values, dict) and values.get("format") != _FORMAT:
            raise ModelError(f"{source} is of another format", "Install a newer BudgetAI")
        return structured(Listing, values)
    except (ValueError, RecursionError) as error:
        raise _broken(source, str(error)) from None


def _check_entry(entry: zipfile.ZipInfo, sizes: dict[str, int], source: Path) -> None:
    """Refuse what would be written elsewhere, grow, or be no plain file."""
    name = entry.filename
    if not _NAME.fullmatch(name) or _DEVICES.fullmatch(name) or name.endswith("."):
        raise _broken(source, f"it names the file {name[:80]!r}")
    stored = entry.compress_type == zipfile.ZIP_STORED and entry.compress_size == entry.file_size
    link = (entry.external_attr >> 16) & 0o170000 not in (0, 0o100000)
    if not stored or link or entry.flag_bits & 1:
        raise _broken(source, f"{name} is packed, encrypted or a link")
    if name != _LISTING and entry.file_size != sizes[name]:
        raise _broken(source, f"{name} has {entry.file_size} bytes, {sizes[name]} are listed")


def _broken(source: Path, reason: str) -> ModelError:
    return ModelError(f"{source} is broken: {reason}", "Have it exported again")


def _same_folder(listing: Listing, root: Path) -> Path:
    """Return the folder of the repository at `root` that the model was made for. Raises
    RepositoryError for another repository, as far as the two can be told apart."""
    own, theirs = identity(root), listing.identity
    if own is None:
        return root
    if own.is_same_repository(theirs):
        top = root.resolve().parents[len(Path(own.prefix).parts) - 1] if own.prefix else root
        return top / theirs.prefix
    if (own.root_commit and theirs.root_commit) or (own.remote and theirs.remote):
        raise RepositoryError(
            f"the model was made for another repository ({listing.repository[:80]})",
            "Name the right one with --repo, or add --any-repository",
        )
    return root


def _check_room(listing: Listing) -> None:
    needed = sum(row.size for row in listing.files)
    layout.home().mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(layout.home()).free
    if needed > free:
        raise StorageError(
            f"{needed / 1e6:,.0f} MB are needed, {free / 1e6:,.0f} MB are free",
            "Remove models: budgetai models list",
        )


def _extract(archive: zipfile.ZipFile, row: ArchivedFile, target: Path, source: Path) -> None:
    hasher = hashlib.sha256()
    with archive.open(row.name) as packed, target.open("xb") as file:
        for block in _blocks(packed):
            hasher.update(block)
            file.write(block)
    if hasher.hexdigest() != row.sha256:
        raise _broken(source, f"{row.name} differs from what is listed")


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _check_content(listing: Listing, folder: Path, source: Path) -> None:
    """Look into the files: a model of a family that we make, and of our prompt format."""
    if listing.kind == BUNDLE:
        bundle = Bundle.read(folder)
        for entry in bundle.adapters:
            bundle.check(entry)
        _check_model(bundle.base, source)
        return
    names = {row.name for row in listing.files}
    if f"{_STEM}.gguf" not in names or any(Path(name).stem != _STEM for name in names):
        raise _broken(source, "it holds other files than those of a model")
    _check_model(folder / f"{_STEM}.gguf", source)


def _check_model(path: Path, source: Path) -> None:
    try:
        header = gguf_header.read(path)
        known = {
            key: gguf_header.unpack(value)
            for key, value in header.metadata.items()
            if key in ("general.type", "general.architecture", "budgetai.prompt_format")
        }
    except (HeaderError, ValueError) as error:
        raise _broken(source, f"its model {error}") from None
    if any(entry.offset >= header.size for entry in header.tensors.values()):
        raise _broken(source, "its model is cut short")
    if known.get("general.type", "model") != "model" or not header.tensors:
        raise _broken(source, "its GGUF file is not a model")
    architecture = str(known.get("general.architecture", ""))
    if architecture not in ARCHITECTURES:
        raise ModelError(
            f"{source} holds a model of the architecture {architecture[:40]!r}",
            f"Those of {', '.join(ARCHITECTURES)} are served",
        )
    if known.get("budgetai.prompt_format", PROMPT_FORMAT) != PROMPT_FORMAT:
        raise _broken(source, "its model is of another prompt format")
