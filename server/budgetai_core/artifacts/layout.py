"""Where adapters and models of a repository are kept.

    <home>/repositories/<name>-<digest of its path>/
        adapters/<time>/        PEFT adapter and manifest.json
        adapters/<time>.partial/  a run that is not finished: checkpoints
        models/<time>-<quant>.gguf and <same name>.json
        models/<time>-<quant>/    a bundle: a base, adapters and manifest.json
        usage.sqlite            what was shown and accepted, in numbers
    <home>/bases/<digest>-2/    a GGUF base unpacked for training; may be removed at any time

The home is outside every workspace, so that a cloned repository cannot choose what is loaded.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from budgetai_core.artifacts.manifest import MANIFEST

PARTIAL = ".partial"
RUN_FILE = "run.json"
# What version 1 left, transformers had read: without the rope of Llama 3.
_UNPACKED_VERSION = 2


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


def unpacked_base(digest: str) -> Path:
    """Return where the plain weights of the GGUF base with this digest are kept, as this version
    unpacks them."""
    return home() / "bases" / f"{digest[:20]}-{_UNPACKED_VERSION}"


def stamp() -> str:
    """Return a folder name that sorts by time."""
    return time.strftime("%Y%m%d-%H%M%S")


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


def usage(root: Path) -> Path:
    """Return the ledger of what was shown in the repository and what became of it."""
    return repository_folder(root) / "usage.sqlite"


def newest_adapter(root: Path) -> Path | None:
    """Return the newest finished adapter of the repository, or of the nearest folder above
    `root`."""
    return _newest(root, "adapters/*/manifest.json")


def newest_partial(root: Path) -> Path | None:
    """Return the newest training run that was not finished."""
    run_files = sorted((repository_folder(root) / "adapters").glob(f"*{PARTIAL}/{RUN_FILE}"))
    return run_files[-1].parent if run_files else None


def newest_model(root: Path) -> Path | None:
    """Return the newest model made for the repository, or for the nearest folder above `root`: a
    GGUF file, or the folder of a bundle."""
    return _newest(root, "models/*.gguf", "models/*/manifest.json")


def _newest(root: Path, *patterns: str) -> Path | None:
    """Return the last by name of what is found, a manifest standing for its folder."""
    for folder in _upwards(root.resolve()):
        paths = [path for pattern in patterns for path in repository_folder(folder).glob(pattern)]
        candidates = [path.parent if path.name == MANIFEST else path for path in paths]
        # A folder that is being written has a name that is not its own yet.
        done = [path for path in candidates if path.suffix != PARTIAL and path.name[0] != "."]
        if done:
            return max(done, key=lambda path: path.name)
    return None


def _upwards(root: Path) -> Iterator[Path]:
    yield root
    yield from root.parents
