"""What a text without a tree shows of itself: its definitions, and the spans that a completion may
fill in. Told by marks, by words that languages share, and by how deep lines stand.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from budgetai_core.context.block_words import CodeLine, code_lines
from budgetai_core.context.languages import Language, LexicalMarks
from budgetai_core.context.lexing import masked

# No one writes more by hand.
_MAX_DEFINITIONS = 20_000
_MODIFIERS = (
    "public|private|protected|internal|external|global|local|export|exported|pub|open|shared|static"
    "|abstract|final|sealed|partial|override|overridable|virtual|async|unsafe|inline|pure|impure"
    "|recursive|elemental|overloads|friend|default|extern|native|stock|create|or|replace|alter"
    "|temporary|temp|unique|generic|data|newtype|automatic|integer|real|double|logical|character"
)
# Words in front of the name that they define.
_KINDS = {
    "function": "function func fun fn def defp defmacro sub subroutine procedure proc method task"
    " macro operator constructor event action trigger rule program predicate property",
    "class": "class struct structure record entity component contract library object function_block"
    " protocol trait actor union form page codeunit table view",
    "interface": "interface signature",
    "enum": "enum",
    "type": "type typedef subtype domain",
    "module": "module package namespace unit configuration architecture process schema message"
    " service resource defmodule",
    "constant": "const constant parameter localparam define variable output",
}
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words.split()}
_NAME = r"[A-Za-z_$][\w$]*(?:[.:][A-Za-z_$][\w$]*)*[!?]?"
_BY_WORD = re.compile(
    rf"^[ \t]*(?:(?:{_MODIFIERS})[ \t]+)*[`#]?(?P<word>{'|'.join(_KIND_OF)})(?:[ \t]+body)?[ \t]+"
    r"(?:(?:if|not|exists)[ \t]+)*"
    # What comes before the name: dimensions, the results of MATLAB, receivers.
    r"(?:\[[^\]\n]{0,80}\][ \t]*|[\w, \[\]]{1,40}=[ \t]*|\([^()\n]{0,80}\)[ \t]*)?"
    rf"[\"'`\[]?(?P<name>{_NAME}(?:-\w+)*)(?![ \t]*(?:,|\w+[ \t]*:=?[ \t]))",
    re.IGNORECASE | re.MULTILINE,
)
_OTHERS = tuple(
    (kind, re.compile(pattern, re.MULTILINE))
    for kind, pattern in (
        # Lisp, and what assigns a function to a name.
        ("function", r"^[ \t]*\((?:def\w*|define(?:-[\w-]+)?)[ \t]+\(?(?P<name>[^\s()\[\]\"';]+)"),
        (
            "function",
            rf"^[ \t]*(?P<name>{_NAME})[ \t]*(?:<-|:?=|::)[ \t]*(?:function|func?|proc|lambda)\b",
        ),
        # A signature, or clauses of Erlang and Prolog, at the beginning of a line.
        ("function", r"^(?P<name>[a-z_][\w']*)[ \t]*::?[ \t]+[^=\n]*->"),
        ("function", r"^(?P<name>[a-z]\w*)\([^\n]*\)[ \t]*(?:->|:-|when\b)"),
        # Between braces: a head with a parameter list, and what blocks of settings are called.
        (
            "function",
            rf"^(?:[\w<>\[\]*&:,]+[ \t]+){{1,6}}[*&]*(?P<name>{_NAME})[ \t]*\([^;{{}}()\n]*\)"
            r"[^;{}=\n]*\{?[ \t]*$",
        ),
        ("function", r"^[-+][ \t]*\([^()\n]*\)[ \t]*(?P<name>\w+)"),
        ("type", r"^(?P<name>[.#][A-Za-z_][\w-]*)[^{};\n]*\{[ \t]*$"),
        # Makefiles, and labels of assemblers.
        ("function", r"^(?P<name>[A-Za-z_.$][\w.$/-]*):(?![=:])[^\n=]*$"),
    )
)  # fmt: skip
_FIRST_WORD = re.compile(r"^[ \t]*[`#]?([A-Za-z_]\w*)", re.MULTILINE)
_LEADING = frozenset(_KIND_OF) | frozenset(_MODIFIERS.split("|"))
_WORD = re.compile(r"[^\W\d]\w*")
_NOT_NAMES = frozenset(
    re.split(
        " ",
        "if else elseif elsif for while until switch case when return and or not is in of to end"
        " then do begin var let default with from as new throw catch using use import include",
    )
)
_BRACKETED = re.compile(r"(?<=[\w$!?])\((?:[^()\n]|\([^()\n]*\))*\)")
_ASSIGNED = re.compile(r"(?<![=<>!:])(?::=|<=|<-|=)(?!=)[ \t]*(?P<value>[^\n=;]*[^\s=;,{(\[])")


class Outlined(NamedTuple):
    """A definition: its name and kind, its line, and the characters of its head and of all of
    it."""

    name: str
    kind: str
    line: int
    start: int
    head_end: int
    end: int


class OutlinedSpan(NamedTuple):
    """A span that is a whole thing, named as grammars name such nodes."""

    type: str
    start: int
    end: int


def outlined(text: str, language: Language) -> list[Outlined]:
    """Return the definitions of a text in its order; a name once on its line."""
    marks = language.marks or LexicalMarks()
    code = masked(text, marks)
    # Of a string nothing is left, and some languages write names in quotes.
    quoted = masked(text, LexicalMarks(marks.comments, marks.blocks))
    lines = _Lines(code, marks)
    by_place: dict[int, Outlined] = {}
    matches = [(_KIND_OF[match["word"].lower()], match) for match in _by_word(quoted)]
    matches += [(kind, match) for kind, pattern in _OTHERS for match in pattern.finditer(code)]
    for kind, match in islice(matches, _MAX_DEFINITIONS):
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        known = match["name"].lower() in _NOT_NAMES or code[start : start + 1].isspace()
        if not known and lines.number(start) not in by_place:
            number = lines.number(start)
            by_place[number] = Outlined(
                match["name"], kind, number, start, lines.end(number), lines.block_end(number)
            )
    return [by_place[number] for number in sorted(by_place)]


def _by_word(code: str) -> Iterator[re.Match[str]]:
    """Yield definitions that a word names. Few lines begin with such a word, and to look at one is
    quicker than to try all patterns."""
    for first in _FIRST_WORD.finditer(code):
        if first[1].lower() in _LEADING and (match := _BY_WORD.match(code, first.start())):
            yield match


def pieces(text: str, language: Language) -> Iterator[OutlinedSpan]:
    """Yield the blocks, statements, arguments and values of a text, blocks first."""
    marks = language.marks or LexicalMarks()
    code = masked(text, marks)
    lines = _Lines(code, marks)
    yield from lines.blocks()
    for line in lines.code:
        start, end = lines.start(line.number), lines.end(line.number)
        if line.word not in marks.closers and line.word not in marks.dividers:
            yield OutlinedSpan("line_statement", start, end)
        shown = code[start:end]
        for match in _BRACKETED.finditer(shown):
            yield OutlinedSpan("arguments", start + match.start(), start + match.end())
        if value := _ASSIGNED.search(shown):
            low, high = value.span("value")
            yield OutlinedSpan("value_expression", start + low, start + high)


class _Lines:
    """The lines of a text whose comments and strings are spaces, and the blocks that they make."""

    def __init__(self, code: str, marks: LexicalMarks) -> None:
        self._code = code
        self._marks = marks
        self._starts = [0, *(match.end() for match in re.finditer("\n", code))]
        self.code = list(code_lines(code, LexicalMarks()))
        self._place = {line.number: at for at, line in enumerate(self.code)}
        self._ends = _last_lines(self.code, marks)
        self._by_word: defaultdict[str, list[int]] = defaultdict(list)
        for at, line in enumerate(self.code):
            self._by_word[line.word].append(at)

    def number(self, character: int) -> int:
        return bisect_right(self._starts, character) - 1

    def start(self, number: int) -> int:
        """Return where the text of a line starts."""
        begin = self._starts[number]
        line = self._code[begin : self._newline(number)]
        return begin + len(line) - len(line.lstrip())

    def end(self, number: int) -> int:
        """Return where the text of a line ends."""
        begin = self._starts[number]
        return begin + len(self._code[begin : self._newline(number)].rstrip())

    def _newline(self, number: int) -> int:
        following = number + 1
        return self._starts[following] - 1 if following < len(self._starts) else len(self._code)

    def block_end(self, number: int) -> int:
        """Return the end of what begins on a line: with its deeper lines, and what closes them."""
        at = self._place.get(number)
        if at is None:
            return self.end(number)
        last = self._ends[at]
        return self.end(self.code[self._named_end(at) if last == at else last].number)

    def _named_end(self, at: int) -> int:
        """Return the line that ends what a line begins by name, as END_FUNCTION does where nothing
        is indented; the line itself where there is none."""
        for word in _WORD.findall(self.code[at].text.lower())[:2]:
            for name in (f"end_{word}", f"end{word}"):
                places = self._by_word.get(name, ())
                place = bisect_right(places, at)
                if place < len(places):
                    return places[place]
        return at

    def blocks(self) -> Iterator[OutlinedSpan]:
        for at, last in enumerate(self._ends):
            if last > at + 1 or (last > at and self.code[last].depth > self.code[at].depth):
                start = self.start(self.code[at + 1].number)
                yield OutlinedSpan("block", start, self.end(self.code[last].number))


def _last_lines(code: Sequence[CodeLine], marks: LexicalMarks) -> list[int]:
    """Return for each line the last one of the block that it begins; itself where it begins
    none."""
    last = list(range(len(code)))
    around: list[int] = []
    for at, line in enumerate(code):
        while around and code[around[-1]].depth > line.depth:
            last[around.pop()] = at - 1
        while around and code[around[-1]].depth == line.depth:
            head = around.pop()
            closes = line.word in marks.closers or (line.text[:1] in ")]}" and at > head + 1)
            last[head] = at if closes and at > head + 1 else at - 1
            if line.word in marks.dividers and at > head + 1:
                around.append(head)
                break
        else:
            around.append(at)
    for head in around:
        last[head] = len(code) - 1
    return last
