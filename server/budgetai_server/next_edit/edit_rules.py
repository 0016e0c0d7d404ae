"""What an edit did, as rules that apply elsewhere: pure functions over lines.

An edit's change is what lies between the tokens that both of its sides share at their ends. Blanks
behind a newline are indentation, and no part of what is compared.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal

from rapidfuzz.distance import Indel

Kind = Literal["replace", "delete", "insert", "lines"]

_TOKEN = re.compile(r"\n[^\S\n]*|\w+|[^\S\n]+|[^\w\s]")
WORD = re.compile(r"\w+")
# Of longer edits and lines nothing is generalised: they are pasted, formatted or generated.
MAX_EDIT_LINES, MAX_LINE_CHARACTERS = 40, 400
# A line with more changes than that is another line.
_MAX_CHANGES = 4
# Tokens on either side of a change that are compared with those of a place, and those that an
# insertion stands between.
_CONTEXT_TOKENS, _ANCHOR_TOKENS = 4, 2


@dataclass(frozen=True)
class LineEdit:
    """Lines of a document, `old`, that became `new`. `line` is the first of these in the document
    as it is now, from 0; `above` and `below` are the lines around them."""

    document: str
    line: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    above: str = ""
    below: str = ""

    @property
    def end(self) -> int:
        """The line behind the edit."""
        return self.line + len(self.new)


@dataclass(frozen=True)
class Rule:
    """A change without its place: `old` becomes `new`, which are texts in lines or, as `lines`,
    whole lines. Lines behind the first are without the indentation of the first.

    An insertion has no `old`: `left` and `right` are the texts that it stands between; of whole
    lines the lines above and below, without white space around them.
    """

    kind: Kind
    old: str
    new: str
    left: str = ""
    right: str = ""

    @property
    def probe(self) -> str:
        """A text without a line break that stands wherever the rule applies."""
        if self.kind == "insert":
            return self.left + self.right
        if not self.old:
            return max(self.left, self.right, key=len)
        if "\n" not in self.old:
            return self.old
        return max((line.strip() for line in self.old.split("\n")), key=len)

    @property
    def is_balanced(self) -> bool:
        """Whether it opens no bracket or quote that it leaves to another edit to close."""
        return _open(self.old) == _open(self.new)


@dataclass(frozen=True)
class Example:
    """A place where a rule was applied: the line it begins in, as it was, and from where to where
    it goes there. `row` counts lines of the edit's new text. `whole` says that the rule is all that
    the edit did."""

    line: str
    start: int
    end: int
    whole: bool
    row: int = 0

    @cached_property
    def left(self) -> tuple[str, ...]:
        """The tokens in front of it, the nearest first."""
        return context(self.line[: self.start])[: -_CONTEXT_TOKENS - 1 : -1]

    @cached_property
    def right(self) -> tuple[str, ...]:
        """The tokens behind it."""
        return context(self.line[self.end :])[:_CONTEXT_TOKENS]


def context(text: str) -> tuple[str, ...]:
    """Return words and marks, without blanks."""
    return tuple(token for token in _TOKEN.findall(text) if not token.isspace())


def rules_of(edit: LineEdit) -> Iterator[tuple[Rule, Example]]:
    """Yield the rules that an edit is an example of: the whole of it first, then its parts. A rule
    comes as often as the edit has examples of it."""
    if max(len(edit.old), len(edit.new)) > MAX_EDIT_LINES:
        return
    if any(len(line) > MAX_LINE_CHARACTERS for line in (*edit.old, *edit.new)):
        return
    old, new = list(edit.old), list(edit.new)
    above, below = edit.above, edit.below
    skipped = 0
    while old and new and old[0] == new[0]:
        above, skipped = old.pop(0), skipped + 1
        new.pop(0)
    while old and new and old[-1] == new[-1]:
        below = old.pop()
        new.pop()
    rules = _of_replaced(old, new) if old and new else _of_whole_lines(old, new, above, below)
    for rule, example in rules:
        if rule.is_balanced:
            yield rule, replace(example, row=example.row + skipped)


def _of_replaced(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[Rule, Example]]:
    wholes = list(_between_ends("\n".join(old), "\n".join(new)))
    yield from wholes
    if len(old) != len(new):
        return
    known = {rule for rule, _ in wholes}
    pairs = [(row, *pair) for row, pair in enumerate(zip(old, new, strict=True))]
    changed = [pair for pair in pairs if pair[1] != pair[2]]
    for row, before, after in changed:
        of_line = list(_between_ends(before, after)) if len(changed) > 1 else []
        lines_own = {rule for rule, _ in of_line}
        inner = [part for part in _changes(before, after) if part[0] not in lines_own]
        for rule, example in [*of_line, *inner]:
            if len(changed) > 1 or rule not in known:
                yield rule, replace(example, whole=False, row=row)


def _of_whole_lines(
    old: Sequence[str], new: Sequence[str], above: str, below: str
) -> Iterator[tuple[Rule, Example]]:
    lines = [*old, *new]
    indent = min((_indent(line) for line in lines if line.strip()), key=len, default="")
    text = "\n".join(line.removeprefix(indent) for line in lines)
    if not text.strip():
        return
    if old:
        yield Rule("lines", text, ""), Example(old[0], 0, len(old[0]), whole=True)
    else:
        rule = Rule("lines", "", text, above.strip(), below.strip())
        yield rule, Example(above, 0, len(above), whole=True)


def _between_ends(before: str, after: str) -> Iterator[tuple[Rule, Example]]:
    """Yield the change between the ends that two texts share, if there is one."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    shortest = min(len(old), len(new))
    head = next((n for n in range(shortest) if old[n] != new[n]), shortest)
    tail = 0
    while tail < shortest - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    change = "".join(new[head : len(new) - tail])
    yield from _rule(old, head, len(old) - tail, change, whole=True)


def _changes(before: str, after: str) -> Iterator[tuple[Rule, Example]]:
    """Yield the changes inside of one line, where they are few."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    spans: list[tuple[int, int, int, int]] = []
    for step in Indel.opcodes(old, new):
        if step.tag == "equal":
            continue
        span = (step.src_start, step.src_end, step.dest_start, step.dest_end)
        # A mark that stays between two changes, as the dot in a path, is a part of one change.
        last = spans[-1] if spans else span
        between = old[last[1] : span[0]]
        if spans and len(between) <= 1 and not any(WORD.match(t) or t.isspace() for t in between):
            spans[-1] = (last[0], span[1], last[2], span[3])
        else:
            spans.append(span)
    if len(spans) <= _MAX_CHANGES:
        for first, last_token, new_first, new_last in spans:
            change = "".join(new[new_first:new_last])
            yield from _rule(old, first, last_token, change, whole=False)


def _rule(
    old: list[str], first: int, last: int, come: str, *, whole: bool
) -> Iterator[tuple[Rule, Example]]:
    """Yield the rule by which tokens from `first` up to `last` become another text."""
    gone = "".join(old[first:last])
    if not (gone or come).strip():
        return
    text = "".join(old)
    start = len("".join(old[:first]))
    begin = text.rfind("\n", 0, start) + 1
    line = text[begin:].partition("\n")[0]
    end = min(start - begin + len(gone), len(line))
    example = Example(line, start - begin, end, whole, text.count("\n", 0, begin))
    indent = _indent(line)
    inner = [*gone.split("\n")[1:], *come.split("\n")[1:]]
    if any(text.strip() and not text.startswith(indent) for text in inner):
        # Left of where it begins nothing tells how far to indent it elsewhere.
        return
    gone, come = _dedented(gone, indent), _dedented(come, indent)
    if gone:
        yield Rule("replace" if come else "delete", gone, come), example
        return
    left = "".join(reversed(_anchor(reversed(old[:first]))))
    right = "".join(_anchor(old[last:]))
    if (left + right).strip():
        yield Rule("insert", "", come, left, right), example


def _anchor(tokens: Iterable[str]) -> list[str]:
    """Return the tokens of a line up to the second that is not blank."""
    near: list[str] = []
    inked = 0
    for token in tokens:
        if token[0] == "\n" or inked == _ANCHOR_TOKENS:
            break
        near.append(token)
        inked += not token.isspace()
    return near


def _open(text: str) -> tuple[int, ...]:
    """Return how many brackets of each kind a text leaves open, and which quotes."""
    brackets = (text.count(a) - text.count(b) for a, b in ("()", "[]", "{}"))
    return (*brackets, *(text.count(quote) % 2 for quote in "\"'`"))


def _dedented(text: str, indent: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first, *(line.removeprefix(indent) for line in rest)])


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


@lru_cache(maxsize=256)
def pattern(rule: Rule) -> re.Pattern[str]:
    """Return what finds the old text of a rule, however it is indented."""
    lines = rule.old.split("\n")
    if rule.kind == "lines":
        body = r"\n".join(
            rf"[ \t]*{re.escape(line.strip())}[ \t]*" if line.strip() else r"[ \t]*"
            for line in lines
        )
        return re.compile(rf"^{body}$", re.MULTILINE)
    first, rest = lines[0], [line.lstrip() for line in lines[1:]]
    body = r"\n[ \t]*".join(re.escape(part) for part in [first, *rest])
    before = r"(?<!\w)" if WORD.match(rule.old) else ""
    after = r"(?!\w)" if WORD.match(rule.old[-1]) else ""
    return re.compile(before + body + after)
