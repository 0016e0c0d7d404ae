"""A base model and the adapters laid over it at run time, in one folder.

    <folder>/manifest.json    which files belong together, and what each adapter is for
    <folder>/base.gguf        the base, as it was before training
    <folder>/<name>.gguf      LoRA files, as llama.cpp reads them

The folder may come from anywhere: nothing outside of it is ever named by its manifest.
"""

import hashlib
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from budgetai_core.artifacts.atomic_write import read_json
from budgetai_core.artifacts.manifest import MANIFEST
from budgetai_core.context.prompt import PROMPT_FORMAT
from budgetai_core.errors import ModelError

TASKS = ("completion", "docstring")
NO_ADAPTER = "none"
"""What an option says for the base alone; no adapter has this name."""

_NAME = re.compile(r"[\w.+-]{1,80}")
_LARGEST_MANIFEST = 1_000_000
_LARGEST_SCALE = 1e6
_REMAKE = "Make the bundle again with budgetai-convert"


@dataclass(frozen=True, kw_only=True)
class AdapterEntry:
    """One adapter of a bundle. `scale` is a factor on its update; `languages` and `repository` say
    where it is to be used, none and "" everywhere. `size` in bytes and `sha256` are checked where
    they are given."""

    name: str
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
class Bundle:
    """A folder whose manifest was read and found to be sound. Names of adapters differ."""

    folder: Path
    base_file: str
    adapters: tuple[AdapterEntry, ...]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises ModelError for a manifest that is missing, broken or of another prompt format,
        and for files that are not in the folder, or of other sizes than the manifest says."""
        values = _manifest(folder)
        adapters = tuple(_entry(folder, one) for one in _list(folder, values))
        names = [entry.name for entry in adapters]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ModelError(f"the bundle {folder} has two adapters named {twice}", _REMAKE)
        base = values.get("base_file")
        _check_file(folder, base, values.get("size"))
        return cls(folder=folder, base_file=str(base), adapters=adapters)

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
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(f"{self.path(entry)} cannot be read: {error.strerror}") from None
        if found != entry.sha256:
            raise ModelError(f"{self.path(entry)} differs from what its bundle lists", _REMAKE)

    def adapter_for(
        self, task: str, language: str = "", repository: str = ""
    ) -> AdapterEntry | None:
        """The adapter to use: of the task, and for the language or for all. One that names the
        language goes before one that names none, then one of the repository before others, then
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


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        if path.stat().st_size > _LARGEST_MANIFEST:
            raise ModelError(f"{path} is too large for a manifest", _REMAKE)
        values = read_json(path)
    except FileNotFoundError:
        raise ModelError(f"no {MANIFEST} in {folder}", "Name a bundle or a .gguf file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}", _REMAKE) from None
    if not isinstance(values, dict):
        raise ModelError(f"{path} is no manifest", _REMAKE)
    found = values.get("prompt_format", PROMPT_FORMAT)
    if found != PROMPT_FORMAT:
        raise ModelError(
            f"{path} was made for prompt format {found!r}, this server uses {PROMPT_FORMAT}",
            "Run budgetai-train and budgetai-convert again",
        )
    return values


def _list(folder: Path, values: dict[str, Any]) -> list[dict[str, Any]]:
    found = values.get("adapters")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ModelError(f"{folder / MANIFEST} lists no adapters", _REMAKE)
    return found


def _entry(folder: Path, values: dict[str, Any]) -> AdapterEntry:
    """An entry whose values are all of their types, with its file looked at."""
    file = values.get("file")
    _check_file(folder, file, values.get("size"))
    known = {one.name for one in fields(AdapterEntry)}
    given = {"name": Path(str(file)).stem} | {k: v for k, v in values.items() if k in known}
    if isinstance(given.get("languages"), list):
        given["languages"] = tuple(given["languages"])
    entry = AdapterEntry(**given)
    if wrong := _wrong(entry):
        raise ModelError(f"{folder / MANIFEST}: the adapter {file} has {wrong}", _REMAKE)
    return entry


def _wrong(entry: AdapterEntry) -> str:
    """The first value that is not what it has to be, in words; "" if all are."""
    texts = (entry.name, entry.task, entry.repository, entry.trained, entry.sha256)
    if not all(isinstance(text, str) for text in texts):
        return "a value that is no text"
    if not _NAME.fullmatch(entry.name) or entry.name == NO_ADAPTER:
        return f"the name {entry.name[:80]!r}"
    if entry.task not in TASKS:
        return f"the unknown task {entry.task[:80]!r}"
    if not isinstance(entry.languages, tuple) or not all(
        isinstance(one, str) for one in entry.languages
    ):
        return "languages that are no list of names"
    if isinstance(entry.scale, bool) or not isinstance(entry.scale, int | float):
        return "a scale that is no number"
    return "" if abs(entry.scale) <= _LARGEST_SCALE else f"the scale {str(entry.scale)[:80]}"


def _check_file(folder: Path, name: object, size: object) -> None:
    """A file of the folder itself, of the size it has to be; not what a link there leads to."""
    if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\:\0"):
        raise ModelError(f"{folder / MANIFEST} names the file {name!r}", _REMAKE)
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise ModelError(f"{path} is missing, or a link", _REMAKE)
    found = path.stat().st_size
    if size and size != found:
        raise ModelError(f"{path} has {found} bytes, its manifest says {size}", _REMAKE)
