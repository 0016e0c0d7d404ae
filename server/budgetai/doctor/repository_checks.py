"""Checks of what was made for a repository: model, adapter, index; and whether git reads it."""

import contextlib
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from budgetai.doctor.diagnosis import FAULT, HINT, OK, Diagnosis
from budgetai_core.artifacts import base_models, layout
from budgetai_core.artifacts.bundle import Bundle
from budgetai_core.artifacts.manifest import AdapterManifest, ModelManifest
from budgetai_core.context.prompt import PROMPT_FORMAT
from budgetai_core.errors import BaseError, BudgetAIError, RepositoryError
from budgetai_core.repository import git

_TRAIN = "budgetai train, then budgetai convert"


def checks(root: Path) -> Iterator[Diagnosis]:
    yield _git(root)
    yield _base()
    yield _model(root)
    yield from _run(root)
    yield _index(root)


def model_to_measure(root: Path) -> Path | None:
    """Return the repository's model, else the embedded base, else None."""
    newest = layout.newest_model(root)
    if newest is None:
        with contextlib.suppress(BaseError):
            return base_models.resolve(base_models.EMBEDDED).path
    return newest


def _git(root: Path) -> Diagnosis:
    if not shutil.which("git"):
        remedy = "Install git"
        return Diagnosis("git", HINT, "not there: ignored files would be learned, too", remedy)
    try:
        known = git.has_repository(root)
    except RepositoryError as error:
        owner = "ownership" in str(error)
        text = (
            "the repository belongs to another owner" if owner else "does not read the repository"
        )
        return Diagnosis("git", FAULT, text, "Run git status in it: git says how to mend that")
    return Diagnosis("git", OK, "reads the repository" if known else "knows of no repository here")


def _base() -> Diagnosis:
    try:
        base_models.resolve(base_models.EMBEDDED)
    except BaseError:
        remedy = f"Run: budgetai models add {base_models.EMBEDDED}, or name another with --base"
        return Diagnosis("embedded base", HINT, "not there", remedy)
    return Diagnosis("embedded base", OK, base_models.EMBEDDED)


def _model(root: Path) -> Diagnosis:
    newest = layout.newest_model(root)
    if newest is None:
        made = layout.newest_adapter(root) is not None
        remedy = "Run: budgetai convert" if made else f"Run: {_TRAIN}"
        had = "an adapter, and no model of it yet" if made else "none for this repository"
        return Diagnosis("model", HINT, had, remedy)
    kind, wanted = "file", PROMPT_FORMAT
    try:
        if newest.is_dir():
            kind, wanted = f"bundle of {len(Bundle.read(newest).adapters)} adapters", PROMPT_FORMAT
        elif manifest := ModelManifest.find(newest):
            kind, wanted = f"file, {_quant(manifest)}", manifest.prompt_format or PROMPT_FORMAT
    except BudgetAIError:
        return Diagnosis(
            "model", HINT, "a bundle that is broken or of another version", f"Run: {_TRAIN}"
        )
    if wanted != PROMPT_FORMAT:
        text = f"made for prompt format {wanted}, this version uses {PROMPT_FORMAT}"
        return Diagnosis("model", HINT, text, f"Run: {_TRAIN}")
    own = newest.is_relative_to(layout.repository_folder(root))
    return Diagnosis(
        "model", OK, f"a {kind}{'' if own else ', of another clone or a folder above'}"
    )


def _quant(manifest: ModelManifest) -> str:
    """Return a type's name, and no other text that stands where one should be."""
    return manifest.quant if re.fullmatch(r"[A-Z0-9_]{2,8}|auto", manifest.quant) else "mixed"


def _run(root: Path) -> Iterator[Diagnosis]:
    if layout.newest_partial(root):
        remedy = "Run: budgetai train --resume, while no other training runs"
        yield Diagnosis("training", HINT, "a run is not finished", remedy)
    adapter = layout.newest_adapter(root)
    if adapter is None:
        return
    try:
        manifest = AdapterManifest.read(adapter)
    except BudgetAIError:
        yield Diagnosis("adapter", HINT, "the newest cannot be read", "Run: budgetai train")
        return
    before, after = (manifest.scores.get(f"held_out_loss_{when}") for when in ("before", "after"))
    losses = f", held-out loss {before:.3f} before, {after:.3f} after" if before and after else ""
    yield Diagnosis("adapter", OK, f"rank {manifest.usual_rank}{losses}")


def _index(root: Path) -> Diagnosis:
    file = layout.repository_folder(root) / "index.sqlite"
    if not file.is_file():
        return Diagnosis("index", OK, "not made yet; the server makes it when a file is opened")
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            answer = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error:
        answer = None
    if answer != ("ok",):
        remedy = "Remove index.sqlite from the repository's data folder: budgetai status names it"
        return Diagnosis("index", HINT, "broken", remedy)
    return Diagnosis("index", OK, f"{file.stat().st_size / 1e6:.1f} MB")
