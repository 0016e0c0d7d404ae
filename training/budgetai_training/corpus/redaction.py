"""Secrets in a text become typed placeholders, before anything else sees the text.

What was found is counted by kind. The text of a secret is in nothing this module returns.
"""

import re
from collections import Counter

from budgetai_core.repository import secrets
from budgetai_core.repository.secrets import PLACEHOLDER

EMAIL = "e-mail"
# Any word may end an address, and `a @ b.T` is not one: words that are not names in programs.
_ADDRESS = re.compile(
    r"(?<![\w.+/@%-])(?!(?:git|hg|svn)@)[\w.+%-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,5}"
    r"(?:(?i:com|org|net|edu|gov|mil|int|info|biz|name|dev|app|io|ai|xyz|tech|cloud|online|site"
    r"|email|test|example|invalid|local|internal|shop|store|blog|agency|company|work|world|life"
    r"|live|media|news|solutions|systems|software|services|studio|network|digital|global|today"
    r"|space|website|academy|consulting|engineering|health|technology|berlin|hamburg|koeln|wien"
    r"|london|paris|amsterdam|nyc|tokyo|swiss)|[a-z]{2}|[A-Z]{2})(?![\w(@-]|\.\w)"
)


def redact(text: str) -> tuple[str, dict[str, int]]:
    """Return the text without its secrets and addresses, and how many of which kind there were."""
    counts: Counter[str] = Counter()
    parts: list[str] = []
    at = 0
    for secret in secrets.find(text):
        parts += (text[at : secret.start], f"{PLACEHOLDER}{secret.kind}>")
        counts[secret.kind] += 1
        at = secret.end
    text = "".join((*parts, text[at:]))
    if "@" in text:
        text, found = _ADDRESS.subn("<EMAIL>", text)
        counts += Counter({EMAIL: found})
    return text, dict(sorted(counts.items()))
