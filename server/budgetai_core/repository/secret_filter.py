"""Whether an answer says something that looks like a secret: real or made up, nobody wants it.

Models learn keys by heart, and invent them. Ours may have learned the placeholders too that its
training puts in their place.
"""

import re

from budgetai_core.repository.credentials import HASH_NAMES, entropy, is_credential, is_random
from budgetai_core.repository.secrets import PATTERNS, Pattern

_PLACEHOLDER = re.compile(r"<(?:SECRET:[\w-]*|EMAIL)>?")
_OTHERS = (
    Pattern("aws-key", re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), ("AKIA", "ASIA")),
    Pattern("twilio-key", re.compile(r"\b(?:AC|SK)[a-z0-9]{32}"), ("AC", "SK"), random=True),
)
# A name that speaks of a secret, and a quoted value beside it.
_NAMED = re.compile(
    r"(?P<name>(?i:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|api_?key|access_?key"
    r"|private_?key|auth_?key)\w{0,40}[\"'\])]{0,3}\s{0,8}"
    r"(?::\s{0,4}[\w.<>&'\[\]|? ]{1,40}=|:=|=>|=|:|,|\()\s{0,8})"
    r"[\"'`](?P<secret>[^\"'`\n]{4,200})"
)
_QUOTED = re.compile(r"[\"'`](?P<secret>[A-Za-z0-9+/_-]{24,}={0,2})")
# In bits per character; words and names stay below it.
_RANDOM = 4.2
_MAX_CHARACTERS = 8000


def looks_secret(line_before: str, text: str) -> bool:
    """Return whether a secret stands in the text, or reaches into it from the line it goes on
    with."""
    line = line_before[-400:]
    joined, start = (line + text)[:_MAX_CHARACTERS], len(line)
    if any(match.end() > start for match in _PLACEHOLDER.finditer(joined)):
        return True
    return _patterned(joined, start) or _named(joined, start) or _random(joined, start)


def _patterned(joined: str, start: int) -> bool:
    for pattern in (*PATTERNS, *_OTHERS):
        if any(anchor in joined for anchor in pattern.anchors):
            for match in pattern.expression.finditer(joined):
                group = "secret" if "secret" in pattern.expression.groupindex else 0
                if match.end(group) > start and (not pattern.random or is_random(match[group])):
                    return True
    return False


def _named(joined: str, start: int) -> bool:
    return any(
        match.end() > start and is_credential(match["name"], match["secret"])
        for match in _NAMED.finditer(joined)
    )


def _random(joined: str, start: int) -> bool:
    if HASH_NAMES.search(joined):
        return False
    return any(
        match.end() > start and is_random(match["secret"]) and entropy(match["secret"]) > _RANDOM
        for match in _QUOTED.finditer(joined)
    )
