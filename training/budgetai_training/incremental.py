"""Going on from an adapter after new commits: what has changed, and some of what has not."""

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from budgetai_core.artifacts.base_models import resolve
from budgetai_core.artifacts.manifest import COMPARED, NESTED, AdapterManifest
from budgetai_core.context.prompt import PROMPT_FORMAT
from budgetai_core.errors import AdapterError, OptionError, RepositoryError
from budgetai_core.repository import git, open_repository
from budgetai_core.repository.history import SINCE
from budgetai_core.repository.history import resolve as resolve_revision
from budgetai_training.corpus.records import Corpus, digest
from budgetai_training.corpus.split import FixedSplit
from budgetai_training.options import TrainOptions

# Keys of --lora that are those of the adapter.
ADAPTER_KEYS = ("alpha", "target", "layers", "rslora", "dora")


def fixed_split(options: TrainOptions, begun: Sequence[str] | None = None) -> FixedSplit | None:
    """Return the split that a run keeps which goes on from an adapter, or was begun with one; None
    where it draws its own. Raises AdapterError for an adapter that cannot be gone on from."""
    folder = options.continue_from
    before = _of_its_kind(AdapterManifest.read(folder), options) if folder else None
    if options.holdout:
        # Time decides, and nothing is drawn.
        return None
    learned = frozenset(before.learned if before else ())
    if begun is not None:
        return FixedSplit("the run", frozenset(begun), learned)
    return FixedSplit(str(folder), frozenset(before.held_out), learned) if before else None


def missing_held_out(before: AdapterManifest, corpus: Corpus, folder: Path | None) -> str:
    """Return a line that tells of files which the adapter holds out and which are no more, or an
    empty one. Under another name they would be learned: raises AdapterError where none is left."""
    if before.holdout:
        # What was written later was held out, not files.
        return ""
    there = set(corpus.held_out_names)
    missing = [name for name in before.held_out if name not in there]
    if missing and len(missing) == len(before.held_out):
        raise AdapterError(
            f"none of the {len(missing)} files that {folder} holds out is in {corpus.name}",
            "Train a new one, without --continue-from",
        )
    if not missing:
        return ""
    return (
        f"{len(missing)} of {len(before.held_out)} held-out files are gone, such as {missing[0]}; "
        "under another name they are learned"
    )


def _of_its_kind(before: AdapterManifest, options: TrainOptions) -> AdapterManifest:
    """Return the adapter to go on from, if nothing that is held out now has been learned by it."""
    folder = options.continue_from
    if before.holdout and not options.holdout:
        raise AdapterError(
            f"{folder} holds out what was written {before.holdout}, which would now be learned",
            "Add --holdout since: with that revision or a later one",
        )
    if options.holdout and not before.holdout:
        raise AdapterError(
            f"{folder} holds out files, and may have learned what {options.holdout} holds out",
            "Leave --holdout out, or go on from an adapter that was trained with it",
        )
    if options.holdout:
        root = open_repository(options.repo)
        old, new = (
            resolve_revision(root, holdout.removeprefix(SINCE))
            for holdout in (before.holdout, options.holdout)
        )
        if git.ask(root, "merge-base", "--is-ancestor", old, new) is None:
            raise AdapterError(
                f"{folder} has learned what was written until {before.holdout.removeprefix(SINCE)},"
                f" which is not before {options.holdout.removeprefix(SINCE)}",
                "Name a later revision with --holdout",
            )
    return before


def adapter_before(options: TrainOptions, digest: str) -> AdapterManifest | None:
    """Return the manifest of the adapter to go on from, for a base with this digest. Raises
    AdapterError where it does not fit, OptionError for options that would make it another one."""
    folder = options.continue_from
    if folder is None:
        return None
    usual = TrainOptions()
    given = ["--rank"] if options.rank != usual.rank else []
    given += [
        f"--lora {k}" for k in ADAPTER_KEYS if getattr(options.lora, k) != getattr(usual.lora, k)
    ]
    for name in given:
        raise OptionError(f"{name} comes from {folder}", "Leave it out with --continue-from")
    before = AdapterManifest.read(folder)
    # Adapters of earlier versions name a model on the Hub without its commit.
    named = before.base.kind == "hub" and before.base.location == resolve(options.base).hub_name
    if before.base.digest != digest and not named:
        raise AdapterError(
            f"{folder} was trained on {before.base.location}, not on this base",
            f"Give --base {shlex.quote(before.base.location)}",
        )
    _check_kind(before, folder, options)
    if before.prompt_format != PROMPT_FORMAT:
        raise AdapterError(f"{folder} was made for another prompt format", "Train a new one")
    return _of_its_kind(before, options)


def _check_kind(before: AdapterManifest, folder: Path, options: TrainOptions) -> None:
    """Refuse another kind: an adapter stays with its task, and one of all ranks stays one, or the
    smaller ranks would be forgotten."""
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
    if options.lora.ranks and options.trained_ranks[-1] != before.rank:
        raise OptionError(
            f"--lora ranks={options.lora.ranks} does not end with {before.rank}, the rank of"
            f" {folder}",
            f"Give ranks up to {before.rank}, or leave it out",
        )


def changed_files(corpus: Corpus, options: TrainOptions) -> Corpus:
    """Return the files that differ from those the adapter to go on from has learned, and a share of
    the others, drawn from the seed, and others than the last time: what is never shown again is
    forgotten.

    Raises RepositoryError where nothing has changed.
    """
    if options.continue_from is None:
        return corpus
    before = AdapterManifest.read(options.continue_from)
    known = before.learned
    new = [file for file in corpus.train if known.get(corpus.name_of(file)) != digest(file.text)]
    if not new:
        raise RepositoryError(
            f"nothing has changed since {options.continue_from} was trained",
            "Train without --continue-from, or come back after some commits",
        )
    fresh = {file.key for file in new}
    old = [file for file in corpus.train if file.key not in fresh]
    drawn = f"{options.seed}{before.finished}"
    old.sort(key=lambda file: hashlib.sha256(f"{drawn}{file.path}".encode()).digest())
    shown = {f.key for f in (*new, *old[: round(options.old_share * len(old))])}
    return replace(corpus, train=tuple(f for f in corpus.train if f.key in shown))
