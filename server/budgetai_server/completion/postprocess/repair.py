"""The answer, or the nearest to it, with which the document parses at least as well as without.

The candidates, in this order: the answer as it is; without closers that close nothing; with those
that it lacks. The one with the fewest errors is taken, unless the document alone has fewer still:
then answers cut at an earlier line are tried, the longest first.
"""

import re
from collections.abc import Iterator

from budgetai_core.context.tree import errors
from budgetai_server.completion.postprocess.brackets import CLOSERS, PAIRS, brackets
from budgetai_server.completion.postprocess.cursor_context import CursorContext, indent
from budgetai_server.completion.postprocess.overlap import Edit, edit, repeated, within

_WORD = re.compile(r"\w")
# Parses are what trimming costs.
_MOST_SURPLUS, _MOST_MISSING, _MOST_CUTS = 3, 8, 4
_END_WORDS = ("end", "fi", "done", "}")


def repaired(gap: CursorContext, text: str) -> Edit:
    """The best edit for an answer; an empty one where each would break something."""
    best = edit(gap, text)
    if gap.parsed.root is None:
        return best
    most, fewest = errors(gap.parsed), cost(gap, best)
    if fewest:
        priced = [(cost(gap, found), found) for found in _near(gap, text, worse=fewest > most)]
        fewest, best = min([(fewest, best), *priced], key=lambda pair: pair[0])
    if fewest <= most:
        return best
    shorter = next((found for found in _cut(gap, text) if cost(gap, found) <= most), None)
    return shorter or (Edit("") if gap.sound else best)


def cost(gap: CursorContext, candidate: Edit) -> int:
    """How many errors the region around the cursor has with an edit."""
    before, after = gap.region
    return errors(gap.parsed.edited(before + candidate.text + after[candidate.replaces :]))


def _near(gap: CursorContext, text: str, *, worse: bool) -> Iterator[Edit]:
    rest = gap.line_after
    if rest and not _WORD.search(rest) and within(rest, text):
        yield Edit(text, len(rest))
    for shorter in _without_surplus(gap, text):
        yield edit(gap, shorter)
    yield from _completed(gap, text, words=worse or gap.opened is not None or "\n" in text.strip())


def _without_surplus(gap: CursorContext, text: str) -> Iterator[str]:
    """Without as many of the closers at its end as close nothing, or what is to be closed below."""
    before, after = gap.region
    known = len(brackets(before + after, gap.language).unmatched)
    surplus = len(brackets(before + text + after, gap.language).unmatched) - known
    closing = brackets(gap.line_before + text, gap.language).unmatched
    for place in reversed(closing[-min(surplus, _MOST_SURPLUS) :] if surplus > 0 else ()):
        at = place - len(gap.line_before)
        if at < 0 or text[at:].strip(CLOSERS + ";,\n\t "):
            return
        text = text[:at].rstrip() + text[at + 1 :].strip(CLOSERS)
        yield text


def _completed(gap: CursorContext, text: str, *, words: bool = True) -> Iterator[Edit]:
    """With the closers of what was opened on the cursor's line and in the answer, and is not
    closed by what stands right of the cursor."""
    text = text[: len(text) - repeated(text, gap.line_after)]
    piece = gap.line_before + text
    found = brackets(piece + gap.line_after, gap.language)
    lacking = "".join(PAIRS[piece[at]] for at in reversed(found.open) if at < len(piece))
    if lacking:
        spread = "\n" in text.strip() or text.endswith("{")
        yield Edit(_closed(gap, text, lacking[:_MOST_MISSING], own_line=spread))
    elif words and gap.language and gap.language.opener.isalpha():
        for word in _END_WORDS:
            yield Edit(_closed(gap, text, word, own_line=True))


def _closed(gap: CursorContext, text: str, closers: str, *, own_line: bool) -> str:
    if not own_line:
        return text.rstrip(" ,") + closers
    line = (gap.line_before + text).lstrip("\n").partition("\n")[0]
    # In an empty body, the line to close is the one above.
    empty = not gap.line_before.strip() and indent(line) > indent(gap.line_above)
    line = gap.line_above if empty else line
    return f"{text}\n{line[: len(line) - len(line.lstrip())]}{closers}"


def _cut(gap: CursorContext, text: str) -> Iterator[Edit]:
    """Shorter by ever more lines, each alone and with what it then lacks."""
    for _ in range(_MOST_CUTS):
        text = text.rpartition("\n")[0].rstrip()
        if not text:
            return
        yield edit(gap, text)
        yield from _completed(gap, text)
