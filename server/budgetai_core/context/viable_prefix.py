"""Whether a text can still become code that parses, whatever is to follow it.

tree-sitter reads from left to right and takes no token that nothing could follow (the viable-prefix
property of LR parsers: Aho, Sethi and Ullman 1986, 4.7). Where it begins to recover is in no tree,
but in its log.
"""

import re

import tree_sitter

from budgetai_core.context.document import encoded, readable
from budgetai_core.context.languages import Language, parser

_PROCESS = re.compile(r"process version:.* row:(\d+), col:(\d+)")
# What a string or comment of several lines begins and ends with. Grammars that take one for a
# single token do not know its beginning.
_EVERYWHERE = (("/*", "*/"), ('"""', '"""'), ("'''", "'''"), ("`", "`"))
_PLAIN_QUOTES = (('"', '"'), ("'", "'"))
_LONG_TEXTS = {
    "python": (('"""', '"""'), ("'''", "'''")),
    "ruby": _PLAIN_QUOTES,
    "bash": _PLAIN_QUOTES,
    "php": (*_PLAIN_QUOTES, ("/*", "*/")),
    "rust": (('r#"', '"#'), ('"', '"'), ("/*", "*/")),
    "csharp": (('$@"', '"'), ('@$"', '"'), ('@"', '"'), ('"""', '"""'), ("/*", "*/")),
    "lua": (("--[[", "]]"), ("[[", "]]"), ("[=[", "]=]")),
}
# Of lines that leave a plain quote open, nearly all lack it: in three repositories 18 of 4,000 true
# lines of Bash left one open, and none of Ruby.
_SELDOM_OVER_LINES = frozenset({"bash", "ruby"})
# In others a backslash is a backslash.
_WITH_ESCAPES = ('"', "'", '"""', "'''", "`")
# Elsewhere ' may stand in a word, as in the text of JSX, or begin a lifetime.
_SINGLE_QUOTED = frozenset({"python", "typescript", "java", "csharp", "kotlin", "lua"})


def is_viable_prefix(text: str, language: Language, *, in_text: bool = True) -> bool:
    """Return whether each token of a text is one that the grammar allows behind those before it.

    A string or comment of several lines may be open at the end, unless not `in_text`; one that
    ends with its line may not. Where one in plain quotes may go on, but seldom does, its line has
    to end with a backslash, or with the quote as a word of its own. Without a grammar nothing is
    known, and False is returned.
    """
    text = text.rstrip()
    continued = text.endswith("\\")
    if continued:
        text = text[:-1].rstrip()
    opened = _open_text(text, language)
    if opened is None:
        return _reads(text, language)
    start, opener, is_long = opened
    if language.name in _SELDOM_OVER_LINES and opener in ('"', "'") and not continued:
        is_long &= start == len(text) - 1 and text[start - 1 : start].isspace()
    return (
        in_text and is_long and (_reads(text, language) or _reads(text[:start].rstrip(), language))
    )


def _reads(text: str, language: Language) -> bool:
    parse = parser(language)
    if parse is None:
        return False
    data = encoded(text)
    progress = _Progress(data)
    parse.logger = progress
    parse.parse(readable(data, language))
    return progress.ended or not progress.recovered


class _Progress:
    """Hears the parser: did one of its readings come to the end before it had to recover?"""

    def __init__(self, data: bytes) -> None:
        self._end = data.count(b"\n"), len(data) - data.rfind(b"\n") - 1
        self.ended = self.recovered = False

    def __call__(self, kind: tree_sitter.LogType, message: str) -> None:
        if self.ended or self.recovered:
            return
        if message.startswith("resume"):
            self.recovered = True
        elif message.startswith("process"):
            place = _PROCESS.match(message)
            self.ended = place is not None and (int(place[1]), int(place[2])) >= self._end


def _open_text(text: str, language: Language) -> tuple[int, str, bool] | None:
    """Return where a string or comment begins on the last line that nothing ends, with what, and
    whether it may go on over lines."""
    long = _LONG_TEXTS.get(language.name, _EVERYWHERE)
    plain = _PLAIN_QUOTES if language.name in _SINGLE_QUOTED else _PLAIN_QUOTES[:1]
    at = text.rfind("\n") + 1
    while at < len(text):
        pairs = [pair for pair in (*long, *plain) if text.startswith(pair[0], at)]
        if pairs:
            opener, closer = pairs[0]
            escapes = opener in _WITH_ESCAPES and not _is_raw(text, at, language)
            end = _end_of(text, at + len(opener), closer, escapes=escapes)
            if end is None:
                return at, opener, pairs[0] in long
            at = end
        elif text.startswith(language.comment, at) and text[at - 1 : at].isspace():
            return None
        else:
            at += 2 if text[at] == "\\" else 1
    return None


def _is_raw(text: str, at: int, language: Language) -> bool:
    """Return whether it is a single quote of a shell, in which nothing is escaped."""
    return language.name == "bash" and text[at] == "'" and text[at - 1 : at] != "$"


def _end_of(text: str, at: int, closer: str, *, escapes: bool) -> int | None:
    """Return where a text begun before `at` ends, behind its mark."""
    while at < len(text):
        if text.startswith(closer, at):
            return at + len(closer)
        at += 2 if escapes and text[at] == "\\" else 1
    return None
