"""ROUGE-L: how much of a text is said again, in its order (Lin 2004, "ROUGE: A Package for
Automatic Evaluation of Summaries").

Words are compared, without regard to case and marks. One reference, the sentence level, and F1 for
the mean of precision and recall. No stemming: that is a matter of English alone.
"""

import re
from collections import defaultdict
from collections.abc import Sequence

_WORD = re.compile(r"\w+")


def rouge_l(written: str, expected: str) -> float:
    """Return ROUGE-L: from 0, no word in common, to 1, the same words; 1 too where neither says a
    word."""
    ours, theirs = _words(written), _words(expected)
    if not ours or not theirs:
        return float(ours == theirs)
    # F1 of common/found and common/wanted.
    return 2 * common(ours, theirs) / (len(ours) + len(theirs))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def common(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence.

    A row of the usual table is one number, with a bit for each step that does not rise (Hyyrö 2004,
    "Bit-parallel LCS-length computation revisited").
    """
    places: defaultdict[str, int] = defaultdict(int)
    for place, word in enumerate(first):
        places[word] |= 1 << place
    every = (1 << len(first)) - 1
    row = every
    for word in second:
        match = row & places.get(word, 0)
        row = ((row + match) | (row - match)) & every
    return len(first) - row.bit_count()
