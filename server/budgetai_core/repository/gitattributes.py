"""What `.gitattributes` says of files: `linguist-generated`, `linguist-vendored`,
`linguist-detectable` and `linguist-language`.

https://git-scm.com/docs/gitattributes and linguist's docs/overrides.md
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from budgetai_core.repository import git
from budgetai_core.repository.gitignore import UnreadableError, rules
from budgetai_core.repository.wildmatch import Pattern

_LANGUAGE = "linguist-language"
NAMES = ("linguist-generated", "linguist-vendored", "linguist-detectable", _LANGUAGE)
# What git says of an attribute that has no value.
_NOTHING = frozenset({"set", "unset", "unspecified"})
_STATES = {"set": True, "true": True, "unset": False, "false": False}


@dataclass(frozen=True)
class Marks:
    """True where a file is marked, False where a mark is taken off, None where nothing is said.
    `language` is its name, with hyphens for spaces; empty where none is given."""

    generated: bool | None = None
    vendored: bool | None = None
    detectable: bool | None = None
    language: str = ""


def marks(root: Path, paths: Sequence[str]) -> dict[str, Marks]:
    """Return the marks of those files that have any. Git is asked once, for all of them."""
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    answer = git.ask(root, "check-attr", "-z", "--stdin", *NAMES, stdin=names)
    attributes = _without_git(root, paths) if answer is None else _with_git(answer)
    by_path: dict[str, dict[str, bool]] = {}
    languages: dict[str, str] = {}
    for path, name, value in attributes:
        if name == _LANGUAGE and value not in _NOTHING:
            languages[path] = value
        elif name != _LANGUAGE and value in _STATES:
            by_path.setdefault(path, {})[name.removeprefix("linguist-")] = _STATES[value]
    return {
        path: Marks(language=languages.get(path, ""), **by_path.get(path, {}))
        for path in by_path.keys() | languages.keys()
    }


def _with_git(answer: bytes) -> Iterator[tuple[str, str, str]]:
    fields = [os.fsdecode(field) for field in answer.split(b"\0")]
    return zip(fields[0::3], fields[1::3], fields[2::3], strict=False)


def _without_git(root: Path, paths: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Read the files without git. The last line that speaks of a file counts, and a folder's own
    file after those above."""
    known: dict[str, list[tuple[Pattern, str, str]]] = {}
    for path in paths:
        for folder in _folders(path):
            if folder not in known:
                known[folder] = list(_attributes(root / folder / ".gitattributes"))
            for pattern, name, value in known[folder]:
                if pattern.matches(path[len(folder) :]):
                    yield path, name, value


def _folders(path: str) -> Iterator[str]:
    """Yield the folders above a file, the outermost, which is empty, first."""
    yield ""
    for at, letter in enumerate(path):
        if letter == "/":
            yield path[: at + 1]


def _attributes(file: Path) -> Iterator[tuple[Pattern, str, str]]:
    try:
        lines = rules(file)
    except UnreadableError:
        return
    for line in lines:
        text, *words = line.split()[:20] or [""]
        # Unlike ignore patterns, these are never negative and never stand for all below a folder.
        if text.startswith(("!", '"', "[attr]")) or text.endswith("/"):
            continue
        pattern = Pattern.of(text)
        if pattern is None:
            continue
        for word in words:
            name, equals, value = word.lstrip("-!").partition("=")
            if name in NAMES:
                yield pattern, name, value if equals else _SIGNS.get(word[0], "set")


_SIGNS = {"-": "unset", "!": "unspecified"}
