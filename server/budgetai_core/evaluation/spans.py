"""Masked spans: files in which the end of a line is taken away, to see if a model brings it
back."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from budgetai_core.context.block_words import closes_block
from budgetai_core.context.languages import Language, language_of
from budgetai_core.context.prompt import Snapshot

MIN_LENGTH = 6


@dataclass(frozen=True)
class MaskedSpan:
    """A file without the end of one line. `expected` is that end, without the newline.

    `kind` is "line" when all of the line's text is missing, "end" when the cursor is inside it.
    """

    path: str
    before: str
    expected: str
    after: str
    kind: str
    language: Language | None = None

    def snapshot(self, repository: str) -> Snapshot:
        """Return the place as an editor would show it."""
        text = self.before + self.after
        return Snapshot(repository, self.path, text, len(self.before), declared=self.language)


def mask_spans(
    files: Iterable[tuple[str, str]],
    count: int,
    seed: int,
    within: Mapping[str, Sequence[tuple[int, int]]] | None = None,
    languages: Mapping[str, Language | None] | None = None,
) -> list[MaskedSpan]:
    """Return at most `count` masked spans in (path, text) files, drawn evenly over all lines worth
    a guess.

    Half of them miss a whole line's text, half the part right of a place inside it. The same
    arguments give the same spans. `within` has, for some paths, the character ranges to stay in;
    `languages` those that are not told by names.
    """
    within, languages = within or {}, languages or {}
    rng = random.Random(seed)
    lines = [
        (path, text, start, line)
        for path, text in sorted(files)
        for start, line in _lines(text)
        if worth_a_guess(line, languages.get(path) or language_of(path))
        and (path not in within or _inside(start, start + len(line), within[path]))
    ]
    drawn = rng.sample(lines, min(count, len(lines)))
    masked = (_masked(place, number, rng) for number, place in enumerate(drawn))
    return [replace(span, language=languages.get(span.path)) for span in masked]


def _inside(start: int, end: int, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(low <= start and end <= high for low, high in ranges)


def _lines(text: str) -> list[tuple[int, str]]:
    starts = []
    offset = 0
    for line in text.split("\n"):
        starts.append((offset, line))
        offset += len(line) + 1
    return starts


def worth_a_guess(line: str, language: Language | None) -> bool:
    """Return whether a line says enough to be asked for: no bracket, no comment."""
    stripped = line.strip()
    comment = language.comment if language else "#"
    if language and language.marks and closes_block(stripped, language):
        return False
    return len(stripped) >= MIN_LENGTH and not stripped.startswith((comment, "*", "/*"))


def _masked(place: tuple[str, str, int, str], number: int, rng: random.Random) -> MaskedSpan:
    path, text, start, line = place
    column = len(line) - len(line.lstrip())
    kind = "line"
    if number % 2:
        kind = "end"
        column = rng.randint(column + 2, len(line.rstrip()) - 3)
    cursor = start + column
    return MaskedSpan(path, text[:cursor], line[column:].rstrip(), text[start + len(line) :], kind)
