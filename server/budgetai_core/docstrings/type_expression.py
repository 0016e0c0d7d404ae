"""Types as signatures and docstrings write them, and whether two of them can be the same.

`Optional[List[int]]`, `list of int or None` and `(number[]|null)` are read alike: as terms, one for
each alternative. What is not a type alone (`array of shape (n,)`) is not read.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\s*(?P<token>\"[^\"]*\"|'[^']*'|`[^`]*`|\.\.\.|=>|\.?<|\[\]"
    r"|[^\W\d][\w$]*(?:\.[^\W\d][\w$]*)*|-?\d[\w.]*|[^\s\w])"
)
_NAME = re.compile(r"[^\W\d][\w$.]*\Z")
# What has more is read by no one.
_MAX_BRACKETS = 30
_ROLE = re.compile(r":[\w:]+:`~?([\w.]+)`|\[`([\w.]+)`\]")
# Whatever else is said, it may be that.
_ANYTHING = frozenset({"any", "object", "unknown", "self", "this", "typeof", "keyof", "infer"})
_TYPE_VARIABLE = re.compile(r"_?[A-Z]{1,2}\d?(?:_(?:co|contra))?\Z|_?\w+T(?:_(?:co|contra))?\Z")
_NOTHING = frozenset({"none", "null", "undefined", "void", "nonetype", "noreturn", "never"})
# Wrappers that say nothing of the value.
_WRAPPERS = frozenset(
    {"annotated", "classvar", "final", "required", "notrequired", "readonly", "promise",
     "awaitable", "coroutine", "initvar", "mapped"}
)  # fmt: skip
# Words for one thing, or for things of which one may be taken for the other.
_KINDS = {
    word: words.split()[0]
    for words in (
        "str string text literalstring",
        "int integer long",
        "float double real",
        "number",
        "bool boolean",
        "bytes bytearray buffer memoryview",
        "complex",
        "symbol",
        "bigint",
        "callable function func method",
        "path purepath pathlike",
        "list sequence mutablesequence iterable iterator collection container array readonlyarray"
        " tuple set frozenset mutableset abstractset generator asyncgenerator asynciterable"
        " asynciterator range deque",
        "dict dictionary mapping mutablemapping defaultdict ordereddict counter record map"
        " typeddict",
        "type class",
        "date", "datetime", "timedelta", "decimal", "regexp pattern", "error exception",
    )
    for word in words.split()
}  # fmt: skip
# Remarks that stand where a type does.
_REMARKS = frozenset(
    {"default", "deprecated", "ignored", "internal", "optional", "required", "unused"}
)
# Lower case, they are words of a sentence rather than types.
_CAPITALISED = frozenset(
    {"buffer", "class", "collection", "container", "counter", "date", "double", "error",
     "exception", "generator", "iterator", "long", "map", "method", "path", "pattern", "range",
     "real", "record", "text"}
)  # fmt: skip
# Of those of one kind no two of these are the same.
_CONCRETE = frozenset({"list", "tuple", "set", "frozenset", "array", "readonlyarray", "deque"})
# What else may be told of one value, whatever the number of bits.
_NUMBERS = ({"int"}, {"float"}, {"bool"}, *({"number", of} for of in ("int", "float", "complex")))
_SAME = {"frozenset": "set", "array": "list", "readonlyarray": "list"}


@dataclass(frozen=True)
class Term:
    """One alternative of a type. `kind` is its name in lower case, the same for words that mean the
    same; `word` is the name as it is written. `parts` are the types in its brackets, each with its
    alternatives; empty where it has none."""

    kind: str
    word: str
    parts: tuple[tuple["Term", ...], ...] = ()

    @property
    def anything(self) -> bool:
        return self.kind == "anything"

    @property
    def is_tuple(self) -> bool:
        return self._concrete == "tuple"

    @property
    def known(self) -> bool:
        """Whether it is a type of the language, and so no alias of another."""
        return self.kind in _KINDS.values() or self.kind in ("literal", "nothing")

    def fits(self, other: "Term") -> bool:
        """Return whether both can be told of one value."""
        if self.anything or other.anything:
            return True
        if "literal" in (self.kind, other.kind):
            return {self.kind, other.kind} & {"str", "int", "number", "bool", "bytes"} != set() or (
                self.kind == other.kind
            )
        if self.kind != other.kind:
            return {self._unsized, other._unsized} in _NUMBERS or (
                # A subclass, as most name them: LongTensor is a Tensor. Or more of them: Tensors.
                not self.known and not other.known
                and (self._one.endswith(other._one) or other._one.endswith(self._one))
            )  # fmt: skip
        if self._concrete and other._concrete and self._concrete != other._concrete:
            return False
        if not self.parts or not other.parts or self.kind == "callable":
            return True
        if len(self.parts) != len(other.parts):
            several = "..." in _words(self.parts) | _words(other.parts)
            return several or not (self._concrete and other._concrete)
        return all(agree(own, theirs) for own, theirs in zip(self.parts, other.parts, strict=True))

    @property
    def _unsized(self) -> str:
        """The kind without a number of bits: numpy's float64 is a float."""
        return self.kind.rstrip("0123456789_")

    @property
    def _one(self) -> str:
        return self.kind.removesuffix("s")

    @property
    def _concrete(self) -> str:
        word = self.word.rpartition(".")[2].lower()
        return _SAME.get(word, word) if word in _CONCRETE else ""


def _words(parts: tuple[tuple[Term, ...], ...]) -> set[str]:
    return {term.word for part in parts for term in part}


def agree(one: tuple[Term, ...], other: tuple[Term, ...]) -> bool:
    """Return whether two types can be the same: each alternative is among those of the other, or
    may be hidden in the name of an alias. None counts by its presence elsewhere, not here."""
    first, second = (_told(terms) for terms in (one, other))
    if not first or not second:
        return not (first or second) or any(term.anything for term in (*first, *second))
    odd = [term for term in first if not any(term.fits(match) for match in second)]
    more = [term for term in second if not any(match.fits(term) for match in first)]
    if not odd and not more:
        return True
    # A name of the code's own may stand for what the other side spells out.
    if len(first) == 1 < len(second) and not first[0].known:
        return True
    alias = any(not term.known for term in more) or (len(second) == 1 and not second[0].known)
    return alias and (len(odd) != 1 or odd[0].known)


def _told(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """Return alternatives without None, and without what another one includes."""
    kinds = {term.kind for term in terms}
    included = {"int"} if "float" in kinds else set[str]()
    included |= {"int", "float", "bool"} if "complex" in kinds else set()
    return tuple(term for term in terms if term.kind not in {"nothing", *included})


def read(text: str, *, quoted_types: bool) -> tuple[Term, ...] | None:
    """Read a type; None for what is none, or holds more than a type. `quoted_types`: what is in
    quotes is a type, as in Python, and no value."""
    tokens, at = list[str](), 0
    text = _ROLE.sub(r"\1\2", text)
    if sum(map(text.count, "([{<|")) > _MAX_BRACKETS:
        return None
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        tokens.append(match["token"])
        at = match.end()
    reader = _Reader(tokens, quoted_types)
    try:
        terms = reader.union()
    except _NoTypeError:
        return None
    return terms if reader.at == len(tokens) else None


class _NoTypeError(Exception):
    """What is read is not a type."""


class _Reader:
    """Tokens of a type, read from left to right."""

    def __init__(self, tokens: list[str], quoted_types: bool) -> None:
        self.tokens, self.at, self.quoted_types = tokens, 0, quoted_types

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        token = self.peek()
        if token and (not wanted or token in wanted):
            self.at += 1
            return token
        return ""

    def expect(self, token: str) -> None:
        if not self.take(token):
            raise _NoTypeError

    def union(self) -> tuple[Term, ...]:
        """Read alternatives."""
        self.take("|")
        terms = list(self.postfixed())
        while self.take("|", "or"):
            terms += self.postfixed()
        return tuple(terms)

    def postfixed(self) -> tuple[Term, ...]:
        """Read one alternative with what JSDoc puts in front of it and behind."""
        nothing = list[Term]()
        while mark := self.take("?", "!", "readonly"):
            nothing += [Term("nothing", "null")] if mark == "?" else []
        terms = self.primary()
        while mark := self.take("[]", "=", "?", "!"):
            if mark == "[]":
                terms = (Term("list", "Array", (terms,)),)
            nothing += [Term("nothing", "undefined")] if mark in "=?" else []
        return (*terms, *nothing)

    def primary(self) -> tuple[Term, ...]:
        token = self.take()
        if token == "(":
            return self.bracketed()
        if token == "{":
            return self.members()
        if token == "[":
            self.parts("]")
            return (Term("list", "Iterable"),)
        if token[:1] in ("`", "'", '"'):
            return self.quoted(token)
        if token == "*":
            return (Term("anything", token),)
        if token == "..." or token[:1].isdigit() or token[:1] == "-":
            return (Term("literal", token),)
        if not _NAME.match(token):
            raise _NoTypeError
        return self.named(token)

    def quoted(self, token: str) -> tuple[Term, ...]:
        """Read what is in quotes: a name that is not defined yet, or a value."""
        if token[0] != "`" and not self.quoted_types:
            return (Term("literal", token),)
        terms = read(token[1:-1], quoted_types=self.quoted_types)
        if not terms:
            raise _NoTypeError
        return terms

    def bracketed(self) -> tuple[Term, ...]:
        """Read what is in round brackets: alternatives, or the parameters of a function."""
        begin = self.at
        try:
            terms = self.union()
            self.expect(")")
        except _NoTypeError:
            self.at = begin
            self.skip("(", ")")
            terms = ()
        if self.take("=>"):
            self.union()
            return (Term("callable", "Function"),)
        if not terms:
            raise _NoTypeError
        return terms

    def members(self) -> tuple[Term, ...]:
        """Read a type of an object by its members, which are not looked at."""
        self.skip("{", "}")
        return (Term("anything", "object"),)

    def skip(self, opening: str, closing: str) -> None:
        level = 1
        while level:
            token = self.take()
            if not token:
                raise _NoTypeError
            level += (token == opening) - (token == closing)

    def named(self, word: str) -> tuple[Term, ...]:
        """Read a name with what is in its brackets."""
        last = word.rpartition(".")[2]
        kind = last.lower()
        if self.peek() == "[" and (kind == "literal" or not self.quoted_types):
            # Values, or the type of a member.
            self.take()
            self.skip("[", "]")
            return (Term("literal" if self.quoted_types else "anything", word),)
        parts = self.arguments(kind)
        if kind in ("optional", "nullable") and parts:
            return (*parts[0], Term("nothing", "None"))
        if kind == "union" and parts:
            return tuple(term for part in parts for term in part)
        if kind in _WRAPPERS and parts:
            return parts[-1] if kind == "coroutine" else parts[0]
        if kind in _NOTHING or kind in _ANYTHING or _TYPE_VARIABLE.match(last):
            return (Term("nothing" if kind in _NOTHING else "anything", word),)
        is_word = last[:1].islower() and "." not in word
        if kind in _REMARKS or (is_word and (kind not in _KINDS or kind in _CAPITALISED)):
            raise _NoTypeError
        return (Term(_KINDS.get(kind, kind), word, parts),)

    def arguments(self, kind: str) -> tuple[tuple[Term, ...], ...]:
        """Read what a name has in brackets, or behind `of`."""
        closing = {"[": "]", "<": ">", ".<": ">", "(": ")"}.get(self.peek(), "")
        if closing:
            self.take()
            parts = self.parts(closing)
            if kind in ("function", "callable") and self.take(":"):
                self.union()
            return parts
        if _KINDS.get(kind) in ("list", "dict") and self.take("of"):
            return self.content(kind)
        return ()

    def content(self, kind: str) -> tuple[tuple[Term, ...], ...]:
        """Read what `list of` holds, as far as it is one word; in the plural, too."""
        word = self.take()
        singular = word.removesuffix("s")
        # Behind an "or" there may be more of the list, or something else.
        if not _NAME.match(word) or self.peek() not in ("", "|", ")", "]", ","):
            raise _NoTypeError
        known = singular if singular.lower() in _KINDS else word
        held = _Reader([known], self.quoted_types).union()
        return (held, (Term("literal", "..."),)) if kind == "tuple" else (held,)

    def parts(self, closing: str) -> tuple[tuple[Term, ...], ...]:
        parts = list[tuple[Term, ...]]()
        while not self.take(closing):
            parts.append(self.union())
            if self.take(",") or self.peek() == closing:
                continue
            raise _NoTypeError
        return tuple(parts)
