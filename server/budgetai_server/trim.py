"""From raw tokens to what is shown: where an answer ends, and what of it is already there.

Pure functions over text. A line or a whole block: a block only where one has just been opened.
"""

import re

from budgetai_server.context.languages import Language
from budgetai_server.context.syntax import block_end

_LINE_END = re.compile(r"\n")
# What closes a block at the depth of its opener; `} else {` closes with its first mark.
_CLOSER = re.compile(r"[)\]}]+[;,]*|(?:end|fi|done|esac)\b[;,]?$")
_OPEN, _CLOSED = "([{", ")]}"
_REPETITION = re.compile(r"(.{8,60}?)\1\1\Z", re.DOTALL)
_LAST_WORD = re.compile(r"\w+\Z")


def opened_block(before: str, after: str, language: Language | None) -> int | None:
    """The offset of the mark that has just opened a block, or None where none has.

    The mark must end the last line with text, and nothing but closers may stand right of the
    cursor.
    """
    rest_of_line = after.partition("\n")[0].strip()
    stripped = before.rstrip()
    opener = language.opener if language else "{"
    if rest_of_line.strip(")]};,") or not stripped.endswith(opener):
        return None
    start = len(stripped) - len(opener)
    inside_a_word = opener.isalpha() and stripped[:start][-1:].isidentifier()
    return None if inside_a_word else start


def first_line_end(answer: str) -> int | None:
    """Where the first line with text ends; None while it is not complete."""
    leading = len(answer) - len(answer.lstrip())
    match = _LINE_END.search(answer, leading)
    return match.start() if match and leading < len(answer) else None


def block_end_by_indent(before: str, answer: str) -> int | None:
    """Where the answer leaves the block opened in `before`, judged by indentation; None while it
    has not. A closing bracket at the opener's own depth still belongs to the block."""
    outer = _indent(before.rstrip().rpartition("\n")[2])
    offset = 0
    lines = answer.split("\n")
    # The first piece goes on with a line of `before`; the last may still grow.
    for number, line in enumerate(lines[:-1]):
        if number and line.strip() and _indent(line) <= outer:
            text_start = len(line) - len(line.lstrip())
            closer = _CLOSER.match(line.rstrip(), text_start)
            closes = closer is not None and _indent(line) == outer
            return offset + closer.end() if closes and closer else max(offset - 1, 0)
        offset += len(line) + 1
    return None


def _indent(line: str) -> int:
    return len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())


def shown(
    before: str, after: str, answer: str, opener: int | None, language: Language | None
) -> str:
    """The part of a raw answer that is offered: one line, or the block that was opened."""
    if opener is None:
        end = first_line_end(answer)
        kept = answer if end is None else answer[:end]
    else:
        kept = _block(before, answer, opener, language)
    kept = without_overlap(before, kept, after)
    return kept.rstrip() if kept.strip() else ""


def _block(before: str, answer: str, opener: int, language: Language | None) -> str:
    by_indent = block_end_by_indent(before, answer + "\n")
    kept = answer if by_indent is None else answer[:by_indent]
    text_start = len(kept) - len(kept.lstrip())
    end = block_end(before + kept, opener, len(before) + text_start, language)
    if end is not None and len(before) < end < len(before) + len(kept):
        kept = kept[: end - len(before)]
    return kept


def wanders(after: str, answer: str) -> bool:
    """Whether nothing useful will follow: the answer goes round in circles, or its last whole line
    is the next line after the cursor, so that it has come to what is there already."""
    if _REPETITION.search(answer[-180:]):
        return True
    lines = answer.split("\n")
    last = lines[-2] if len(lines) > 2 else ""
    return bool(last.strip()) and last.rstrip() == _line_below(after)


def _line_below(after: str) -> str:
    """The next line with text below the cursor's own line."""
    lines = after[:2000].split("\n")[1:]
    return next((line.rstrip() for line in lines if line.strip()), "")


def to_last_word(answer: str) -> str:
    """An answer that was not decoded to its end, cut where it reads well: at its last whole line,
    or in front of a name that may go on."""
    head, newline, _ = answer.rpartition("\n")
    return head if newline and head.strip() else _LAST_WORD.sub("", answer) or answer


def without_overlap(before: str, answer: str, after: str) -> str:
    """Drop from the answer's end what the text after the cursor says already.

    On one line that is the longest end of the answer with which the rest of the line begins, but
    for closing brackets that the line still needs; over lines, a last line that equals the next
    line with text, indentation included.
    """
    rest_of_line = after.partition("\n")[0].rstrip()
    for length in range(min(len(answer), len(rest_of_line)), 0, -1):
        if answer.endswith(rest_of_line[:length]):
            return answer[: len(answer) - length + _needed(before, answer, length, rest_of_line)]
    following = _line_below(after)
    head, newline, last = answer.rpartition("\n")
    return head if newline and following and last.rstrip() == following else answer


def _needed(before: str, answer: str, length: int, rest_of_line: str) -> int:
    """How many of the last `length` characters must stay: closers of brackets that were opened on
    this line and that the rest of the line does not close."""
    if answer[-length:].strip(_CLOSED):
        return 0
    line = before.rpartition("\n")[2] + answer[:-length]
    opened = sum(map(line.count, _OPEN)) - sum(map(line.count, _CLOSED))
    return min(length, max(0, opened - sum(map(rest_of_line.count, _CLOSED))))
