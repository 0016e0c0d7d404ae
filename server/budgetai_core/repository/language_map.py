"""The language of each file of a repository.

In this order a file's language is: what the user says of its ending or name, what
`.gitattributes` says, what its name tells, what its text tells, what most other files of the ending
are in. A text in a language that nobody knows counts as code where the repository is mostly made
of such texts.
"""

import mimetypes
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from posixpath import basename

from budgetai_core.context import naming
from budgetai_core.context.languages import (
    Language,
    language_called,
    language_named,
    language_of,
)
from budgetai_core.errors import OptionError
from budgetai_core.repository.gitattributes import Marks
from budgetai_core.repository.source_text import is_notebook, source_text

# Files of an ending that are looked at to learn what the others are.
_MAX_LOOKED_AT = 24
# An unknown ending is the repository's own language from so many files, and this share of those
# that may be code.
_MIN_FILES, _MIN_SHARE = 3, 0.6
# What programs write.
_OUTPUT = frozenset(
    {".bak", ".bin", ".dat", ".expected", ".golden", ".log", ".orig", ".out", ".snap", ".stderr",
     ".stdout", ".tmp"}
)  # fmt: skip

Read = Callable[[str], tuple[bytes, str]]


def declarations(options: Sequence[str]) -> dict[str, str]:
    """Return languages by ending or file name, of options like st=Structured Text. Raises
    OptionError."""
    languages = {}
    for option in options:
        name, equals, language = (part.strip() for part in option.partition("="))
        if not (name and equals and language) or "/" in name:
            raise OptionError(
                f"--language '{option}' does not name an ending and its language",
                "Write the ending, = and the language: --language 'st=Structured Text'",
            )
        languages[name.lower().lstrip(".*")] = language
    return languages


class LanguageMap:
    """What is known of the languages of a repository's files. `usual` has, by ending, the language
    of those that do not tell it themselves; where it is not given, `look` finds it."""

    def __init__(
        self,
        paths: Sequence[str],
        marks: Mapping[str, Marks],
        declared: Mapping[str, str] | None = None,
        usual: Mapping[str, str] | None = None,
    ) -> None:
        self._marks = marks
        self._declared = declared or {}
        self._paths = paths
        self._looked = usual is not None
        self.usual = dict(_own_ending(paths) if usual is None else usual)

    def may_be_code(self, path: str) -> bool:
        """Return whether a file is code by its name, or may show itself as code."""
        mark = self._marks.get(path, Marks())
        if self._declaration(path) or mark.detectable:
            return True
        if mark.detectable is False:
            return False
        if is_notebook(path):
            return True
        entries = naming.candidates(path)
        if entries or mark.language:
            named = language_called(mark.language.replace("-", " ")) if mark.language else None
            return named is not None or any(entry.is_code for entry in entries)
        ending = naming.ending(path)
        return not ending or ending in self.usual or language_of(path) is not None

    def language(self, path: str, text: str, inside: str = "") -> Language | None:
        """Return the language of a file that `may_be_code`; None where it is not. `inside` is what
        the file says of the code in it, as notebooks do."""
        if inside:
            return language_named(inside)
        mark = self._marks.get(path, Marks())
        if name := self._declaration(path) or mark.language:
            return language_named(name)
        by_name = language_of(path)
        if by_name and not naming.is_shared(path):
            return by_name
        usual = self.usual.get(naming.ending(path))
        known = naming.named(path, text, usual)
        if known is None:
            return language_named(usual) if usual else None
        return language_named(known.name) if known.is_code or mark.detectable else None

    def look(self, read: Read) -> None:
        """Read some files of each ending that languages share, so that those that tell their
        language decide on those that do not."""
        if self._looked:
            return
        self._looked = True
        shared: defaultdict[str, list[str]] = defaultdict(list)
        for path in self._paths:
            if naming.is_shared(path) and self.may_be_code(path):
                shared[naming.ending(path)].append(path)
        for ending, paths in shared.items():
            step = -(-len(paths) // _MAX_LOOKED_AT)
            languages = Counter(_told(path, read) for path in paths[::step])
            del languages[""]
            if languages:
                self.usual[ending] = languages.most_common(1)[0][0]

    def _declaration(self, path: str) -> str:
        name = basename(path).lower()
        while name:
            if language := self._declared.get(name):
                return language
            name = name.lstrip(".").partition(".")[2]
        return ""


def _told(path: str, read: Read) -> str:
    """Return the language that a file's text shows; empty where it shows none."""
    data, unreadable = read(path)
    text = "" if unreadable else source_text(path, data).text
    known = naming.told(path, text) if text else None
    return known.name if known else ""


def _own_ending(paths: Iterable[str]) -> dict[str, str]:
    """Return the ending of a language that nobody knows, if the files are mostly in one; it is its
    language's name."""
    counts: Counter[str] = Counter()
    for path in paths:
        entries = naming.candidates(path)
        if any(entry.is_code for entry in entries):
            counts[""] += 1
        elif not entries and (ending := naming.ending(path)) and _may_be_text(ending):
            counts[ending] += 1
    code = counts.pop("", 0)
    ending, count = max(counts.items(), key=itemgetter(1), default=("", 0))
    mostly = count >= _MIN_FILES and count >= _MIN_SHARE * (code + counts.total())
    return {ending: ending.lstrip(".")} if mostly else {}


def _may_be_text(ending: str) -> bool:
    kind, packed = mimetypes.guess_type(f"name{ending}")
    return ending not in _OUTPUT and not packed and (kind is None or kind.startswith("text/"))
