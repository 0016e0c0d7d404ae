"""Whether what is left of an answer is worth anyone's eyes."""

import re

from budgetai_server.completion.postprocess.brackets import CLOSERS
from budgetai_server.completion.postprocess.continuation import annotates
from budgetai_server.completion.postprocess.cursor_context import CursorContext
from budgetai_server.completion.postprocess.overlap import Edit

_REPETITION = re.compile(r"(.{8,60}?)\1\1\Z", re.DOTALL)
# The same few characters again and again within a line, as a model says that is lost.
_STUTTER = re.compile(r"(.{2,30}?)\1{7}")
_WORDS = re.compile(r"\b[^\W\d_]\w+")
_MAX_CYCLE_LINES = 4
_MAX_CHARACTERS = 4000


def is_degenerate(after: str, answer: str) -> bool:
    """Return whether nothing useful will follow: the answer goes round in circles, or its last
    whole line is the next line after the cursor, so that it has come to what is there already."""
    if _REPETITION.search(answer[-180:]):
        return True
    lines = answer.split("\n")
    last = lines[-2] if len(lines) > 2 else ""
    return bool(last.strip()) and last.rstrip() == CursorContext("", after, None).line_below


def drop_repetition(context: CursorContext, text: str) -> str:
    """Return an answer up to where it begins to say the same again and again: after the first of
    three like groups of lines, or in front of a line that stutters. Numbers alone may be a
    table."""
    lines = text[:_MAX_CHARACTERS].split("\n")
    # The first line goes on with the cursor's, the others are whole.
    whole = [context.line_before + lines[0], *lines[1:]]
    ends = [number for number, line in enumerate(lines) if _stutters(line)][:1]
    for period in range(1, _MAX_CYCLE_LINES + 1):
        ends += [start + period for start in range(len(lines)) if _cycles(whole, start, period)][:1]
    return "\n".join(lines[: min(ends)]) if ends else text


def without_echo(context: CursorContext, text: str) -> str:
    """Return an answer without lines at its end that stand close above already: they may begin to
    say the same again and again."""
    lines = text.split("\n")
    whole = [context.line_before + lines[0], *lines[1:]]
    while _WORDS.search(whole[-1]) and whole[-1] in whole[-1 - _MAX_CYCLE_LINES : -1]:
        whole.pop()
    return "\n".join(lines[: len(whole)])


def _stutters(line: str) -> bool:
    return any(_WORDS.search(match[1]) for match in _STUTTER.finditer(line))


def _cycles(lines: list[str], start: int, period: int) -> bool:
    once = lines[start : start + period]
    thrice = lines[start : start + 3 * period]
    return thrice == once * 3 and any(map(_WORDS.search, once))


def worth_showing(context: CursorContext, edit: Edit) -> bool:
    """Return whether an edit says something: not white space or closers alone, not what is there
    already, and no echo of a line beside the cursor's."""
    bare = not edit.text.strip(CLOSERS + ";, \t\n")
    return not (bare or edit.text == context.after[: edit.replaces] or _echoes(context, edit))


def _echoes(context: CursorContext, edit: Edit) -> bool:
    """Return whether the first new line is the line above or below once more. Lines that say
    little, as `break` or a row of zeros, may be repeated, and so may annotations."""
    above, text = context.line_above, edit.text
    if text.lstrip(" \t").startswith("\n"):
        above = context.line_before.rstrip() or above
        line = text.lstrip("\n").partition("\n")[0]
    else:
        rest = context.line_after[edit.replaces :] if "\n" not in text else ""
        line = context.line_before + text.partition("\n")[0] + rest
    first = text.partition("\n")[0]
    annotation = first.startswith("@") or annotates(context, first)
    says_much = len(_WORDS.findall(line)) > 1 and not annotation
    return says_much and line.rstrip() in (above, context.line_below)
