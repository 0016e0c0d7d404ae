"""An epoch: every line of every file once, as samples in an order."""

import random
from collections.abc import Iterator, Mapping, Sequence

from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Snapshot, build
from budgetai_core.context.window import WindowLimits
from budgetai_training.corpus.records import CorpusFile
from budgetai_training.hyperparameters.mixture import Mixture
from budgetai_training.samples.context_mixing import choose
from budgetai_training.samples.node_ends import NodeEnds
from budgetai_training.samples.ordering import banded, by_dependency
from budgetai_training.samples.sample import Sample
from budgetai_training.samples.windows import windows


def epoch(
    files: Sequence[CorpusFile],
    indexes: Mapping[str, Index],
    seed: str,
    mixture: Mixture | None = None,
) -> list[Sample]:
    """Return every line of every file once, as often as the file's weight says, in an order drawn
    from the seed. Another seed lays the windows elsewhere."""
    mixture = mixture or Mixture()
    rng = random.Random(seed)
    samples = [
        sample
        for file in (by_dependency(files) if mixture.order == "dependency" else files)
        for sample in _shown(file, indexes, seed, mixture)
        if sample.prompt.before.strip()
    ]
    samples = choose(samples, indexes, rng, mixture)
    if mixture.order == "dependency":
        return banded(samples, rng)
    rng.shuffle(samples)
    return samples


def _shown(
    file: CorpusFile, indexes: Mapping[str, Index], seed: str, mixture: Mixture
) -> Iterator[Sample]:
    """Yield the samples of a file, as many times over as it weighs; a broken part is drawn."""
    # A seed of its own: a file's windows stay the same when other files change.
    rng = random.Random(f"{seed}/{file.repository}/{file.path}")
    whole = int(file.weight)
    rounds = whole + (rng.random() < file.weight - whole)
    if rounds:
        node_ends = NodeEnds(file.text, file.language)
        for _ in range(rounds):
            yield from file_samples(file, indexes[file.repository], node_ends, rng, mixture)


def file_samples(
    file: CorpusFile, index: Index, node_ends: NodeEnds, rng: random.Random, mixture: Mixture
) -> Iterator[Sample]:
    """Yield the samples of one file, from its first line to its last, with the chunks a server
    shows."""
    for window in windows(file.text, node_ends, rng, mixture):
        place = Snapshot(
            file.repository, file.source, file.text, window.end, window.start, file.language
        )
        limits = WindowLimits(
            before=mixture.before,
            after=rng.randint(0, mixture.after) if rng.random() >= mixture.no_after_share else 0,
            chunks=mixture.chunk_size if mixture.chunk_share else 0,
        )
        prompt = build(place, index, limits)
        ends = bool(prompt.after) or window.end == len(file.text)
        answer = window.answer
        yield Sample(file, prompt, window.kind, answer, ends, emphasis=mixture.emphasis)
