"""Which samples show cross-file chunks.

Untuned small models are hurt by the signatures of other files: they answer from memory, and the
chunks only push the code away. They learn to look where looking pays: where what is learned can be
copied from a chunk. A server on a slow machine shows no chunks, so most samples have none.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from budgetai_core.context.index import Index
from budgetai_core.context.prompt import Prompt
from budgetai_training.hyperparameters.mixture import Mixture
from budgetai_training.samples.sample import Sample

_WORD = re.compile(r"\w+")


def choose(
    samples: Sequence[Sample], indexes: Mapping[str, Index], rng: random.Random, mixture: Mixture
) -> list[Sample]:
    """Return the samples in their order; only `mixture.chunk_share` of them keep their chunks.

    Of those, `mixture.copy_share` are drawn among the ones that use a name from a chunk, the
    likelier the later it is used for the first time: so long the text tells nothing of it. Fewer
    keep chunks where not so many have any.
    """
    some = [place for place, sample in enumerate(samples) if sample.prompt.chunks]
    wanted = min(len(some), round(mixture.chunk_share * len(samples)))
    scores = {place: copying(samples[place].prompt, indexes) for place in some}
    copied = [place for place in some if scores[place] > 0]
    # Drawn without replacement with these weights: Efraimidis and Spirakis, 2006.
    copied.sort(key=lambda place: -(rng.random() ** (1 / scores[place])))
    kept = set(copied[: round(mixture.copy_share * wanted)])
    others = [place for place in some if place not in kept]
    kept |= set(rng.sample(others, wanted - len(kept)))
    return [
        s if place in kept else replace(s, prompt=replace(s.prompt, chunks=()))
        for place, s in enumerate(samples)
    ]


def copying(prompt: Prompt, indexes: Mapping[str, Index]) -> float:
    """Return how much of the learned text is read before a name of the repository that a chunk
    shows is used for the first time, as a share; of the latest such name. 0 where no name is, or
    the text after the cursor tells it."""
    index = indexes[prompt.repository]
    first: dict[str, int] = {}
    for word in _WORD.finditer(prompt.before):
        first.setdefault(word.group(), word.start())
    told = set(_WORD.findall(prompt.after))
    places = [first[name] for name in _defined(prompt, index) - told if name in first]
    return max(places, default=0) / max(len(prompt.before), 1)


def _defined(prompt: Prompt, index: Index) -> set[str]:
    """Return the names in the chunks that the repository defines."""
    words = {word for chunk in prompt.chunks for word in _WORD.findall(chunk.text)}
    return {word for word in words if index.paths_defining(word)}
