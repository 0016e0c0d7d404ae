"""Names that a repository had and has no more: removed, or called otherwise now. Pure.

A model that was tuned on an earlier state may go on saying them. Only what looks like a name of the
code's own counts: one that is put together (`load_table`, `loadTable`), or that was defined.
"""

import re
from collections import Counter

MAX_FILES = 10_000
"""The names of a file are kept; with more files than this, nothing is looked for."""
_WORD = re.compile(r"[^\W\d]\w{3,}")
_DEFINED = re.compile(
    r"\b(?:def|class|fn|func|function|fun|type|struct|interface|trait|enum|const|let|var|val)\s+"
    # What a method of Go belongs to.
    r"(?:\([^)\n]*\)\s*)?([^\W\d]\w{3,})"
)
_PUT_TOGETHER = re.compile(r"[^\W_]_+[^\W_]|[^\W\d_A-Z][A-Z]")


class NameHistory:
    """The names in a tree of files, as it changes. Those of `learn` that stand nowhere any more are
    gone; one that comes back is no longer gone."""

    def __init__(self) -> None:
        self._words: dict[str, frozenset[str]] = {}
        self._own: dict[str, frozenset[str]] = {}
        # How many files say a word.
        self._count: Counter[str] = Counter()
        self._learned: frozenset[str] = frozenset()

    def put(self, path: str, text: str | None) -> None:
        """Take in the text of a file; None where there is none any more."""
        for word in self._words.pop(path, frozenset()):
            self._count[word] -= 1
            if not self._count[word]:
                del self._count[word]
        self._own.pop(path, None)
        if text is not None:
            self._words[path] = words = frozenset(_WORD.findall(text))
            self._own[path] = own_names(text)
            self._count.update(words)

    def learn(self) -> None:
        """Note the names of the tree as it is now."""
        self._learned = frozenset().union(*self._own.values())

    def __len__(self) -> int:
        return len(self._words)

    @property
    def gone(self) -> frozenset[str]:
        return frozenset(name for name in self._learned if name not in self._count)


def own_names(text: str) -> frozenset[str]:
    """Return the names in a text that somebody has made up for it."""
    together = (word for word in _WORD.findall(text) if _PUT_TOGETHER.search(word))
    return frozenset((*together, *_DEFINED.findall(text)))


def says_any(text: str, names: frozenset[str], expected: str) -> bool:
    """Return whether a text says one of the names, and not because it was expected to."""
    said = names.intersection(_WORD.findall(text))
    return bool(said.difference(_WORD.findall(expected)))
