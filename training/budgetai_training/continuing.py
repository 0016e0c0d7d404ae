"""Going on from an adapter after new commits: what has changed, and some of what has not."""

import hashlib
from dataclasses import replace

from budgetai_server.artefacts.manifest import AdapterManifest
from budgetai_server.errors import RepositoryError
from budgetai_training.corpus.files import Corpus, digest
from budgetai_training.options import TrainOptions


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
    old = [file for file in found.train if file not in new]
    old.sort(key=lambda file: hashlib.sha256(f"{options.seed}{file.path}".encode()).digest())
    shown = {(f.repository, f.path) for f in (*new, *old[: round(options.old_share * len(old))])}
    return replace(found, train=tuple(f for f in found.train if (f.repository, f.path) in shown))
