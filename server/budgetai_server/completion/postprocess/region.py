"""The part of a text around the cursor that is parsed: as much as can be parsed between two keys,
and as parses without errors of its own, which would hide those of an answer."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice, takewhile

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.downlevel import downleveled
from budgetai_core.context.languages import Language
from budgetai_core.context.tree import errors
from budgetai_server.completion.postprocess.brackets import PAIRS, brackets

# Characters on each side: enough to hold most functions.
_PARSED_BEFORE, _PARSED_AFTER = 2000, 1000
_TOP_LEVEL = re.compile(r"^[^\s)\]}#]", re.MULTILINE)
# What a block may stand in: the first of these with which it parses is taken.
_ECMA = (
    "", "class A {", "async function* f() { while (a) {", "f(", "f({", "f([",
    "async function* f() { switch (a) {", "function f(",
)  # fmt: skip
_FRAMES = {
    "python": ("if a:", "async def f():", "f(", "def f("),
    "java": (
        "", "class A {", "class A { A f() { while (a) {", "class A { A f() { switch (a) {",
        "class A { A f() { f(", "enum A {", "class A { void f(",
    ),
    "csharp": (
        "", "class A {", "class A { async A F() { while (a) {", "class A { A F() { switch (a) {",
        "class A { A F() { f(", "class A { A F() { new A {", "interface A {", "enum A {",
        "class A { A B {", "class A { void f(",
    ),
    "kotlin": (
        "", "class A {", "fun f() { while (a) {", "fun f() { when (a) {", "fun f() { f(", "fun f(",
    ),
    "php": (
        "<?php", "<?php class A {", "<?php function f() { while ($a) {",
        "<?php function f() { switch ($a) {", "<?php f(", "<?php f([", "<?php function f(",
    ),
    "c": (
        "", "void f() { while (a) {", "void f() { switch (a) {", "struct A {", "void f() { f(",
        "enum A {", "int a[] = {", "void f(",
    ),
    "cpp": (
        "", "class A {", "void f() { while (a) {", "void f() { switch (a) {", "void f() { f(",
        "enum A {", "int a[] = {", "void f(",
    ),
    "rust": (
        "", "impl A {", "async fn f() { loop {", "fn f() { match a {", "struct A {", "enum A {",
        "fn f() { f(", "fn f() { a! {", "fn f() { A {", "fn f(",
    ),
    "go": (
        "", "func f() { for {", "func f() { switch a {", "type A struct {", "var a = A{",
        "type A interface {", "func f() { f(", "import (", "const (", "func f(",
    ),
    "javascript": _ECMA,
    "typescript": (*_ECMA, "interface A {", "enum A {", "type A = {"),
    "tsx": (*_ECMA, "interface A {", "type A = {", "f(<>", "f(<a"),
    "ruby": ("", "class A;", "case a;", "f("),
    "lua": ("", "f({", "f("),
    "bash": ("",),
}  # fmt: skip
_MAX_FRAMES = 4
_STATEMENT_MARK = frozenset({"c", "cpp", "java", "csharp", "php"})
_PREPROCESSED = frozenset({"c", "cpp", "csharp"})
# A line that ends a block, or divides it.
_CLOSING = re.compile(
    r"\s*(?:[)\]}]|(?:end|fi|done|esac|else|elif|elsif|elseif|when|in|rescue|ensure|until|then|do"
    r"|case|default|public|private|protected)\b|;;|</|/>)"
)
_ENDS = {
    "def f(": "): pass",
    "function f(": ") {}",
    "<?php function f(": ") {}",
    "fun f(": ") {}",
    "class A { void f(": ") {}}",
    "func f(": ") {}",
    "fn f(": ") {}",
    "void f(": ") {}",
    "class A;": "end",
    "case a;": "end",
    "f(<>": "</>)",
    "f(<a": "/>)",
}


@lru_cache(maxsize=16)
def regions(before: str, after: str, language: Language | None) -> tuple[tuple[str, str], ...]:
    """Return texts on both sides of a cursor, any of which may be parsed, the best one first.

    They begin and end at top-level lines if they can, so that few brackets are cut off from their
    partners. Where such a part of a file does not parse, the lines of the cursor's block are taken
    in what such a block may stand in: an answer that fits into one of these is fine.
    """
    plain = _plain(before, after, language)
    if language is None or is_sound(*plain, language):
        return (plain,)
    framed = (sides for sides in _framed(before, after, language) if is_sound(*sides, language))
    return tuple(islice(framed, _MAX_FRAMES)) or (plain,)


def is_sound(before: str, after: str, language: Language) -> bool:
    """Return whether a region parses without the cursor's line, so that errors tell of the line."""
    rest = before.rpartition("\n")[0] + "\n" + after.partition("\n")[2]
    if not errors(ParsedDocument.of(rest, language)):
        return True
    known = downleveled(rest, language)
    return known != rest and not errors(ParsedDocument.of(known, language))


def _plain(before: str, after: str, language: Language | None) -> tuple[str, str]:
    whole = before
    longer = len(after) > _PARSED_AFTER
    before, after = before[-_PARSED_BEFORE:], after[:_PARSED_AFTER]
    if len(before) < len(whole):
        start = _TOP_LEVEL.search(before) if before[:1] != "\n" else None
        before = before[start.start() if start and start.start() else before.find("\n") + 1 :]
        if language is not None and language.name == "php" and _begins_in_code(before):
            before = f"<?php\n{before}"
    if longer:
        ends = [match.start() for match in _TOP_LEVEL.finditer(after) if match.start()]
        after = after[: ends[-1] if ends else after.rfind("\n") + 1]
    return before, after


def _begins_in_code(text: str) -> bool:
    """Return whether a text begins in code: PHP does not before a mark."""
    opener, closer = text.find("<?"), text.find("?>")
    return opener < 0 or 0 <= closer < opener


def _framed(before: str, after: str, language: Language) -> Iterator[tuple[str, str]]:
    """Yield the cursor's block in each of the language's frames; nothing where the text is not a
    part of a longer one, where the block is not closed, or where it has no other line."""
    if len(before) <= _PARSED_BEFORE and len(after) <= _PARSED_AFTER:
        return
    head, newline, line = before[-_PARSED_BEFORE:].rpartition("\n")
    rest, _, tail = after[:_PARSED_AFTER].partition("\n")
    depth = indent(f"{line}x")
    preprocessed = language.name in _PREPROCESSED

    def inside(text: str) -> bool:
        directive = preprocessed and text.startswith("#")
        return not text.strip() or directive or indent(text) >= depth

    above = list(takewhile(inside, reversed(head.split("\n")[1:])))[::-1]
    lines = tail.split("\n")
    below = list(takewhile(inside, lines[:-1]))
    others = [text for text in above + below if text.strip() and text[:1] != "#"]
    closing = next(iter(lines[len(below) :]), "")
    if not newline or not others or not (_CLOSING.match(closing) or language.opener == ":"):
        return
    for opener in _FRAMES.get(language.name, ()):
        closers = _closers(opener, language)
        yield "\n".join([opener, *above, line]), "\n".join([rest, *below, closers])


def _closers(opener: str, language: Language) -> str:
    """Return what closes a frame, with the mark that ends a statement where the language has
    one."""
    if opener in _ENDS:
        return _ENDS[opener]
    closers = "".join(PAIRS[opener[at]] for at in reversed(brackets(opener, None).open))
    inner = len(opener) - len(opener.rstrip("([{"))
    ends = language.name in _STATEMENT_MARK and not opener.endswith((") {", "B {"))
    return f"{closers[:inner]};{closers[inner:]}" if ends else closers


def indent(line: str) -> int:
    """Return columns of white space at a line's start; 0 for an empty one."""
    wide = line.expandtabs(4)
    return len(wide) - len(wide.lstrip())
