"""Where the result goes, and whether it can go there."""

import math
import shutil
import tempfile
from pathlib import Path

from budgetai_convert.options import AUTO, ConvertOptions
from budgetai_convert.quantize import llama_quantize
from budgetai_core.artifacts import layout
from budgetai_core.artifacts.base_models import Base
from budgetai_core.artifacts.manifest import ModelManifest
from budgetai_core.errors import OptionError, StorageError


def shelved(folder: Path, options: ConvertOptions, quant: str) -> Path:
    """On the shelf that the adapter in `folder` came from, else on that of the repository."""
    place = folder.resolve()
    shelves = (layout.home() / "repositories").resolve()
    if place.parent.name == "adapters" and place.parents[2] == shelves:
        model = place.parents[1] / "models" / f"{layout.stamp()}-{quant}.gguf"
    else:
        model = layout.new_model(options.repo or Path.cwd(), quant)
    return model.with_suffix("") if options.bundle else model


def check(final: Path, base: Base, *, bundle: bool) -> None:
    """Raises OptionError or StorageError when nothing can, or may, be written at `final`."""
    if bundle and final.exists():
        raise OptionError(
            f"--out {final} is there already", "Give another name, or use --add-to for an adapter"
        )
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


def check_space(folder: Path, size: int, quant: str) -> None:
    """The F16 file of `size` bytes and the quantised one stand side by side for a while; auto
    keeps about four more in the middle of its search. Raises StorageError."""
    more = {"F16": 0, AUTO: 2 * size}.get(quant)
    needed = size + (llama_quantize.expected_size(size, quant) if more is None else more)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageError(
            f"the disk is full: converting needs {_megabytes(needed)}, "
            f"{folder} has {_megabytes(free)} free"
        )


def _megabytes(size: int) -> str:
    return f"{math.ceil(size / 1e6):,} MB"
