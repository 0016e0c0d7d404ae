"""Keystrokes that a user need not press: a line typed at a person's speed, beside suggestions.

No clock is read: a `Suggester` tells what is shown at each place and after how many seconds. The
same suggestions give the same keys.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

# Seconds until the next key: in a word, behind one, and at the beginning of a line.
KEY_SECONDS, WORD_SECONDS, LINE_SECONDS = 0.15, 0.6, 1.0
# Fewer words are not worth the look.
_MIN_WORDS = 2
# As editors take a suggestion word by word: white space belongs to the word behind it.
_WORD = re.compile(r"\s*(?:\w+|[^\w\s]+)")


@dataclass(frozen=True)
class TimedSuggestion:
    """A suggestion, and the seconds from the last key until it is there."""

    text: str
    seconds: float


Suggester = Callable[[int, float], TimedSuggestion | None]
"""What is suggested when so many characters of the line are typed, and so many seconds pass before
the next key; None where nothing is."""


@dataclass(frozen=True)
class Typed:
    """What typing a line took. `shown` counts the suggestions that were there before the next key,
    `taken` those of which some was used."""

    characters: int
    keys: int
    shown: int
    taken: int

    @property
    def saved(self) -> float:
        """Return the share of the line's characters that took no key; below 0 it never is."""
        return 1 - self.keys / self.characters if self.characters else 0.0


def pause(line: str, typed: int) -> float:
    """Return the seconds between the key that typed character number `typed` and the next key."""
    if typed == 0:
        return LINE_SECONDS
    ends = _in_word(line[typed - 1]) and not (typed < len(line) and _in_word(line[typed]))
    return WORD_SECONDS if ends else KEY_SECONDS


def type_line(line: str, suggester: Suggester, patience: float = 0.0) -> Typed:
    """Return what it takes to type `line`, which has no indentation.

    A suggestion counts if it is there before the next key, or within `patience` seconds. It is
    taken whole, by one key, where it is all that is missing; else word by word, a key each, while
    the next words are right and at least two of them are.
    """
    typed = keys = shown = taken = 0
    while typed < len(line):
        wait = max(pause(line, typed), patience)
        suggestion = suggester(typed, wait)
        if suggestion is not None and suggestion.text and suggestion.seconds <= wait:
            shown += 1
            missing = line[typed:]
            if suggestion.text.partition("\n")[0].rstrip() == missing:
                return Typed(len(line), keys + 1, shown, taken + 1)
            if words := right_words(suggestion.text, missing):
                typed += sum(map(len, words))
                keys += len(words)
                taken += 1
                continue
        typed += 1
        keys += 1
    return Typed(len(line), keys, shown, taken)


def right_words(suggested: str, missing: str) -> list[str]:
    """Return the first words of a suggestion that stand in what is missing, too, as whole words;
    none where there are too few to be worth the look."""
    words: list[str] = []
    for ours, theirs in zip(_WORD.findall(suggested), _WORD.findall(missing), strict=False):
        if ours != theirs:
            break
        words.append(ours)
    return words if len(words) >= _MIN_WORDS else []


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"
