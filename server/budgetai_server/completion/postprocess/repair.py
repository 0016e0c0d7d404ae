"""The answer, or the nearest to it, with which the document parses at least as well as without.

The candidates, in this order: the answer as it is; without closers that close nothing; with those
that it lacks. The one with the fewest errors is taken, unless the document alone has fewer still:
then answers cut at an earlier line are tried, the longest first.
"""

import re
from collections.abc import Iterator, Sequence

from budgetai_core.context.block_words import closes_block, closing_lines
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.tree import errors
from budgetai_core.context.viable_prefix import is_viable_prefix
from budgetai_server.completion.postprocess.brackets import CLOSERS, PAIRS, brackets
from budgetai_server.completion.postprocess.cursor_context import CursorContext
from budgetai_server.completion.postprocess.overlap import Edit, edit, repeated, within
from budgetai_server.completion.postprocess.region import indent

_WORD = re.compile(r"\w")
# Parses are what trimming costs.
_MAX_SURPLUS, _MAX_MISSING, _MAX_CUTS = 3, 8, 4
_END_WORDS = ("end", "fi", "done", "}")
# A line that begins so ends or divides what stands above it: alone it begins nothing. Between
# braces `else` and `do` do, and the closer tells what ends.
_CLOSING = re.compile(r"\s*[)\]}]")
_ENDING = re.compile(
    r"\s*(?:[)\]}]|(?:end|fi|done|esac|else|elif|elsif|elseif|when|in|rescue|ensure|until|then|do)\b)"
)
# A head of a block that ends with a word.
_WORD_HEAD = re.compile(
    r"\b(?:then|do)\s*(?:\|[^|]*\|)?\s*$"
    r"|^\s*(?:local\s+)?(?:def|class|module|if|unless|while|until|for|case|begin|function)\b"
)
_STATEMENT_MARK = {"c", "cpp", "java", "csharp", "php", "rust"}


def repaired(context: CursorContext, text: str, *, goes_on: bool = False) -> Edit:
    """Return the best edit for an answer; an empty one where each would break something.

    An answer that `goes_on` behind the line that is shown of it lacks nothing: what it leaves open
    is closed there.
    """
    best = _repaired(context, text, goes_on=goes_on)
    plain = edit(context, text)
    if best == plain or not any(
        cost(other, plain) <= other.errors_without or (goes_on and begins(other, plain))
        for other in context.alternatives
    ):
        return best
    return plain


def _repaired(context: CursorContext, text: str, *, goes_on: bool) -> Edit:
    best = edit(context, text)
    if context.language and context.language.marks:
        return edit(context, text if goes_on else _closed_by_words(context, text))
    if context.parsed.root is None:
        return best
    most, fewest = context.errors_without, cost(context, best)
    # An error of before may be the closer that an editor has put in, which the answer brings too.
    no_worse = fewest <= most and not context.line_after
    if not fewest or (goes_on and (no_worse or begins(context, best))):
        return best
    near = _near(context, text, goes_on=goes_on, worse=fewest > most)
    priced = [(fewest, best), *((cost(context, candidate), candidate) for candidate in near)]
    fewest, nearest = min(priced, key=lambda pair: pair[0])
    if fewest <= most:
        return nearest
    for shorter in _cut(context, text):
        if cost(context, shorter) <= most:
            return shorter
    if not context.sound:
        return nearest
    beginnings = (edit(context, shorter) for shorter in _shorter(text))
    return next(
        (
            start
            for start in beginnings
            if _closed(context, start) and begins(context, start, in_text=False)
        ),
        Edit(""),
    )


def _closed(context: CursorContext, candidate: Edit) -> bool:
    counted = brackets(context.line_before + candidate.text, context.language)
    return not (counted.open or counted.text)


def cost(context: CursorContext, candidate: Edit) -> int:
    """Return how many errors the region around the cursor has with an edit."""
    before, after = context.region
    return context.errors(before + candidate.text + after[candidate.replaces :])


def begins(context: CursorContext, candidate: Edit, *, in_text: bool = True) -> bool:
    """Return whether an answer is the beginning of something that parses, as `@property` is."""
    line = context.line_before + candidate.text
    if context.language is None or not context.sound:
        return False
    ending = _CLOSING if context.language.opener == "{" else _ENDING
    if ending.match(line):
        return False
    # In a shell the closer may end the pattern of a case.
    if brackets(line, context.language).unmatched and context.language.name != "bash":
        return False
    rest = context.line_after[candidate.replaces :]
    known = context.known(context.region[0] + candidate.text + rest)
    return is_viable_prefix(known, context.language, in_text=in_text)


def _near(context: CursorContext, text: str, *, goes_on: bool, worse: bool) -> Iterator[Edit]:
    rest = context.line_after
    if rest and not _WORD.search(rest) and within(rest, text):
        yield Edit(text, len(rest))
    for shorter in _without_surplus(context, text):
        yield edit(context, shorter)
    if not goes_on:
        words = worse or context.opened is not None or "\n" in text.strip()
        yield from _completed(context, text, words=words)


def _without_surplus(context: CursorContext, text: str) -> Iterator[str]:
    """Yield the answer without as many of the closers at its end as close nothing, or what is to be
    closed below."""
    before, after = context.region
    known = len(brackets(before + after, context.language).unmatched)
    surplus = len(brackets(before + text + after, context.language).unmatched) - known
    closing = brackets(context.line_before + text, context.language).unmatched
    for place in reversed(closing[-min(surplus, _MAX_SURPLUS) :] if surplus > 0 else ()):
        at = place - len(context.line_before)
        if at < 0 or text[at:].strip(CLOSERS + ";,\n\t "):
            return
        text = text[:at].rstrip() + text[at + 1 :].strip(CLOSERS)
        yield text


def _completed(context: CursorContext, text: str, *, words: bool = True) -> Iterator[Edit]:
    """Yield the answer with the closers of what was opened on the cursor's line and in the answer,
    and is not closed by what stands right of the cursor."""
    text = text[: len(text) - repeated(text, context.line_after)]
    piece = context.line_before + text
    opened = [
        at for at in brackets(piece + context.line_after, context.language).open if at < len(piece)
    ]
    lacking = opened[::-1][:_MAX_MISSING]
    if text.endswith("${"):
        return
    if lacking and ("\n" in text.strip() or text.endswith("{")):
        yield Edit(text + _closing_lines(piece, lacking))
        if context.language and context.language.name in _STATEMENT_MARK and _WORD.search(text[-1]):
            yield Edit(text + ";" + _closing_lines(piece, lacking))
    elif lacking:
        yield Edit(text.rstrip(" ,") + "".join(PAIRS[piece[at]] for at in lacking))
    elif words and context.language and context.language.opener.isalpha():
        # What parses alone lacks nothing: an error around it is not of its making.
        alone = ParsedDocument.of(piece.strip(), context.language)
        if context.opened is None and not errors(alone):
            return
        white = _block_indentation(context, piece)
        for word in _END_WORDS:
            yield Edit(f"{text}\n{white}{word}")


def _closed_by_words(context: CursorContext, text: str) -> str:
    """Return an answer of several lines with the words that end what it begins, and what a line
    above it begins that is not ended below; and with closers of its brackets."""
    language = context.language
    if language is None or "\n" not in text.strip():
        return text
    begins_here = context.line_before.strip() != ""
    above = context.line_before if begins_here else f"{context.line_above}\n{context.line_before}"
    if not begins_here and (
        closes_block(context.line_below, language)
        or indent(context.line_below) > indent(context.line_above)
    ):
        above = context.line_before
    missing = closing_lines(above + text, language)
    counted = brackets(context.line_before + text + context.line_after, language)
    braces = _closing_lines(context.line_before + text, counted.open[::-1]) if counted.open else ""
    return "\n".join([text + braces, *missing])


def _closing_lines(piece: str, opened: Sequence[int]) -> str:
    """Return closers, the innermost first, those of one line together and as deep as that line."""
    closed: dict[int, str] = {}
    for at in opened:
        start = piece.rfind("\n", 0, at) + 1
        closed[start] = closed.get(start, _white(piece[start:at])) + PAIRS[piece[at]]
    return "".join(f"\n{line}" for line in closed.values())


def _block_indentation(context: CursorContext, piece: str) -> str:
    """Return how deep the block begins that is open at the end of a piece: with the nearest line
    that is less deep than the last one, which may stand above the piece, or with the last line
    itself."""
    lines = [line for line in piece.split("\n") if line.strip()] or [piece]
    if _WORD_HEAD.search(lines[-1]):
        return _white(lines[-1])
    above = [context.line_above, *lines[:-1]]
    outer = (line for line in reversed(above) if indent(line) < indent(lines[-1]))
    return _white(next(outer, lines[-1]))


def _white(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _cut(context: CursorContext, text: str) -> Iterator[Edit]:
    """Yield the answer shorter by ever more lines, each alone and with what it then lacks."""
    for shorter in _shorter(text):
        yield edit(context, shorter)
        yield from _completed(context, shorter)


def _shorter(text: str) -> Iterator[str]:
    for _ in range(_MAX_CUTS):
        text = text.rpartition("\n")[0].rstrip()
        if not text:
            return
        yield text
