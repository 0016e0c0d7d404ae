"""A base model and the adapters laid over it at run time, in one folder.

    <folder>/manifest.json    which files belong together, and what each adapter is for
    <folder>/base.gguf        the base, as it was before training
    <folder>/<name>.gguf      LoRA files, as llama.cpp reads them

The folder may come from anywhere: nothing outside of it is ever named by its manifest.
"""

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from budgetai_core.artifacts.atomic_write import read_json
from budgetai_core.artifacts.manifest import MANIFEST
from budgetai_core.artifacts.typed_json import structured
from budgetai_core.context.prompt import PROMPT_FORMAT
from budgetai_core.errors import ModelError

TASKS = ("completion", "docstring")
NO_ADAPTER = "none"
"""What an option says for the base alone; no adapter has this name."""

_NAME = re.compile(r"[\w.+-]{1,80}")
_MAX_MANIFEST_BYTES = 1_000_000
_MAX_SCALE = 1e6
_REMAKE = "Make the bundle again with budgetai-convert"


@dataclass(frozen=True, kw_only=True)
class AdapterEntry:
    """One adapter of a bundle. `scale` is a factor on its update; `languages` and `repository` say
    where it is to be used, none and "" everywhere. `size` in bytes and `sha256` are checked where
    they are given."""

    name: str = ""
    file: str
    task: str = "completion"
    rank: int = 0
    scale: float = 1.0
    languages: tuple[str, ...] = ()
    repository: str = ""
    trained: str = ""
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class _Manifest:
    """What a bundle's manifest says beside what a model's does; `size` is the base's."""

    adapters: tuple[AdapterEntry, ...]
    base_file: str
    prompt_format: int = PROMPT_FORMAT
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A folder whose manifest was read and found to be sound. Names of adapters differ."""

    folder: Path
    base_file: str
    adapters: tuple[AdapterEntry, ...]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the manifest of a bundle. Raises ModelError for a manifest that is missing, broken
        or of another prompt format, and for files that are not in the folder, or of other sizes
        than the manifest says."""
        manifest = _manifest(folder)
        adapters = tuple(_named(folder, entry) for entry in manifest.adapters)
        names = [entry.name for entry in adapters]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ModelError(f"the bundle {folder} has two adapters named {twice}", _REMAKE)
        _check_file(folder, manifest.base_file, manifest.size)
        return cls(folder=folder, base_file=manifest.base_file, adapters=adapters)

    @property
    def base(self) -> Path:
        return self.folder / self.base_file

    def path(self, entry: AdapterEntry) -> Path:
        return self.folder / entry.file

    def check(self, entry: AdapterEntry) -> None:
        """Read the adapter's file, and raise ModelError if it is not the one that was listed."""
        if not entry.sha256:
            return
        try:
            with self.path(entry).open("rb") as file:
                actual_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(f"{self.path(entry)} cannot be read: {error.strerror}") from None
        if actual_sha256 != entry.sha256:
            raise ModelError(f"{self.path(entry)} differs from what its bundle lists", _REMAKE)

    def adapter_for(
        self, task: str, language: str = "", repository: str = ""
    ) -> AdapterEntry | None:
        """Return the adapter to use: of the task, and for the language or for all. One that names
        the language goes before one that names none, then one of the repository before others, then
        the last in the list."""

        def fitness(place: int) -> tuple[bool, bool, int]:
            entry = self.adapters[place]
            return bool(entry.languages), bool(repository) and entry.repository == repository, place

        fitting = [
            place
            for place, entry in enumerate(self.adapters)
            if entry.task == task and (not entry.languages or language in entry.languages)
        ]
        return self.adapters[max(fitting, key=fitness)] if fitting else None

    def named(self, name: str) -> AdapterEntry | None:
        return next((entry for entry in self.adapters if entry.name == name), None)


def _manifest(folder: Path) -> _Manifest:
    path = folder / MANIFEST
    try:
        if path.stat().st_size > _MAX_MANIFEST_BYTES:
            raise ModelError(f"{path} is too large for a manifest", _REMAKE)
        manifest = structured(_Manifest, read_json(path))
    except FileNotFoundError:
        raise ModelError(f"no {MANIFEST} in {folder}", "Name a bundle or a .gguf file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}", _REMAKE) from None
    if manifest.prompt_format != PROMPT_FORMAT:
        raise ModelError(
            f"{path} was made for prompt format {manifest.prompt_format}, this server uses "
            f"{PROMPT_FORMAT}",
            "Run budgetai-train and budgetai-convert again",
        )
    return manifest


def _named(folder: Path, entry: AdapterEntry) -> AdapterEntry:
    """Return the entry with a name, its file looked at and its values found to make sense."""
    _check_file(folder, entry.file, entry.size)
    entry = dataclasses.replace(entry, name=entry.name or Path(entry.file).stem)
    wrong = ""
    if not _NAME.fullmatch(entry.name) or entry.name == NO_ADAPTER:
        wrong = f"the name {entry.name[:80]!r}"
    elif entry.task not in TASKS:
        wrong = f"the unknown task {entry.task[:80]!r}"
    elif not abs(entry.scale) <= _MAX_SCALE:
        wrong = f"the scale {str(entry.scale)[:80]}"
    if wrong:
        raise ModelError(f"{folder / MANIFEST}: the adapter {entry.file} has {wrong}", _REMAKE)
    return entry


def _check_file(folder: Path, name: str, listed_size: int) -> None:
    """Check that a file lies in the folder itself, not where a link leads, and has its size."""
    if name in ("", ".", "..") or set(name) & set("/\\:\0"):
        raise ModelError(f"{folder / MANIFEST} names the file {name!r}", _REMAKE)
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise ModelError(f"{path} is missing, or a link", _REMAKE)
    actual_size = path.stat().st_size
    if listed_size and listed_size != actual_size:
        raise ModelError(
            f"{path} has {actual_size} bytes, its manifest says {listed_size}", _REMAKE
        )
