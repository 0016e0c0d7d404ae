"""Secrets in a text become typed placeholders, before anything else sees the text.

What was found is counted by kind. The text of a secret is in nothing this module returns.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from detect_secrets.plugins.keyword import QUOTES_REQUIRED_DENYLIST_REGEX_TO_GROUP as BY_KEYWORD

from budgetai_core.repository.credentials import HASH_NAMES, entropy, is_credential, is_random
from budgetai_core.repository.secrets import PATTERNS, Pattern
from budgetai_training.corpus.secret_patterns import library_patterns

EMAIL = "e-mail"
# Commit ids, checksums and hashes look random too, and say so.
_KEYWORD = re.compile(r"(?i)pass|pwd|secret|key|contrase")
_QUOTED = re.compile(r"([\"'`])(?P<secret>[A-Za-z0-9+/_-]{32,}={0,2})\1")
# detect-secrets has 4.5 for base64; without the word "key" or its like, shorter values are names.
_BASE64_ENTROPY = 4.5
_HEX_ENTROPY = 3.0
# Any word may end an address, and `a @ b.T` is no address: words that are no names in programs.
_ADDRESS = re.compile(
    r"(?<![\w.+/@%-])(?!(?:git|hg|svn)@)[\w.+%-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,5}"
    r"(?:(?i:com|org|net|edu|gov|mil|int|info|biz|name|dev|app|io|ai|xyz|tech|cloud|online|site"
    r"|email|test|example|invalid|local|internal|shop|store|blog|agency|company|work|world|life"
    r"|live|media|news|solutions|systems|software|services|studio|network|digital|global|today"
    r"|space|website|academy|consulting|engineering|health|technology|berlin|hamburg|koeln|wien"
    r"|london|paris|amsterdam|nyc|tokyo|swiss)|[a-z]{2}|[A-Z]{2})(?![\w(@-]|\.\w)"
)
# Beside what detect-secrets knows: a password after a type, in another language's assignment, or
# as the argument behind its name. There, a short word is something else.
_NAMED = (
    r"(?i:pass(?:word|wd|phrase)|pwd|secret|(?:api|auth|access|private)_?key)\w{0,40}"
    r"[\"'\])]{0,3}\s{0,8}"
)
_MORE = {
    re.compile(
        _NAMED + r"(?::\s{0,4}[\w.<>&'\[\]|? ]{1,40}=|:=|:)\s{0,8}([\"'`])([^\"'`\n]{4,200})\1"
    ): 2,
    re.compile(
        _NAMED + r",\s{0,8}([\"'`])((?=[^\"'`\n]{0,200}[0-9!@#$&*^?+=])[^\"'`\n]{8,200})\1"
    ): 2,
}
_MAX_LINE_CHARACTERS = 2_000
# A shorter value that is taken out elsewhere in the file could be part of a word.
_TELLING = 12


def redact(text: str) -> tuple[str, dict[str, int]]:
    """Return the text without its secrets, and how many of which kind there were."""
    secrets = _Found()
    for pattern in (*PATTERNS, *library_patterns()):
        if any(anchor in text for anchor in pattern.anchors):
            text = pattern.expression.sub(secrets.replacer(pattern), text)
    text = _lines(text, _KEYWORD, secrets.by_keyword)
    text = _QUOTED.sub(secrets.by_entropy, text)
    text = secrets.everywhere(text)
    if "@" in text:
        text = _ADDRESS.sub(secrets.address, text)
    return text, dict(sorted(secrets.counts.items()))


class _Found:
    """What has been found in one text so far."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._values: dict[str, str] = {}

    def replacer(self, pattern: Pattern) -> Callable[[re.Match[str]], str]:
        def replaced(match: re.Match[str]) -> str:
            start, end = _span(match)
            value = match.string[start:end]
            if _in_longer_word(match.string, start, end):
                return match[0]
            if pattern.random and not is_random(value):
                return match[0]
            return self._instead(match, start, end, pattern.kind)

        return replaced

    def by_keyword(self, line: str) -> str:
        """Redact a line with a word like `password`, and perhaps a value beside it."""
        for expression, group in (*BY_KEYWORD.items(), *_MORE.items()):
            line = expression.sub(partial(self._beside_keyword, group), line)
        return line

    def _beside_keyword(self, group: int, match: re.Match[str]) -> str:
        start, end = match.span(group)
        name = match.string[match.start() : start] + match.string[end : match.end()]
        if not is_credential(name, match[group]):
            return match[0]
        return self._instead(match, start, end, "password")

    def by_entropy(self, match: re.Match[str]) -> str:
        value = match["secret"]
        line = match.string[match.string.rfind("\n", 0, match.start()) + 1 : match.end()]
        if not is_random(value) or HASH_NAMES.search(line[-200:]):
            return match[0]
        if re.fullmatch(r"[0-9a-fA-F]+", value):
            telling = _KEYWORD.search(line[-200:]) and entropy(value) > _HEX_ENTROPY
        else:
            mixed = re.search(r"[a-z]", value) and re.search(r"[A-Z]", value)
            telling = mixed and entropy(value) > _BASE64_ENTROPY
        return self._instead(match, *match.span("secret"), "random-key") if telling else match[0]

    def address(self, match: re.Match[str]) -> str:
        self.counts[EMAIL] += 1
        return "<EMAIL>"

    def everywhere(self, text: str) -> str:
        """Redact secrets everywhere: one that its neighbours gave away may stand elsewhere
        alone."""
        for value, kind in self._values.items():
            if value in text:
                self.counts[kind] += text.count(value)
                text = text.replace(value, f"<SECRET:{kind}>")
        return text

    def _instead(self, match: re.Match[str], start: int, end: int, kind: str) -> str:
        text = match.string
        placeholder = self._placeholder(kind, text[start:end])
        return text[match.start() : start] + placeholder + text[end : match.end()]

    def _placeholder(self, kind: str, value: str) -> str:
        self.counts[kind] += 1
        if len(value) >= _TELLING and is_random(value):
            self._values.setdefault(value, kind)
        return f"<SECRET:{kind}>"


def _span(match: re.Match[str]) -> tuple[int, int]:
    """Return where the secret stands: the named group, else a long group, else all but its
    quotes."""
    if "secret" in match.re.groupindex:
        return match.span("secret")
    groups = [match.span(n) for n in range(1, match.re.groups + 1) if match[n]]
    longest = max(groups, key=lambda span: span[1] - span[0], default=(0, 0))
    if longest[1] - longest[0] >= 16:
        return longest
    start, end = match.span()
    while start < end and match.string[start] in " \t\n\"'=:":
        start += 1
    while end > start and match.string[end - 1] in " \t\n\"'":
        end -= 1
    return start, end


def _in_longer_word(text: str, start: int, end: int) -> bool:
    """Return whether a key's letters stand inside of a longer run, as in embedded pictures, or one
    of our own placeholders."""
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    return (before.isalnum() and text[start].isalnum() and after.isalnum()) or (
        "<SECRET:" in text[max(0, start - 9) : end]
    )


def _lines(text: str, word: re.Pattern[str], change: Callable[[str], str]) -> str:
    """Return the text with those lines changed that have the word and a quote."""
    parts: list[str] = []
    at = 0
    for start, end in _places(text, word.finditer(text)):
        line = text[start:end]
        if end - start <= _MAX_LINE_CHARACTERS and any(quote in line for quote in "\"'`"):
            parts += (text[at:start], change(line))
            at = end
    return "".join((*parts, text[at:]))


def _places(text: str, matches: Iterable[re.Match[str]]) -> Iterator[tuple[int, int]]:
    """Start and end of each line with a match, once."""
    end = -1
    for match in matches:
        if match.start() > end:
            start = text.rfind("\n", 0, match.start()) + 1
            end = text.find("\n", match.end())
            end = len(text) if end < 0 else end
            yield start, end
