"""Where a rule applies in a text: pure functions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from budgetai_server.next_edit.edit_rules import MAX_LINE_CHARACTERS, WORD, Rule, pattern

# Places of a text that are looked at; who has more of them has no use for one at a time.
MAX_PLACES = 30
# A line beside which lines are put in says nothing with fewer characters.
_MIN_ANCHOR_CHARACTERS = 4


@dataclass(frozen=True)
class RulePlace:
    """Lines from `first` up to `last` of a text, `old`, that a rule makes `new`. In its line the
    rule's own text goes from `start` to `end`; `at` is the character of the text where it begins.
    `agreement` says of lines that are put in how many of their two neighbours are the same."""

    first: int
    last: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    line: str
    start: int
    end: int
    at: int
    agreement: int = 0


def places(rule: Rule, text: str, start: int = 0, end: int | None = None) -> Iterator[RulePlace]:
    """Yield the places of a text in their order, each with all that changes in its lines. `start`
    and `end` are characters at which a line begins."""
    stop = len(text) if end is None else end
    if text.find(rule.probe, start, stop) < 0:
        return
    if rule.kind == "lines" and not rule.old:
        found = _for_lines(rule, text, start, stop)
    elif rule.kind == "insert":
        found = _for_insertions(rule, text, start, stop)
    else:
        found = _for_old_text(rule, text, start, stop)
    yield from islice(found, MAX_PLACES)


def applied(rule: Rule, line: str) -> str:
    """Return what a rule makes of a line, if it stays inside of one line; or else the line."""
    if rule.kind == "lines" or "\n" in rule.old or "\n" in rule.new:
        return line
    return next((place.new[0] for place in places(rule, line)), line)


def _for_old_text(rule: Rule, text: str, start: int, stop: int) -> Iterator[RulePlace]:
    counter = _LineCounter(text)
    inside_one = "\n" not in rule.old and rule.kind != "lines"
    kept_at = rule.new.find(rule.old)
    matches: list[re.Match[str]] = []
    line_end, is_long = -1, False
    for match in pattern(rule).finditer(text, start, stop):
        at = match.start()
        if at > line_end:
            line_end = _line_end(text, at)
            is_long = line_end - text.rfind("\n", 0, at) > MAX_LINE_CHARACTERS
        if is_long:
            # Each place in it would read all of it.
            continue
        if 0 <= kept_at <= at and text.startswith(rule.new, at - kept_at):
            # It is done already.
            continue
        if matches and not (inside_one and text.find("\n", matches[0].start(), at) < 0):
            yield _replaced(rule, text, matches, counter)
            matches = []
        matches.append(match)
    if matches:
        yield _replaced(rule, text, matches, counter)


def _replaced(
    rule: Rule, text: str, matches: list[re.Match[str]], counter: "_LineCounter"
) -> RulePlace:
    at, until = matches[0].start(), matches[-1].end()
    begin, stop = text.rfind("\n", 0, at) + 1, _line_end(text, until)
    first = counter.line(begin)
    old = tuple(text[begin:stop].split("\n"))
    new: tuple[str, ...] = ()
    if rule.kind != "lines":
        made, behind = "", begin
        for match in matches:
            made += text[behind : match.start()] + _indented(rule.new, old[0])
            behind = match.end()
        new = tuple((made + text[behind:stop]).split("\n"))
    end = min(matches[0].end() - begin, len(old[0]))
    return RulePlace(first, first + len(old), old, new, old[0], at - begin, end, at)


def _for_insertions(rule: Rule, text: str, start: int, stop: int) -> Iterator[RulePlace]:
    counter = _LineCounter(text)
    both = rule.left + rule.right
    at = text.find(both, start, stop)
    while at >= 0:
        where = at + len(rule.left)
        end = at + len(both)
        if _is_bounded(text, at) and _is_bounded(text, end):
            begin, end = text.rfind("\n", 0, at) + 1, _line_end(text, where)
            line = text[begin:end]
            column = where - begin
            made = line[:column] + _indented(rule.new, line) + line[column:]
            first = counter.line(begin)
            new = tuple(made.split("\n"))
            yield RulePlace(first, first + 1, (line,), new, line, column, column, where)
        at = text.find(both, max(end, at + 1), stop)


def _for_lines(rule: Rule, text: str, start: int, stop: int) -> Iterator[RulePlace]:
    """Yield places between two lines of which at least the longer one is the same."""
    probe = rule.probe
    if len(probe) < _MIN_ANCHOR_CHARACTERS:
        return
    counter = _LineCounter(text)
    inserted = rule.new.split("\n")
    done = {inserted[0].strip(), inserted[-1].strip()} - {""}
    at = text.find(probe, start, stop)
    while at >= 0:
        begin, end = text.rfind("\n", 0, at) + 1, _line_end(text, at)
        line = text[begin:end]
        if line.strip() == probe and end < len(text):
            where = end + 1 if probe == rule.left else begin
            above = text[text.rfind("\n", 0, max(where - 1, 0)) + 1 : max(where - 1, 0)].strip()
            below = text[where : _line_end(text, where)].strip()
            agreement = (above == rule.left) + (below == rule.right)
            if agreement and not {above, below} & done:
                indent = line[: len(line) - len(line.lstrip(" \t"))]
                new = tuple(indent + put_in if put_in else "" for put_in in inserted)
                number = counter.line(where)
                yield RulePlace(number, number, (), new, line, 0, len(line), where, agreement)
        at = text.find(probe, end, stop)


class _LineCounter:
    """Counts the lines up to places that come in their order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._line = self._at = 0

    def line(self, at: int) -> int:
        self._line += self._text.count("\n", self._at, at)
        self._at = at
        return self._line


def _indented(new: str, line: str) -> str:
    """Return a text whose lines behind the first are indented as a line is."""
    indent = line[: len(line) - len(line.lstrip(" \t"))]
    first, *rest = new.split("\n")
    return "\n".join([first, *(indent + inner if inner.strip() else inner for inner in rest)])


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _is_bounded(text: str, at: int) -> bool:
    """Return whether no word goes over a place."""
    inside = 0 < at < len(text)
    return not (inside and WORD.match(text[at - 1]) and WORD.match(text[at]))
