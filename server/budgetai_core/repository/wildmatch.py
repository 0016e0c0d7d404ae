"""Patterns as in `.gitignore`, read as git reads them: a pattern becomes a regular expression.

https://git-scm.com/docs/gitignore, and git's own wildmatch.c and dir.c where that is silent.
Patterns and paths are bytes, as they are to git: `?` stands for a byte. The expressions never go
back to an asterisk once what follows it was seen: a pattern may have been written to stop us.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

_SPECIAL = re.compile(rb"[*?\[\\]")
# git's own classes know ASCII alone, whatever the locale is.
_CLASSES = {
    b"alnum": rb"0-9A-Za-z", b"alpha": rb"A-Za-z", b"blank": rb" \t", b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9", b"graph": rb"!-~", b"lower": rb"a-z", b"print": rb" -~",
    b"punct": rb"!-/:-@\[-`{-~", b"space": rb"\t\n\r ", b"upper": rb"A-Z",
    b"xdigit": rb"0-9A-Fa-f",
}  # fmt: skip
# What git sets core.ignoreCase to where it makes a repository.
_FLAGS = re.DOTALL | (re.IGNORECASE if sys.platform in ("darwin", "win32") else 0)


class Pattern(NamedTuple):
    """One line of an ignore file. `expression` takes a whole name where the pattern has no slash,
    and a whole path where it has one."""

    expression: re.Pattern[bytes]
    takes_back: bool
    folders_only: bool
    name_only: bool

    @classmethod
    def of(cls, line: str) -> "Pattern | None":
        """Read one line; None for an empty line, a remark, and what git says can match nothing."""
        text = os.fsencode(line) if not line.startswith("#") else b""
        takes_back = text.startswith(b"!")
        text = _without_trailing_spaces(text)[takes_back:]
        folders_only = text.endswith(b"/")
        text = text[: len(text) - folders_only]
        name_only = b"/" not in text
        expression = _translated(text.removeprefix(b"/"), name_only=name_only)
        if not text or expression is None:
            return None
        return cls(re.compile(expression, _FLAGS), takes_back, folders_only, name_only)

    def matches(self, path: str) -> bool:
        """Return whether the pattern names the path itself, and not only a folder around it. The
        path of a folder ends in a slash."""
        if self.folders_only and not path.endswith("/"):
            return False
        name = os.fsencode(path.rstrip("/"))
        return bool(self.expression.fullmatch(name.rpartition(b"/")[2] if self.name_only else name))


class Patterns:
    """The lines of an ignore file; a later one overrules those before it."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._last_first = [pattern for line in lines if (pattern := Pattern.of(line))][::-1]

    def __bool__(self) -> bool:
        return bool(self._last_first)

    def verdict(self, path: str) -> bool | None:
        """Return whether the path is ignored by its own name; None where no pattern names it."""
        for pattern in self._last_first:
            if pattern.matches(path):
                return not pattern.takes_back
        return None

    def covers(self, path: str) -> bool | None:
        """Return whether the path or a folder around it is ignored; None where no pattern names
        them."""
        last = None
        for name in _from_outside(path):
            verdict = self.verdict(name)
            if verdict:
                return True
            last = last if verdict is None else verdict
        return last


def _from_outside(path: str) -> Iterator[str]:
    """Yield the folders around a path, the outermost first, and the path."""
    for at, letter in enumerate(path[:-1]):
        if letter == "/":
            yield path[: at + 1]
    yield path


def _without_trailing_spaces(text: bytes) -> bytes:
    """Return the line without the spaces at the end, but for one behind a backslash."""
    stripped = text.rstrip(b" ")
    backslashes = len(stripped) - len(stripped.rstrip(b"\\"))
    return text[: len(stripped) + 1] if backslashes % 2 else stripped


def _translated(pattern: bytes, *, name_only: bool) -> bytes | None:
    """Return a regular expression for whole names or paths; None where git says there can be
    none."""
    special = _SPECIAL.search(pattern)
    if special is None:
        return re.escape(pattern)
    # git compares what stands before the first special character by itself, and takes what is
    # left for a pattern of its own: `a**/b` means `a` and anything.
    start = 0 if name_only else special.start()
    return _Translation(pattern[start:], name_only=name_only).whole(re.escape(pattern[:start]))


class _Translation:
    """One pattern on its way to an expression."""

    def __init__(self, pattern: bytes, *, name_only: bool) -> None:
        self._pattern = pattern
        self._within_name = name_only
        self._at = 0
        # Atomic groups: what has been found as early as it could be need not be found later.
        self._open_stars = 0
        self._open_folders = 0

    def whole(self, head: bytes) -> bytes | None:
        parts = [head]
        while self._at < len(self._pattern):
            part = self._next()
            if part is None:
                return None
            parts.append(part)
        return b"".join(parts) + rb"\Z" + b")" * (self._open_stars + self._open_folders)

    def _next(self) -> bytes | None:
        letter = self._pattern[self._at : self._at + 1]
        if letter == b"*":
            return self._asterisks()
        if letter == b"[":
            return self._bracket()
        self._at += 1
        if letter == b"?":
            return b"[^/]"
        if letter == b"\\":
            letter = self._pattern[self._at : self._at + 1]
            self._at += 1
        return re.escape(letter) or None

    def _asterisks(self) -> bytes:
        start = self._at
        while self._pattern[self._at : self._at + 1] == b"*":
            self._at += 1
        rest = self._pattern[self._at :]
        over_folders = (
            self._at - start > 1
            and not self._within_name
            and (not start or self._pattern[start - 1 : start] == b"/")
            and (not rest or rest.startswith((b"/", b"\\/")))
        )
        closing, self._open_stars = b")" * self._open_stars, 0
        if not over_folders:
            self._open_stars = 1
            return closing + b"(?>[^/]*?"
        closing, self._open_folders = closing + b")" * self._open_folders, 1
        if rest.startswith(b"/"):
            self._at += 1
            return closing + b"(?>(?:[^/]*/)*?"
        return closing + b"(?>.*?"

    def _bracket(self) -> bytes | None:
        """Return the set of bytes a bracket expression stands for; never a slash."""
        parsed = _Bracket(self._pattern, self._at + 1).read()
        if parsed is None:
            return None
        members, self._at = parsed
        return b"(?!/)" + members


class _Bracket:
    """A bracket expression as git reads it: `at` is the place behind the bracket that opens it."""

    def __init__(self, pattern: bytes, at: int) -> None:
        self._pattern = pattern
        self._at = at
        self._previous = b""
        self._members: list[bytes] = []

    def read(self) -> tuple[bytes, int] | None:
        """Return a set of a regular expression and the place behind the bracket that closes it;
        None where none does, or a class has no name git knows."""
        negated = self._here() in (b"!", b"^")
        self._at += negated
        first = True
        while first or self._here() != b"]":
            first = False
            if not self._here() or not self._member():
                return None
        # An empty set, as of `z-a`, matches nothing; without it, anything.
        inside = b"".join(self._members)
        if not inside:
            return (b"." if negated else b"(?!)"), self._at + 1
        return b"[" + b"^" * negated + inside + b"]", self._at + 1

    def _here(self, ahead: int = 0) -> bytes:
        return self._pattern[self._at + ahead : self._at + ahead + 1]

    def _member(self) -> bool:
        """Read on by one byte, range or class. False where the expression makes no sense."""
        letter = self._here()
        if letter == b"-" and self._previous and self._here(1) not in (b"", b"]"):
            return self._range()
        if letter == b"[" and self._here(1) == b":":
            closing = self._pattern.find(b"]", self._at + 2)
            if closing < 0:
                return False
            if self._pattern[closing - 1 : closing] == b":" and closing > self._at + 2:
                return self._class(self._pattern[self._at + 2 : closing - 1], closing + 1)
        if letter == b"\\":
            self._at += 1
            letter = self._here()
        if not letter:
            return False
        self._members.append(re.escape(letter))
        self._previous = letter
        self._at += 1
        return True

    def _range(self) -> bool:
        self._at += 1
        if self._here() == b"\\":
            self._at += 1
        last = self._here()
        if not last:
            return False
        if self._previous <= last:
            self._members.append(re.escape(self._previous) + b"-" + re.escape(last))
        self._previous = b""
        self._at += 1
        return True

    def _class(self, name: bytes, end: int) -> bool:
        if name not in _CLASSES:
            return False
        self._members.append(_CLASSES[name])
        self._previous = b""
        self._at = end
        return True


@cache
def patterns(*lines: str) -> Patterns:
    """Return the patterns of options, which are the same each time they are asked for."""
    return Patterns(lines)
