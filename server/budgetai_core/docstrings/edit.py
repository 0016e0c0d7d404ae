"""Where a docstring stands: the point it is inserted at, and the one edit that puts it there."""

import re
from dataclasses import dataclass

from budgetai_core.docstrings.documentable import Documentable
from budgetai_core.docstrings.parse.comment_syntax import closing
from budgetai_core.docstrings.style import DocstringStyle, opening
from budgetai_core.docstrings.update import Update

# No file has these by intent, and some compilers stop at them.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_LONE_BACKSLASH = re.compile(r"(?<!\\)(?:\\\\)*\\(?!\\)")
_RAW = re.compile(r"[rR]")


@dataclass(frozen=True)
class InsertionPoint:
    """A document with an empty docstring; the cursor stands between its marks."""

    text: str
    cursor: int
    opening: str
    closing: str


def insertion_point(text: str, documentable: Documentable, style: DocstringStyle) -> InsertionPoint:
    """Return the document as it is when the docstring is written; an existing one is taken away."""
    mark = opening(documentable, style)
    start, end, before, after = _around(text, documentable, mark)
    before = text[:start] + before + mark
    return InsertionPoint(
        before + closing(mark) + after + text[end:], len(before), mark, closing(mark)
    )


def replacement(
    text: str, documentable: Documentable, style: DocstringStyle, inside: str
) -> tuple[int, int, str]:
    """Start, end and text of the one edit of the document that puts the finished docstring in its
    place. Whatever `inside` has, all else stays as it is."""
    mark = opening(documentable, style)
    start, end, before, after = _around(text, documentable, mark)
    inside = _INVISIBLE.sub("", inside)
    if closing(mark) == mark:
        old = text[documentable.docstring.start] if documentable.docstring else ""
        whole = _quoted(inside, mark, was_raw=_RAW.match(old) is not None)
    elif closing(mark):
        whole = _block(inside, mark, style.style)
    else:
        whole = _lines(inside, mark, documentable.indent)
    return start, end, before + whole + after


def update_point(text: str, documentable: Documentable, change: Update) -> InsertionPoint:
    """Return the document as it is while a docstring is brought up to date: the cursor stands
    behind its opening mark, and its inside is taken away."""
    assert documentable.docstring
    before = text[: documentable.docstring.start] + change.opening
    after = change.closing + text[documentable.docstring.end :]
    return InsertionPoint(before + after, len(before), change.opening, change.closing)


def updated(
    text: str, documentable: Documentable, change: Update, inside: str
) -> tuple[int, int, str]:
    """Start, end and text of the smallest edit of whole lines that gives the definition's docstring
    another inside."""
    assert documentable.docstring
    start, end = documentable.docstring.start, documentable.docstring.end
    old = text[start:end].split("\n")
    new = (change.opening + inside + change.closing).split("\n")
    least = min(len(old), len(new)) - 1
    head = next((n for n in range(least) if old[n] != new[n]), least)
    least -= head
    tail = next((n for n in range(least) if old[-1 - n] != new[-1 - n]), least)
    rows = new[head : len(new) - tail]
    start += sum(len(row) + 1 for row in old[:head])
    end -= sum(len(row) + 1 for row in old[len(old) - tail :])
    return start, end, "\n".join(rows)


def _around(text: str, documentable: Documentable, mark: str) -> tuple[int, int, str, str]:
    """Return what the edit takes the place of, and what it puts in front of and behind the
    docstring."""
    indent, at = documentable.indent, documentable.at
    if documentable.docstring:
        start, end = documentable.docstring.start, documentable.docstring.end
        rest = text[end:].partition("\n")[0]
        if closing(mark) or not rest.strip():
            return start, end, "", ""
        # A comment had closed in front of code that a line comment would swallow.
        return start, end + len(rest) - len(rest.lstrip()), "", f"\n{indent}"
    if documentable.kind != "module" and at and text[at - 1] != "\n":
        # A body on the line of its head goes below.
        return documentable.head_end, at, f"\n{indent}", f"\n{indent}"
    apart = documentable.kind == "module" and mark != "//" and text[at : at + 1] not in ("", "\n")
    return at, at, indent, "\n\n" if apart else "\n"


def _quoted(inside: str, mark: str, *, was_raw: bool) -> str:
    """Return a string that ends where it should, and whose backslashes say what is seen."""
    inside = inside.partition(mark)[0]
    slashes = len(inside) - len(inside.rstrip("\\"))
    inside = inside[:-1] if slashes % 2 else inside
    inside += " " if inside.endswith(mark[0]) else ""
    raw = _LONE_BACKSLASH.search(inside) or (was_raw and "\\" in inside)
    return f"{'r' if raw else ''}{mark}{inside}{mark}"


def _block(inside: str, mark: str, style: str) -> str:
    inside = inside.partition("*/")[0]
    if style == "javadoc":
        # Java reads \\u in comments, and stops where no number follows.
        inside = re.sub(r"\\+u", "u", inside)
    # Anything but white space would make another mark of it.
    return mark + ("" if inside[:1].isspace() else " ") + inside + "*/"


def _lines(inside: str, mark: str, indent: str) -> str:
    """Return each line with its mark, and none that speaks to a tool as `//go:build` does."""
    first, *others = inside.rstrip().split("\n")
    lines = [first, *(line.strip().removeprefix(mark) for line in others)]
    spaced = (f" {line}" if line[:1].strip() else line for line in lines)
    return f"\n{indent}".join(f"{mark}{line}".rstrip() for line in spaced)
