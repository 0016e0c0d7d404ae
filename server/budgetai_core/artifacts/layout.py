"""Where adapters and models of a repository are kept.

    <home>/repositories/<name>-<digest of its path>/
        repository.json         what the repository is known by under any path
        adapters/<time>/        PEFT adapter and manifest.json
        adapters/<time>.partial/  a run that is not finished: checkpoints
        models/<time>-<quant>.gguf and <same name>.json
        models/<time>-<quant>/    a bundle: a base, adapters and manifest.json
        candidates/<time>-<quant>.gguf  a model that is not served, or not yet: see `promotion`
        promotion.json          what became of the newest candidate, and why
        usage.sqlite            what was shown and accepted, in numbers
    <home>/base_models/         bases the user has added: <name>.gguf
    <home>/bases/<digest>-2/    a GGUF base unpacked for training; may be removed at any time

The home is outside every workspace, so that a cloned repository cannot choose what is loaded.
"""

import contextlib
import dataclasses
import hashlib
import os
import re
import time
from pathlib import Path

import platformdirs

from budgetai_core.artifacts.atomic_write import read_json, write_json
from budgetai_core.artifacts.manifest import MANIFEST
from budgetai_core.artifacts.typed_json import structured
from budgetai_core.repository.identity import Identity, identity

PARTIAL = ".partial"
RUN_FILE = "run.json"
CANDIDATES = "candidates"
# A name that leads nowhere else.
_PLAIN = re.compile(r"(?!\.)[\w.+-]{1,100}")
_IDENTITY_FILE = "repository.json"
# What version 1 left, transformers had read: without the rope of Llama 3.
_UNPACKED_VERSION = 2
_MODELS = ("models/*.gguf", "models/*/manifest.json")


def home() -> Path:
    """Return the user's data folder for BudgetAI; the environment variable BUDGETAI_HOME overrides
    it."""
    override = os.environ.get("BUDGETAI_HOME")
    return Path(override) if override else platformdirs.user_data_path("budgetai", appauthor=False)


def repository_folder(root: Path) -> Path:
    """Return the folder that holds everything made for the repository at `root`."""
    resolved = root.resolve()
    digest = hashlib.sha256(str(resolved).encode("utf-8", "surrogateescape")).hexdigest()[:10]
    return home() / "repositories" / f"{resolved.name or 'root'}-{digest}"


def repository_folders() -> list[Path]:
    """Return the folders of all repositories something was made for."""
    try:
        return sorted(path for path in (home() / "repositories").iterdir() if path.is_dir())
    except OSError:
        return []


def remember(root: Path) -> None:
    """Note by what the repository at `root` is known, so that what was made for it is found from
    another clone. Does nothing where that is noted, where nothing was made, and without git."""
    folder = repository_folder(root)
    if not folder.is_dir() or (folder / _IDENTITY_FILE).exists():
        return
    # What cannot be noted is still found by its path.
    with contextlib.suppress(OSError, UnicodeError):
        if known := identity(root):
            write_json(folder / _IDENTITY_FILE, dataclasses.asdict(known))


def remembered(folder: Path) -> Identity | None:
    """Return by what the repository is known for which a folder of `repository_folders` was
    made."""
    try:
        return structured(Identity, read_json(folder / _IDENTITY_FILE))
    except (OSError, ValueError, RecursionError):
        return None


def base_models() -> Path:
    """Return the folder of bases that the user has added."""
    return home() / "base_models"


def added_base(name: str) -> Path | None:
    """Return the base that the user has added under a name, None where there is none."""
    path = base_models() / f"{name}.gguf"
    return path if _PLAIN.fullmatch(name) and path.is_file() else None


def unpacked_bases() -> list[Path]:
    """Return the folders of GGUF bases that were unpacked for training."""
    folder = home() / "bases"
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def unpacked_base(digest: str) -> Path:
    """Return where the plain weights of the GGUF base with this digest are kept, as this version
    unpacks them."""
    return home() / "bases" / f"{digest[:20]}-{_UNPACKED_VERSION}"


def stamp(second: float | None = None) -> str:
    """Return a folder name that sorts by time: that of now, or of a second since the epoch."""
    return time.strftime("%Y%m%d-%H%M%S", time.localtime(second))


def new_adapter(root: Path) -> Path:
    """Return a path for a new adapter that nothing has yet."""
    folder = repository_folder(root) / "adapters"
    name = base = stamp()
    count = 1
    while (folder / name).exists() or (folder / (name + PARTIAL)).exists():
        count += 1
        name = f"{base}-{count}"
    return folder / name


def new_model(root: Path, quant: str) -> Path:
    return repository_folder(root) / "models" / f"{stamp()}-{quant}.gguf"


def candidates_in(folder: Path) -> list[Path]:
    """Return the candidates in a folder of `repository_folders`, oldest first."""
    return _finished(folder, f"{CANDIDATES}/*.gguf")


def usage(root: Path) -> Path:
    """Return the ledger of what was shown in the repository and what became of it."""
    return repository_folder(root) / "usage.sqlite"


def newest_adapter(root: Path) -> Path | None:
    """Return the newest finished adapter of the repository, or of the nearest folder above `root`;
    where there is none, of another clone of the repository."""
    return _newest(root, "adapters/*/manifest.json")


def newest_partial(root: Path) -> Path | None:
    """Return the newest training run that was not finished."""
    run_files = sorted((repository_folder(root) / "adapters").glob(f"*{PARTIAL}/{RUN_FILE}"))
    return run_files[-1].parent if run_files else None


def newest_model(root: Path) -> Path | None:
    """Return the newest model made for the repository, or for the nearest folder above `root`;
    where there is none, for another clone of the repository: a GGUF file, or the folder of a
    bundle."""
    return _newest(root, *_MODELS)


def models_in(folder: Path) -> list[Path]:
    """Return the models in a folder of `repository_folders`, oldest first."""
    return _finished(folder, *_MODELS)


def adapters_in(folder: Path) -> list[Path]:
    """Return the finished adapters in a folder of `repository_folders`, oldest first."""
    return _finished(folder, "adapters/*/manifest.json")


def folders_of(root: Path) -> list[Path]:
    """Return the folders that may hold what was made for `root`, the nearest first: by its path
    and those above, then by what its repository is known by."""
    own = [repository_folder(folder) for folder in (root.resolve(), *root.resolve().parents)]
    return [*filter(Path.is_dir, own), *_of_other_clones(root, set(own))]


def _newest(root: Path, *patterns: str) -> Path | None:
    """Return the last by name of what is found in the nearest place that has any."""
    for folder in (root.resolve(), *root.resolve().parents):
        if finished := _finished(repository_folder(folder), *patterns):
            return finished[-1]
    for folder in _of_other_clones(root, set()):
        if finished := _finished(folder, *patterns):
            return finished[-1]
    return None


def _finished(folder: Path, *patterns: str) -> list[Path]:
    """Return what is found in the order of names, a manifest standing for its folder."""
    paths = [path for pattern in patterns for path in folder.glob(pattern)]
    candidates = [path.parent if path.name == MANIFEST else path for path in paths]
    # A folder that is being written has a name that is not its own yet.
    finished = [path for path in candidates if path.suffix != PARTIAL and path.name[0] != "."]
    return sorted(finished, key=lambda path: path.name)


def _of_other_clones(root: Path, known: set[Path]) -> list[Path]:
    """Return the folders made for the repository under another path: of those of the innermost
    folder first, of these the last that got a model or an adapter."""
    noted = [(folder, remembered(folder)) for folder in repository_folders()]
    others = [(folder, entry) for folder, entry in noted if entry and folder not in known]
    # git is asked only where that can lead to something.
    own = identity(root) if others else None
    if own is None:
        return []
    same = [(folder, entry) for folder, entry in others if own.lies_in(entry)]

    def fitness(pair: tuple[Path, Identity]) -> tuple[int, str]:
        made = [*models_in(pair[0]), *adapters_in(pair[0])]
        return len(pair[1].prefix), max((path.name for path in made), default="")

    return [folder for folder, _ in sorted(same, key=fitness, reverse=True)]
