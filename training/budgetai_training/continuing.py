"""Going on from an adapter after new commits: what has changed, and some of what has not."""

import hashlib
from dataclasses import replace
from pathlib import Path

from budgetai_server.artefacts.manifest import COMPARED, NESTED, AdapterManifest
from budgetai_server.context.prompt import PROMPT_FORMAT
from budgetai_server.errors import AdapterError, OptionError, RepositoryError
from budgetai_server.options import flag_name
from budgetai_training.corpus.files import Corpus, digest
from budgetai_training.options import TrainOptions

# They are those of the adapter.
GIVEN = ("rank", "alpha", "target", "layers", "rslora", "dora")


def adapter_before(options: TrainOptions, digest: str) -> AdapterManifest | None:
    """The manifest of the adapter to go on from, for a base with this digest. Raises AdapterError
    where it does not fit, OptionError for options that would make it another one."""
    folder = options.continue_from
    if folder is None:
        return None
    usual = TrainOptions()
    for name in GIVEN:
        if getattr(options, name) != getattr(usual, name):
            raise OptionError(
                f"{flag_name(name)} comes from {folder}", "Leave it out with --continue-from"
            )
    before = AdapterManifest.read(folder)
    if before.base.digest != digest:
        raise AdapterError(
            f"{folder} was trained on {before.base.location}, not on this base",
            f"Give --base {before.base.location}",
        )
    _check_kind(before, folder, options)
    if before.prompt_format != PROMPT_FORMAT:
        raise AdapterError(f"{folder} was made for another prompt format", "Train a new one")
    if before.holdout:
        raise AdapterError(
            f"{folder} holds out what was written {before.holdout}, which would now be learned",
            "Go on from an adapter that was trained without --holdout",
        )
    return before


def _check_kind(before: AdapterManifest, folder: Path, options: TrainOptions) -> None:
    """An adapter stays with its task, and one of all ranks stays one, or the smaller ranks would be
    forgotten."""
    if options.task != before.task:
        raise OptionError(
            f"{folder} was trained for the task {before.task}, not for {options.task}",
            f"Give --task {before.task}",
        )
    kind = before.kind
    if kind in COMPARED:
        raise AdapterError(f"{folder} was trained by {kind}, which is not gone on with")
    if options.method != kind and {options.method, kind} & {*NESTED}:
        raise OptionError(
            f"{folder} was trained by {before.method}, not by --method {options.method}",
            f"Give --method {kind if kind in NESTED else 'lora'}",
        )


def changed(found: Corpus, options: TrainOptions) -> Corpus:
    """The files that differ from those the adapter to go on from has learned, and a share of the
    others, drawn from the seed: what is never shown again is forgotten.

    Raises RepositoryError where nothing has changed.
    """
    if options.continue_from is None:
        return found
    known = AdapterManifest.read(options.continue_from).learned
    new = [file for file in found.train if known.get(found.name_of(file)) != digest(file.text)]
    if not new:
        raise RepositoryError(
            f"nothing has changed since {options.continue_from} was trained",
            "Train without --continue-from, or come back after some commits",
        )
    fresh = {file.key for file in new}
    old = [file for file in found.train if file.key not in fresh]
    old.sort(key=lambda file: hashlib.sha256(f"{options.seed}{file.path}".encode()).digest())
    shown = {f.key for f in (*new, *old[: round(options.old_share * len(old))])}
    return replace(found, train=tuple(f for f in found.train if f.key in shown))
