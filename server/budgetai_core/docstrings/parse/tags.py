"""Texts with tags, as JSDoc and Javadoc have them: `@param x what it is`."""

import re
from dataclasses import dataclass, field

from budgetai_core.docstrings.parse.google import RETURN, bracketed

_TAG = re.compile(r"^[ \t]*@(\w+)[ \t]*", re.MULTILINE)
_WORD = re.compile(r"[\w$.<>]+")
_EXCEPTION = re.compile(r"[A-Z][\w$.]*\Z")
_PARAMETERS = frozenset({"param", "arg", "argument"})
_RETURNS = frozenset({"return", "returns", "yields", "yield"})
_RAISES = frozenset({"throws", "throw", "exception"})


@dataclass
class Tags:
    """`rest` are the tags that say something else, as they stand there."""

    prose: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    returns: str | None = None
    raises: dict[str, str] = field(default_factory=dict)
    rest: str = ""


def read(text: str) -> Tags:
    """Type variables (`<T>`) are no parameters; parameters of parameters (`options.size`) belong to
    what is said of these."""
    marks = list(_TAG.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    found = Tags(text[: marks[0].start()] if marks else text)
    for mark, end in zip(marks, ends, strict=False):
        if mark[1] in _PARAMETERS | _RETURNS | _RAISES:
            _add(found, mark[1], text[mark.end() : end].strip(), text[mark.start() : end])
        else:
            found.rest += text[mark.start() : end]
    found.rest = found.rest.strip()
    return found


def _add(found: Tags, tag: str, said: str, whole: str) -> None:
    kind, said = bracketed(said, "{")
    if tag in _PARAMETERS:
        optional, rest = bracketed(said, "[")
        word = _WORD.match(optional.strip() or said)
        if word and "." not in word[0] and "<" not in word[0]:
            found.parameters[word[0]] = _told(rest if optional else said[word.end() :])
            found.types[word[0]] = kind
        elif word and (name := word[0].partition(".")[0]) in found.parameters:
            found.parameters[name] += f"\n{whole.strip()}"
        else:
            found.rest += whole
    elif tag in _RETURNS:
        found.returns = _told(said) or kind
        found.types[RETURN] = kind if _told(said) else ""
    else:
        word = _WORD.match(said)
        if not kind and word and _EXCEPTION.match(word[0]):
            kind, said = word[0], said[word.end() :]
        found.raises[kind.rpartition(".")[2]] = _told(said)


def _told(said: str) -> str:
    return said.strip().removeprefix("-").strip()
