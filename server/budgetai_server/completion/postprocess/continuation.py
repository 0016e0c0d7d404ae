"""Whether a statement goes on behind the end of a line: a bracket is open, an annotation waits for
its definition, an operator for what it joins, or the grammar for more."""

import re
from collections import Counter
from functools import lru_cache

from budgetai_core.context.languages import Language
from budgetai_server.completion.postprocess.brackets import OPENERS, PAIRS, brackets
from budgetai_server.completion.postprocess.cursor_context import CursorContext
from budgetai_server.completion.postprocess.overlap import edit
from budgetai_server.completion.postprocess.region import indent
from budgetai_server.completion.postprocess.repair import begins, cost

# A line that may be the head of a body: it ends with a parameter list or a name.
_HEAD = re.compile(r"[\w)]\Z")
_ARGUMENTS = r"(?:[ \t]*\([^\n]*\))?"
_AT = rf"(?:@[\w.:]+(?:<[^\n>]*>)?{_ARGUMENTS}\s*)+"
_HASH = r"(?:#!?\[[^\n]*\]\s*)+"
_TEMPLATE = r"(?:template\s*<[^\n]*>\s*|requires\s[^\n;{]*)+"
_C = r"(?:\[\[[^\n]*\]\]\s*|__attribute__\s*\(\([^\n]*\)\)\s*|__declspec\s*\([^\n]*\)\s*)+"
# What stands on lines of its own in front of a definition.
_ANNOTATIONS = {
    "python": _AT, "java": _AT, "kotlin": _AT, "javascript": _AT, "typescript": _AT, "tsx": _AT,
    "rust": _HASH, "php": _HASH, "csharp": r"(?:\[[A-Z][^\n]*\]\s*)+", "c": _C,
    "cpp": rf"(?:{_C}|{_TEMPLATE})",
}  # fmt: skip
# Operators that want something behind them. * & > ? / may end a type, a comment or a pattern.
_JOINING = re.compile(
    r"(?:(?<!\+)\+|(?<!-)-|%|\^|(?<![.\d])\.|&&|\|\|?|(?<![=!<>])=|<<|=>)\Z"
    r"|(?<![\w$])(?:and|or|not|extends|implements|throws)\Z"
)
# Operators that want something in front of them, on a line that is deeper than the statement's.
_JOINED = re.compile(
    r"\.(?!\.)|\?[.?:\[]|\?->|\?\s|:[\s:]|->|=>|=\s|&&|\|\|?\s|[-+/%*&^]\s|<<|==|!=|[<>]=?\s"
    r"|(?:as|is|instanceof|throws|extends|implements|permits|where|requires|noexcept|and|or)\b"
)
# What may still become one of them, or the beginning of something else.
_UNDECIDED = re.compile(r"[^\w\s]{1,2}|\w{1,10}")
_NEVER_JOINED = frozenset({"python", "go"})


def goes_on(context: CursorContext, answer: str, at: int) -> bool:
    """Return whether what is shown of a growing answer has to reach beyond the line end `at`."""
    shown = answer[:at]
    return (
        _brackets_open(context, shown)
        or _brace_below(context, answer, at)
        or annotates(context, shown)
        or _joins(context, answer, at)
        or _incomplete(context, shown)
    )


def annotates(context: CursorContext, shown: str) -> bool:
    """Return whether the last line holds annotations alone, and so will have a definition. Inside
    the arguments of one, the answer is what is missing of them."""
    if "(" in context.line_before or context.line_after:
        return False
    pattern = _ANNOTATIONS.get(context.language.name) if context.language else None
    line = (context.line_before + shown).rstrip().rpartition("\n")[2].strip()
    return pattern is not None and re.fullmatch(pattern, line) is not None


def _brackets_open(context: CursorContext, shown: str) -> bool:
    counted = brackets(context.line_before + shown, context.language)
    if not context.language or not (counted.open or counted.text) or context.prose:
        return False
    opened = Counter((context.line_before + shown)[at] for at in counted.open)
    missing = sum(max(0, n - context.line_after.count(PAIRS[mark])) for mark, n in opened.items())
    spread = shown.lstrip(" \t").startswith("\n") or shown.endswith((",", *OPENERS))
    return counted.text or missing > 0 or spread


def _brace_below(context: CursorContext, answer: str, at: int) -> bool:
    """Return whether a head's brace stands on the next line, as C has it, or may do."""
    braces = context.language is not None and context.language.opener == "{"
    following = answer[at:].lstrip()[:1]
    return braces and _HEAD.search(answer[:at]) is not None and following in ("", "{")


def _joins(context: CursorContext, answer: str, at: int) -> bool:
    """Return whether the line ends with an operator, or the next one begins with one."""
    language = context.language
    line = (context.line_before + answer[:at]).rpartition("\n")[2].rstrip()
    if language is None or context.prose or _is_comment(line, language):
        return False
    if line.endswith("\\"):
        return True
    if language.opener == ":" or not line:
        return False
    if _JOINING.search(line):
        return True
    if language.name in _NEVER_JOINED or line.endswith((";", ",", "{", "}", ":")):
        return False
    following = answer[at + 1 :].lstrip("\n")
    if not following.strip():
        # Only behind a line that may go on is it worth waiting for the next one.
        return "\n" not in answer[at + 1 :] and not _is_block_word(line)
    next_line = following.partition("\n")[0]
    head = (context.line_before + answer).lstrip("\n").partition("\n")[0]
    deeper = indent(next_line) > indent(head)
    if deeper and "\n" not in following and _UNDECIDED.fullmatch(next_line.strip()):
        return True
    adjacent = language.name in ("c", "cpp") and line.endswith('"') and next_line.strip()[:1] == '"'
    return deeper and (adjacent or _JOINED.match(next_line.lstrip()) is not None)


def _is_comment(line: str, language: Language) -> bool:
    return line.lstrip().startswith((language.comment, "/*", "*", "#", "<!--"))


def _is_block_word(line: str) -> bool:
    return line.endswith(("end", "fi", "done", "then", "do"))


@lru_cache(maxsize=64)
def _incomplete(context: CursorContext, shown: str) -> bool:
    """Return whether an answer breaks the code as it is, and may still become something that
    parses."""
    if (
        context.language is None
        or context.parsed.root is None
        or context.prose
        or not context.sound
    ):
        return False
    candidate = edit(context, shown.rstrip())
    places = [context, *context.alternatives]
    if any(cost(place, candidate) <= place.errors_without for place in places):
        return False
    return any(begins(place, candidate) for place in places)
