"""Pairs of a definition and its docstring, as samples: the server's prompt at the place between
the marks, and the docstring's inside as the answer.

Only the answer is learned, and the end marker behind it: the prompt shows that the closing mark
follows at once, and a completion says it the same way. So the closing mark itself is never to be
said; a server that ends at it, or at a line's end, loses nothing.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.prompt import Snapshot, build
from budgetai_core.docstrings.documentable import Docstring, Documentable, documentables
from budgetai_core.docstrings.edit import InsertionPoint, insertion_point
from budgetai_core.docstrings.limits import limits
from budgetai_core.docstrings.parse.comment_syntax import closing
from budgetai_core.docstrings.parse.sections import style_of
from budgetai_core.docstrings.style import DocstringStyle, repository_style
from budgetai_core.docstrings.worth_learning import worth_learning
from budgetai_core.errors import RepositoryError
from budgetai_training.corpus.records import Corpus, CorpusFile
from budgetai_training.samples.sample import Sample

KIND = "docstring"
# A definition without one is not a docstring that was left out.
NONE = "none"
OTHER_MARKS = "other marks"
REPEATED = "repeated"

# From fewer no manner of writing can be learned.
MIN_DOCSTRINGS = 20

# A line of fewer characters may stand in a file twice without saying the same thing.
_MIN_SUMMARY_CHARACTERS = 16


@dataclass(frozen=True)
class Pair:
    """A definition of a file, the file with an empty docstring at its place, and the docstring's
    inside as it was written. `style` is that of the docstring itself."""

    file: CorpusFile
    documentable: Documentable
    style: str
    insertion: InsertionPoint
    answer: str

    @property
    def line(self) -> int:
        """Of the place in the file, counted from 1."""
        return self.insertion.text.count("\n", 0, self.insertion.cursor) + 1

    @property
    def characters(self) -> int:
        """How many a sample shows, about."""
        most = limits(self.file.text, self.documentable, self.insertion)
        around = min(len(self.insertion.text), most.before + most.after)
        return around + len(self.answer)


@dataclass(frozen=True, kw_only=True)
class DocstringCounts:
    """How many docstrings were learned and held out; those left out by reason."""

    learned: int
    held_out: int
    left_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Pairs:
    """What a corpus has to learn and to be evaluated on, in the order of its files. `left_out`
    counts the docstrings of both parts that were passed over, by reason."""

    train: tuple[Pair, ...]
    held_out: tuple[Pair, ...]
    left_out: Mapping[str, int]

    @property
    def counts(self) -> DocstringCounts:
        return DocstringCounts(
            learned=len(self.train), held_out=len(self.held_out), left_out=dict(self.left_out)
        )

    def among(self, files: Iterable[CorpusFile]) -> "Pairs":
        """Return the same with the pairs to learn of these files alone."""
        keys = {file.key for file in files}
        return replace(self, train=tuple(p for p in self.train if p.file.key in keys))

    @cached_property
    def description(self) -> str:
        """One line for people."""
        count = len(self.train)
        line = f"{count:,} docstring{'s' * (count != 1)} to learn, {len(self.held_out):,} held out"
        reasons = Counter({why: n for why, n in self.left_out.items() if why != NONE})
        if not reasons:
            return line
        counts = ", ".join(f"{n:,} {why.replace('_', ' ')}" for why, n in reasons.most_common())
        return f"{line}, {reasons.total():,} left out: {counts}"


def pairs_of(corpus: Corpus) -> Pairs:
    """Return the pairs of both parts. How a repository writes docstrings, its training files
    say."""
    known = repository_styles(corpus.train)
    left_out: Counter[str] = Counter()
    train = [pair for file in corpus.train for pair in _pairs(file, known, left_out)]
    held = [
        pair
        for file in corpus.held_out
        for pair in _pairs(file, known, left_out)
        if _is_new(pair, file)
    ]
    return Pairs(tuple(train), tuple(held), dict(left_out))


def check_enough(corpus: Corpus) -> None:
    """Raise RepositoryError where there are too few docstrings to learn how they are written."""
    pairs = pairs_of(corpus)
    if len(pairs.train) < MIN_DOCSTRINGS:
        raise RepositoryError(
            f"{corpus.name} has too few docstrings to learn from ({pairs.description})",
            f"Write at least {MIN_DOCSTRINGS}, or add repositories written in the same manner with"
            " --also",
        )


def repository_styles(files: Sequence[CorpusFile]) -> dict[tuple[str, str], DocstringStyle]:
    """Return how each repository writes docstrings, by its name and that of the language."""
    by_language: defaultdict[tuple[str, str], list[Documentable]] = defaultdict(list)
    for file in files:
        if language := file.language:
            by_language[file.repository, language.name] += documented(file)
    languages = {language.name: language for f in files if (language := f.language)}
    return {
        key: repository_style(entries, languages[key[1]]) for key, entries in by_language.items()
    }


def documented(file: CorpusFile) -> list[Documentable]:
    return [documentable for documentable in _documentables(file) if documentable.docstring]


# A run looks at its files several times: to see whether they do, and after they have been split.
@lru_cache(maxsize=4096)
def _documentables(file: CorpusFile) -> tuple[Documentable, ...]:
    return documentables(ParsedDocument.of(file.text, file.language))


def _pairs(
    file: CorpusFile, known: Mapping[tuple[str, str], DocstringStyle], left_out: Counter[str]
) -> Iterator[Pair]:
    language = file.language
    if language is None:
        return
    usual = known.get((file.repository, language.name)) or repository_style((), language)
    lines = Counter(map(_without_marks, file.text.split("\n")))
    for documentable in _documentables(file):
        pair_or_reason = worth_learning(documentable, language) or _pair(
            file, documentable, usual, lines
        )
        if isinstance(pair_or_reason, Pair):
            yield pair_or_reason
        else:
            left_out[pair_or_reason] += 1


def _pair(
    file: CorpusFile, documentable: Documentable, usual: DocstringStyle, lines: Mapping[str, int]
) -> Pair | str:
    """Return a pair, or why its docstring is not learned. What its first line says, no other line
    of the file may say: it would be shown."""
    language = file.language
    docstring = documentable.docstring
    if language is None or docstring is None:
        return NONE
    place = insertion_point(file.text, documentable, usual)
    answer = inside(file.text, docstring, place)
    if answer is None:
        return OTHER_MARKS
    if lines.get(_summary(docstring.text), 0) > 1:
        return REPEATED
    style = style_of(docstring.text) if language.name == "python" else usual.style
    return Pair(file, documentable, style, place, answer)


def inside(text: str, docstring: Docstring, place: InsertionPoint) -> str | None:
    """Return a docstring without its marks; None where they are of another kind than those of the
    place, so that it could not stand there."""
    mark, end = docstring.mark, closing(docstring.mark)
    if mark[:1] == "/" and mark != place.opening:
        return None
    start = text.find(mark, docstring.start) + len(mark)
    answer = text[start : docstring.end].removesuffix(end)
    return None if place.closing and place.closing in answer else answer


def _summary(text: str) -> str:
    """Return the first line of a docstring; empty where it is too short to be known again."""
    first = _without_marks(text.strip().partition("\n")[0])
    return first if len(first) >= _MIN_SUMMARY_CHARACTERS else ""


def _without_marks(line: str) -> str:
    """Return a line without the marks of a docstring."""
    return line.strip(" \t\r/*#!\"'")


def _is_new(pair: Pair, file: CorpusFile) -> bool:
    """Return whether all of a held-out docstring is what the file is evaluated on."""
    docstring = pair.documentable.docstring
    if file.fresh is None or docstring is None:
        return file.fresh is None
    return any(low <= docstring.start and docstring.end <= high for low, high in file.fresh)


def sample(pair: Pair, share: float = 1.0) -> Sample:
    """Return what a server would send at the place, and the answer; less of it by a `share` below
    1."""
    file = pair.file
    place = Snapshot(file.repository, file.source, pair.insertion.text, pair.insertion.cursor)
    most = limits(file.text, pair.documentable, pair.insertion)
    prompt = build(place, limits=most.scaled(share))
    shown = replace(prompt, before=prompt.before + pair.answer)
    return Sample(file, shown, KIND, len(pair.answer), answer_alone=True)


def docstring_epoch(samples: Sequence[Sample], seed: str) -> list[Sample]:
    """Return every sample as often as its file's weight says, in an order drawn from the seed."""
    rng = random.Random(seed)
    shown = []
    for sample in samples:
        weight = sample.file.weight
        # A broken part is drawn.
        shown += [sample] * (int(weight) + (rng.random() < weight % 1))
    rng.shuffle(shown)
    return shown
