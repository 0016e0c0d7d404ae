"""Training samples: places in files, as the server would send them, and the text that follows.

A sample is the prompt of `budgetai_server.context` at a cut point. Its text before the cursor is
what is learned, token by token: at each of its positions the model sees the same things as it
would at serving, the text after the cut included, and has to go on. The end marker after it says
that the text after the cursor follows at once.

To the model, a file whose head is cut off and a window that starts at that line are the same; so
windows are laid side by side over the file, and each line is learned once in a pass.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from budgetai_server.context.index import Index
from budgetai_server.context.prompt import Prompt, Snapshot, build
from budgetai_server.context.window import Limits
from budgetai_training.corpus.files import CorpusFile


@dataclass(frozen=True)
class Recipe:
    """Sizes in characters, shares between 0 and 1.

    Text that is only shown costs time and teaches nothing by itself, so there is less of it than
    at serving, in varying amounts.
    """

    before: int = 2400
    after: int = 600
    chunks: int = 600
    chunk_share: float = 0.25
    cut_weights: tuple[float, float, float] = (0.4, 0.4, 0.2)


CUTS = ("before the next line", "at the end of a line", "inside a line")


@dataclass(frozen=True)
class Sample:
    """A prompt whose text before the cursor is learned. Its last `answer` characters are what the
    cut took out: a whole thing of this `kind`, which the text after it goes on from."""

    file: CorpusFile
    prompt: Prompt
    kind: str
    answer: int


def one_pass(
    files: Sequence[CorpusFile],
    indexes: Mapping[str, Index],
    seed: str,
    recipe: Recipe | None = None,
) -> list[Sample]:
    """Every line of every file once, in an order drawn from the seed. Another seed lays the
    windows elsewhere."""
    rng = random.Random(seed)
    recipe = recipe or Recipe()
    samples = [
        sample
        for file in files
        for sample in file_samples(file, indexes[file.repository], rng, recipe)
        if sample.prompt.before.strip()
    ]
    rng.shuffle(samples)
    return samples


def file_samples(
    file: CorpusFile, index: Index, rng: random.Random, recipe: Recipe
) -> Iterator[Sample]:
    """The samples of one file, from its first line to its last."""
    start = 0
    room = rng.randint(recipe.before // 3, recipe.before)
    while start < len(file.text):
        line_start = _window_end(file.text, start, room)
        end = _cut(file.text, start, line_start, rng, recipe)
        limits = Limits(
            before=recipe.before,
            after=rng.randint(0, recipe.after),
            chunks=recipe.chunks if rng.random() < recipe.chunk_share else 0,
        )
        place = Snapshot(file.repository, file.path, file.text[start:], end - start)
        yield Sample(file, build(place, index, limits), "line", 0)
        start, room = max(end, start + 1), recipe.before


def _window_end(text: str, start: int, room: int) -> int:
    """The last line start within `room` characters; inside a line only where a line is longer."""
    if start + room >= len(text):
        return len(text)
    line_start = text.rfind("\n", start, start + room) + 1
    return line_start if line_start > start else start + room


def _cut(text: str, start: int, line_start: int, rng: random.Random, recipe: Recipe) -> int:
    kind = rng.choices(CUTS, recipe.cut_weights)[0]
    if kind == CUTS[0] or line_start - start < 2 or text[line_start - 1] != "\n":
        return line_start
    if kind == CUTS[1]:
        return line_start - 1
    last_line = max(text.rfind("\n", start, line_start - 1) + 1, start + 1)
    return rng.randint(last_line, line_start - 1)
