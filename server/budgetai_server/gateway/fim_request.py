"""What plugins ask for, whatever their words: the text around a cursor, and whose it is.

Some send one prompt with the fill-in-the-middle marks of the family that they take the model for.
Those are taken apart: the model has marks of its own, and a prompt of its own.
"""

import re
from dataclasses import dataclass, replace

from budgetai_core.context.prompt import MARKER_NAMES


@dataclass(frozen=True)
class FimRequest:
    """The text `before` and `after` a cursor, as much of it as the plugin sends. `path` is the
    file's, `repository` a folder, `neighbors` are files that the plugin has seen beside it, the
    newest last: all as they were sent, and empty where they were not."""

    before: str
    after: str = ""
    path: str = ""
    repository: str = ""
    language: str = ""
    neighbors: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Marks:
    prefix: str
    suffix: str
    middle: str = ""
    spaced: bool = False


_MARKS = (
    *map(_Marks, *(MARKER_NAMES[role][:4] for role in ("prefix", "suffix", "middle"))),
    _Marks("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),
    _Marks("<|prefix|>", "<|suffix|>", "<|middle|>"),
    _Marks("<PRE>", "<SUF>", "<MID>", spaced=True),
    _Marks("[PREFIX]", "[SUFFIX]"),
)
_FILE = re.compile("(?:" + "|".join(map(re.escape, MARKER_NAMES["file"])) + r")([^\n]{1,4096})\n")
# What minuet-ai.nvim writes above the text, as comments of the language.
_LANGUAGE = re.compile(r"\W{0,5}language: ([\w.+#-]{1,40})[^\n]*\n(?:[^\n]*indentation: [^\n]*\n)?")


def from_prompt(prompt: str, after: str | None = None) -> FimRequest:
    """Return what a prompt asks for: with `after`, it is the text before the cursor; without, it
    may hold marks."""
    request = FimRequest(prompt, after) if after is not None else _parted(prompt)
    told = _LANGUAGE.match(request.before)
    if told is None:
        return request
    return replace(request, before=request.before[told.end() :], language=told[1])


def _parted(prompt: str) -> FimRequest:
    for marks in _MARKS:
        prefix, suffix = prompt.find(marks.prefix), prompt.find(marks.suffix)
        if prefix < 0 or suffix < 0:
            continue
        middle = prompt.rfind(marks.middle) if marks.middle else -1
        if middle < max(prefix, suffix):
            middle = len(prompt)
        # What stands behind the mark of the middle is text that is written already.
        begun = prompt[middle + len(marks.middle) :]
        if prefix < suffix:
            before = prompt[prefix + len(marks.prefix) : suffix]
            after = prompt[suffix + len(marks.suffix) : middle]
        else:
            after = prompt[suffix + len(marks.suffix) : prefix]
            before = prompt[prefix + len(marks.prefix) : middle]
        if marks.spaced:
            before = before.removeprefix(" ").removesuffix(" ")
            after, begun = after.removesuffix(" "), begun.removeprefix(" ")
        return _with_path(prompt[: min(prefix, suffix)], before + begun, after)
    return FimRequest(prompt)


def _with_path(head: str, before: str, after: str) -> FimRequest:
    """Take the path of the file from where families put it: in front of the marks, or behind the
    first."""
    inside = _FILE.match(before)
    if inside:
        return FimRequest(before[inside.end() :], after, inside[1].strip())
    named = _FILE.findall(head)
    return FimRequest(before, after, named[-1].strip() if named else "")
