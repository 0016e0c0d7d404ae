"""How the texts of a repository begin and end blocks, found by measurement.

A line with deeper lines below it begins a block. Where the line that comes back to its depth mostly
begins with the same few words, which stand nowhere else and begin no block themselves, blocks end
with these words: END_IF, endmodule, end. Words that come back and begin a block again divide one:
ELSE, elsif, begin.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import zip_longest

from budgetai_core.context.languages import Language, LexicalMarks
from budgetai_core.context.lexing import masked

MAX_CHARACTERS = 400_000
_WORD = re.compile(r"[^\W\d]\w*")
_TAB = 4
# A word is looked at from so many lines on, and counts with this share of them.
_MIN_COUNT, _MIN_SHARE = 3, 0.8
# Blocks that end with a word, of all blocks, where words end blocks; marks at the end of a head.
_MIN_ENDED, _MIN_MARKED = 0.35, 0.4
_MAX_CLOSER = 32
# What ends and divides blocks where no text has been measured.
_ENDING = re.compile(r"end\w*|fi|od|done|esac|next|wend|loop")
_DIVIDING = frozenset(["else", "elseif", "elsif", "elif", "begin"])
_COMMENT_MARKS = ("//", "#", "--", ";", "%", "!", "'", "*", '"')


@dataclass(frozen=True)
class CodeLine:
    """A line with code: its number, its depth in columns, its first word in lower case."""

    number: int
    depth: int
    word: str
    text: str


@dataclass
class _Counts:
    """What lines that begin with a word do: how many there are, come back from deeper ones, and
    have deeper ones below."""

    lines: Counter[str] = field(default_factory=Counter)
    back: Counter[str] = field(default_factory=Counter)
    heads: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    closings: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    blocks: int = 0


def code_lines(text: str, marks: LexicalMarks) -> Iterator[CodeLine]:
    """Yield the lines that hold more than comments."""
    for number, line in enumerate(masked(text, marks).split("\n")):
        bare = line.strip()
        if bare:
            wide = line.expandtabs(_TAB)
            word = _WORD.match(bare)
            depth = len(wide) - len(wide.lstrip())
            yield CodeLine(number, depth, word[0].lower() if word else "", bare)


def measured_by_name(files: Iterable[tuple[Language | None, str]]) -> dict[str, Language]:
    """Return by name the languages of files that are read by their marks, each with what its texts
    show."""
    texts: defaultdict[Language, list[str]] = defaultdict(list)
    for language, text in files:
        if language and language.marks:
            texts[language].append(text)
    return {language.name: measured(language, _sample(own)) for language, own in texts.items()}


def _sample(texts: Sequence[str]) -> tuple[str, ...]:
    """Return as many of the texts, evenly taken, as are measured."""
    mean = sum(map(len, texts)) / max(len(texts), 1)
    step = max(1, round(len(texts) * mean / MAX_CHARACTERS))
    return tuple(texts[::step])


@lru_cache(maxsize=64)
def measured(language: Language, texts: tuple[str, ...]) -> Language:
    """Return a language that is read by its marks with what its texts show of its blocks."""
    if language.marks is None:
        return language
    marks = language.marks
    if not (marks.comments or marks.blocks):
        marks = replace(marks, comments=_comments(texts), quotes=marks.quotes or ('"\\',))
    counts = _Counts()
    room = MAX_CHARACTERS
    for text in texts:
        _count(list(code_lines(text[:room], marks)), counts)
        room -= len(text)
        if room <= 0:
            break
    closers = _closers(counts)
    comment = next(iter((*marks.comments, *(opener for opener, _ in marks.blocks))), "")
    return replace(
        language,
        comment=comment or language.comment,
        opener=_opener(counts, bool(closers)) or language.opener,
        marks=replace(
            marks,
            openers=_pairs(counts, closers),
            closers=closers,
            dividers=_dividers(counts) if closers else (),
        ),
    )


def closes_block(line: str, language: Language | None) -> bool:
    """Return whether a line ends a block by its first word, in a language that is read by its
    marks."""
    marks = language.marks if language else None
    if marks is None:
        return False
    word = _first(line.lstrip())
    return word in marks.closers if marks.closers else _ENDING.fullmatch(word) is not None


def divides(line: str, language: Language | None) -> bool:
    """Return whether a line ends a part of a block and begins the next one, as ELSE does."""
    marks = language.marks if language else None
    if marks is None:
        return False
    word = _first(line.lstrip())
    return word in (marks.dividers if marks.closers else _DIVIDING)


def closing_lines(text: str, language: Language) -> list[str]:
    """Return the lines that end the blocks which a text begins by words and does not end, the
    innermost first, each as deep as the line that begins its block."""
    marks = language.marks or LexicalMarks()
    openers = dict(marks.openers)
    opened: list[tuple[str, str]] = []
    shown = text.split("\n")
    for line in code_lines(text, marks):
        if closes_block(line.text, language):
            if opened:
                opened.pop()
        elif line.word in openers and line.word not in marks.dividers:
            closer = openers[line.word]
            if _first(closer) not in map(str.lower, _WORD.findall(line.text)):
                head = shown[line.number]
                opened.append((head[: len(head) - len(head.lstrip())], closer))
    return [white + closer for white, closer in reversed(opened)]


def _count(lines: Sequence[CodeLine], counts: _Counts) -> None:
    # Heads of the blocks that are open, each with the head of its first part.
    around: list[tuple[CodeLine, CodeLine]] = []
    for line, following in zip_longest(lines, lines[1:]):
        counts.lines[line.word] += 1
        while around and around[-1][0].depth > line.depth:
            around.pop()
        first = line
        if around and around[-1][0].depth == line.depth:
            _, first = around.pop()
            counts.back[line.word] += 1
            counts.closings[first.word][line.text] += 1
        if following and following.depth > line.depth:
            counts.heads[line.word] += 1
            counts.ends[_last(line.text)] += 1
            counts.blocks += 1
            around.append((line, first))


def _last(text: str) -> str:
    """Return what a line ends with: a word, or its last mark."""
    words = _WORD.findall(text)
    if words and text.endswith(words[-1]):
        return str(words[-1])
    return "->" if text.endswith("->") else text[-1]


def _closers(counts: _Counts) -> tuple[str, ...]:
    closers = tuple(
        word
        for word, back in counts.back.items()
        if word
        and back >= _MIN_COUNT
        and back >= _MIN_SHARE * counts.lines[word]
        and counts.heads[word] <= (1 - _MIN_SHARE) * counts.lines[word]
    )
    ended = sum(counts.back[word] for word in closers)
    return tuple(sorted(closers)) if ended >= _MIN_ENDED * counts.blocks else ()


def _dividers(counts: _Counts) -> tuple[str, ...]:
    return tuple(
        sorted(
            word
            for word, back in counts.back.items()
            if word
            and back >= _MIN_COUNT
            and back >= _MIN_SHARE * counts.lines[word]
            and counts.heads[word] >= _MIN_SHARE * counts.lines[word]
        )
    )


def _pairs(counts: _Counts, closers: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return words that begin blocks, each with the line that mostly ends them."""
    known = set(closers)
    pairs = {}
    for word, lines in counts.closings.items():
        endings = Counter({text: n for text, n in lines.items() if _first(text) in known})
        if not word or word in known or endings.total() < _MIN_COUNT:
            continue
        text, number = endings.most_common(1)[0]
        usual = 2 * number > endings.total() and len(text) <= _MAX_CLOSER
        pairs[word] = text if usual else text[: _WORD.match(text).end()]  # type: ignore[union-attr]
    return tuple(sorted(pairs.items()))


def _first(text: str) -> str:
    word = _WORD.match(text)
    return word[0].lower() if word else ""


def _opener(counts: _Counts, words: bool) -> str:
    """Return what a line mostly ends with when it begins a block; empty where too few do."""
    if counts.blocks < _MIN_COUNT:
        return ""
    mark, number = counts.ends.most_common(1)[0]
    if words:
        usual = next((word for word, _ in counts.ends.most_common() if word.isalpha()), "end")
        return usual if counts.ends[usual] >= _MIN_COUNT else "end"
    return mark if number >= _MIN_MARKED * counts.blocks and not mark.isalnum() else "("


def _comments(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the mark with which most lines begin that are no code, in a language nobody knows."""
    counts: Counter[str] = Counter()
    for text in texts:
        for line in text[:MAX_CHARACTERS].split("\n"):
            bare = line.lstrip()
            counts.update(mark for mark in _COMMENT_MARKS if bare.startswith(f"{mark} "))
    mark, number = counts.most_common(1)[0] if counts else ("", 0)
    return (mark,) if number >= _MIN_COUNT else ()
