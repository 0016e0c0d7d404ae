"""How a candidate becomes the model that is served, or does not; and what is noted of it.

A candidate stands where no server looks. It is moved, with what stands beside it, into the folder
of models once it may be served; the note says what became of the newest one. Of candidates that
are not served, the newest is kept and no other.
"""

import dataclasses
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from budgetai_core.artifacts import layout
from budgetai_core.artifacts.atomic_write import read_json, replaced, write_json
from budgetai_core.artifacts.typed_json import structured
from budgetai_core.errors import ModelError

SERVED, REFUSED, WAITS = "served", "refused", "waits"
"""What becomes of a candidate: it waits where too little is known to replace another by it."""
SIDECARS = (".json", ".md", ".svg", ".Modelfile")
"""What stands beside a model's file and goes with it."""
SCRATCH = ".base-"
"""What the names of folders begin with in which a base is made to compare with."""
_SCRATCH_SECONDS = 24 * 3600.0
_MODELS, _NOTE = "models", "promotion.json"


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What became of a candidate. `model` is its file, where it is now; `serves` what is served
    since then; `reason` a sentence; `measures` hold by name both means, their difference and its
    interval, over `lines` lines that were judged."""

    outcome: str
    reason: str
    model: str
    serves: str = ""
    adapter: str = ""
    against: str = ""
    judged: str = ""
    lines: int = 0
    measures: dict[str, tuple[float, ...]] = field(default_factory=dict)
    finished: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%S"))

    def write(self, folder: Path) -> None:
        """Note it in a folder of `layout.repository_folders`."""
        write_json(folder / _NOTE, dataclasses.asdict(self))

    @classmethod
    def find(cls, folder: Path) -> "Promotion | None":
        """Return what is noted in a folder; None where nothing is that can be read."""
        try:
            return structured(cls, read_json(folder / _NOTE))
        except (OSError, ValueError, RecursionError):
            return None


def latest(root: Path) -> Promotion | None:
    """Return what became of the newest candidate of the repository at `root`."""
    return next(filter(None, map(Promotion.find, layout.folders_of(root))), None)


def folder_of(candidate: Path) -> Path:
    """Return the folder of the repository that a candidate was made for. Raises ModelError for any
    other file."""
    place = candidate.absolute().parent
    repositories = (layout.home() / "repositories").resolve()
    if place.name != layout.CANDIDATES or place.resolve().parents[1] != repositories:
        raise ModelError(
            f"{candidate} is not a candidate",
            "Name one of `budgetai models list`, or none for the newest",
        )
    if not candidate.is_file():
        raise ModelError(f"there is no candidate {candidate}", "See budgetai models list")
    return place.parent


def serve(candidate: Path) -> Path:
    """Move a candidate to where servers look. Returns its new place; its name is the newest there.
    Raises ModelError where there is no such candidate any more."""
    folder = folder_of(candidate)
    models = layout.models_in(folder)
    name = candidate.name
    quant, second = name.rpartition("-")[2], time.time()
    while models and models[-1].name >= name:
        name = f"{layout.stamp(second)}-{quant}"
        second += 1
    final = folder / _MODELS / name
    final.parent.mkdir(parents=True, exist_ok=True)
    # Copied before the model goes and removed after: wherever this is killed, the model has its
    # manifest beside it, by which it is judged and served.
    beside = [path for suffix in SIDECARS if (path := candidate.with_suffix(suffix)).is_file()]
    for path in beside:
        with replaced(final.with_suffix(path.suffix)) as temporary:
            shutil.copyfile(path, temporary)
    if name != candidate.name:
        _rename_in(final.with_suffix(".Modelfile"), candidate.name, name)
    candidate.replace(final)
    for path in beside:
        path.unlink(missing_ok=True)
    return final


def _rename_in(modelfile: Path, old: str, new: str) -> None:
    with suppress(FileNotFoundError):
        text = modelfile.read_text(encoding="utf-8")
        with replaced(modelfile) as temporary:
            temporary.write_text(text.replace(f"./{old}", f"./{new}"), encoding="utf-8")


def keep(folder: Path, newest: Path) -> None:
    """Remove the candidates in a folder that were made before another: at most one is kept. And
    bases that a killed comparison has left."""
    for left in (folder / layout.CANDIDATES).glob(f"{SCRATCH}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _SCRATCH_SECONDS:
                shutil.rmtree(left)
    for path in layout.candidates_in(folder):
        if path.name < newest.name:
            for suffix in SIDECARS:
                path.with_suffix(suffix).unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def serve_base(folder: Path, base: Path, name: str) -> Path:
    """Put an untuned base where servers look. It takes no room of its own where the system can give
    a file two names."""
    final = folder / _MODELS / f"{layout.stamp()}-{name}.gguf"
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(base.resolve(), final)
    except OSError:
        with replaced(final) as temporary:
            shutil.copyfile(base, temporary)
    return final
