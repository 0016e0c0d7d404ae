"""Whether a value beside a word like `password` or `token` is one, or only speaks of one."""

import math
import re
import string
from collections import Counter

_PASSWORD = re.compile(r"pass(?:w|phrase|_|\b|$)|pwd|passwd|contrase", re.I)
# A value that contains such a word names a secret; a value that is such a word stands for one.
_SPEAKS_OF = re.compile(
    r"pass(?:word|wd|phrase)|secret|token|credential|api.?key|private|public|\bkey\b|_key\b|bearer"
    r"|auth|login|user|account|session|cookie|header|config|setting|param|field|value|type|name",
    re.I,
)
_STANDS_FOR = re.compile(
    r"(?i:string|str|text|hidden|required|optional|none|null|true|false|undefined|object|number"
    r"|input|change.?me.*|your.*|my.*key|.*example.*|.*placeholder.*|redacted|dummy.*|fake.*"
    r"|x{3,}.*|\*+|\.{3,}|todo|n/?a|empty|default|invalid|wrong|unknown)"
)
_SEPARATOR = re.compile(r"[-_.:/+ ]+")
_WORD = re.compile(r"[A-Za-z]*\d{0,4}|\d{1,4}[A-Za-z]{1,3}")
# In names like Data2VecTextModel, runs of letters of one kind are longer than chance has them.
_RUN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_MEAN_RUN = 2.7
_CODE = re.compile(r"[{}\s]|\w\([^)]*\)|\w\[[^\]]*\]|%[sdr(]|\\n|^[/.@#$<]|://|^[-+]?\d[\d.,]*$")
_BEYOND_WORDS = re.compile(r"[0-9!@#$&*^?+=]")


_UUID = re.compile(r"[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}", re.I)
_TEMPLATED = re.compile(r"(?s)\$.*|\{.*\}|<.*>")
# The alphabet as programs write it, in one order or another.
_SEQUENCES = (
    string.ascii_uppercase * 2 + string.digits + "+/",
    string.digits + string.ascii_uppercase * 2 + "+/",
    (string.digits + string.ascii_uppercase) * 2,
    string.hexdigits.upper() * 2,
    string.hexdigits.upper()[:16] * 8,
)

HASH_NAMES = re.compile(
    r"(?i)sha\d|md5|hash|digest|checksum|integrity|commit|fingerprint|etag|uuid"
)
"""Names beside which a random value is not a secret."""


def is_credential(name: str, value: str) -> bool:
    """Return whether a value looks like a password. `name` is the code on the line before the
    value, `value` what stands between the quotes."""
    if len(value) < 4 or _CODE.search(value) or _STANDS_FOR.fullmatch(value):
        return False
    if _TEMPLATED.fullmatch(value):
        return False
    if _PASSWORD.search(name):
        return bool(_BEYOND_WORDS.search(value)) or not _SPEAKS_OF.search(value)
    return is_random(value)


def is_random(value: str) -> bool:
    """Return whether letters and digits are mixed as no word or name mixes them."""
    if (
        len(value) < 12
        or _UUID.search(value)
        or any(value.upper() in sequence for sequence in _SEQUENCES)
    ):
        return False
    if value.isalpha() or value.isdigit() or not any(map(str.isdigit, value)):
        return False
    if all(_WORD.fullmatch(part) for part in _SEPARATOR.split(value)):
        return False
    if value != value.lower() and len(value) > _MEAN_RUN * len(_RUN.findall(value)):
        return False
    return entropy(value) > 3.0


def entropy(value: str) -> float:
    """Return Shannon's entropy in bits per character."""
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * math.log2(share) for share in shares)
