"""Where an answer ends: with its line, with the node begun on that line, or with the block that
was open.

Every answer grows. What ends it is decided once, from the text up to there alone, so that it stays
decided whatever follows.
"""

import re

from budgetai_core.context.block_words import closes_block, divides
from budgetai_core.context.languages import Language
from budgetai_core.context.lexing import masked
from budgetai_server.completion.postprocess.brackets import PAIRS, brackets
from budgetai_server.completion.postprocess.continuation import annotates, goes_on
from budgetai_server.completion.postprocess.cursor_context import CursorContext
from budgetai_server.completion.postprocess.region import indent

_LINE_END = re.compile(r"\n")
# What closes a block at the depth of its opener; `} else {` closes with its first mark.
_CLOSER = re.compile(r"[)\]}]+[;,]*|(?:end|fi|done|esac)\b[)\]};,]*$")
_TAIL = re.compile(r"[)\]};,]*")
_LAST_WORD = re.compile(r"\w+\Z")


def first_line_end(answer: str) -> int | None:
    """Return where the first line with text ends; None while it is not complete."""
    leading = len(answer) - len(answer.lstrip())
    match = _LINE_END.search(answer, leading)
    return match.start() if match and leading < len(answer) else None


def stop_position(context: CursorContext, answer: str, *, block: bool) -> int | None:
    """Return where the part of a growing answer ends that is shown; None while it has not. Without
    `block` that is its first line."""
    first = first_line_end(answer)
    if not block:
        return first
    if context.opened is not None and not _inline(context, answer):
        return _block_end(context, context.opened, answer)
    if first is None:
        return None
    if context.language and context.language.opener.isalpha():
        return _word_block_end(context, answer, first)
    return _node_end(context, answer, first)


def to_last_word(answer: str) -> str:
    """Return an answer that was not decoded to its end, cut where it reads well: at its last whole
    line, or in front of a name that may go on."""
    head, newline, _ = answer.rpartition("\n")
    return head if newline and head.strip() else _LAST_WORD.sub("", answer) or answer


def _inline(context: CursorContext, answer: str) -> bool:
    """Return whether the answer goes on right behind the mark that opened something: `import { a
    }`."""
    return context.line_before.strip() != "" and not answer.lstrip(" \t").startswith(("\n", "\r"))


def _block_end(context: CursorContext, opened: int, answer: str) -> int | None:
    outer = indent(context.before.rstrip().rpartition("\n")[2])
    if context.before[opened] not in PAIRS:
        return _dedent(answer, outer, 1, context.language)
    # Between braces a line may stand at any depth, but for those of what is outside.
    dedent = _dedent(answer, outer - 1, 1, context.language)
    ends = (dedent, _closed(context, opened, answer))
    return min((end for end in ends if end is not None), default=None)


def _closed(context: CursorContext, opened: int, answer: str) -> int | None:
    """Return the end with the line that closes the bracket at `opened`: `}, [deps]);`. Behind its
    first marks, where that line opens something again, as `} else {`, or only comments."""
    piece = context.before[opened + 1 :] + answer
    unmatched = brackets(piece, context.language).unmatched
    line_end = piece.find("\n", unmatched[0]) if unmatched else -1
    marks = _TAIL.match(piece, unmatched[0]) if line_end >= 0 else None
    if marks is None:
        return None
    rest = piece[marks.end() : line_end]
    comments = context.language is not None and rest.lstrip().startswith(context.language.comment)
    short = comments or brackets(rest, context.language).open
    return (marks.end() if short else line_end) - (len(piece) - len(answer))


def _dedent(answer: str, outer: int, first: int, language: Language | None) -> int | None:
    """Return where the lines of an answer, from number `first` on, come back to the depth `outer`.
    A closing mark there still belongs to them."""
    offset = 0
    if language and language.marks:
        answer = masked(answer, language.marks)
    # The last piece may still grow.
    for number, line in enumerate(answer.split("\n")[:-1]):
        if number >= first and line.strip() and indent(line) <= outer:
            if indent(line) == outer and divides(line, language):
                offset += len(line) + 1
                continue
            if indent(line) == outer and closes_block(line, language):
                return offset + len(line.rstrip())
            closer = _CLOSER.match(line.rstrip(), len(line) - len(line.lstrip()))
            closes = closer is not None and indent(line) == outer
            return offset + closer.end() if closes and closer else max(offset - 1, 0)
        offset += len(line) + 1
    return None


def _node_end(context: CursorContext, answer: str, first: int) -> int | None:
    """Return the first line's end at which nothing is open that was opened on the cursor's line."""
    head = (context.line_before + answer[:first]).rpartition("\n")[2]
    if indent(context.line_below) > indent(head) or context.text_right:
        return first
    at: int | None = first
    while at is not None and goes_on(context, answer, at):
        at = _next_line_end(answer, at)
    indented = context.language is not None and context.language.opener == ":"
    if at is not None and indented and annotates(context, answer[:first]) and answer[at - 1] == ":":
        return _dedent(answer, indent(head), answer.count("\n", 0, at) + 1, context.language)
    return at


def _next_line_end(answer: str, start: int) -> int | None:
    end = answer.find("\n", start + 1)
    return end if end >= 0 else None


def _word_block_end(context: CursorContext, answer: str, first: int) -> int | None:
    """Return where such a block ends. In a language whose blocks end with a word, a deeper line
    says that one has begun: above the first line, or with it, or behind it."""
    begun = answer.lstrip(" \t").startswith("\n") and context.line_before.strip()
    above = context.line_before if begun else context.line_above
    head = answer[:first].rpartition("\n")[2] if begun else context.line_before + answer[:first]
    depth, below = indent(head.lstrip("\n")), indent(context.line_below)
    if (begun or not context.line_before.strip()) and indent(above) < depth:
        if below > indent(above):
            return first
        return _dedent(answer, indent(above), 1, context.language)
    following = next((line for line in answer[first + 1 :].split("\n") if line.strip()), None)
    if following is None:
        return None
    if below > depth:
        return first
    if indent(following) <= depth:
        at: int | None = first
        while at is not None and goes_on(context, answer, at):
            at = _next_line_end(answer, at)
        return at
    return _dedent(answer, depth, answer.count("\n", 0, first) + 1, context.language)
