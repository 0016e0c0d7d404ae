"""What the shape of a text says: made for machines, or a table of values. Pure functions."""

import re

MAX_MEAN_LINE = 200
_LONG_LINE = 500
_MIN_TABLE_CHARACTERS = 5_000
_TABLE_SHARE = 0.8
_VALUES = re.compile(
    r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|\b0[xXbBoO][\da-fA-F_]+\w*|\b\d[\d_.]*(?:[eE][-+]?\d+)?\w?\b'
    r"|[A-Za-z0-9+/]{60,}=*|\b(?:true|false|null|None|True|False|nil|NULL)\b"
)
_ROW = re.compile(r"\s*INSERT\s+INTO\s[^\n]{0,2000}\bVALUES\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d]")


def minified(text: str) -> bool:
    """Return whether the text has long lines on average, or a text that is mostly a few very long
    ones."""
    if len(text) / (text.count("\n") + 1) > MAX_MEAN_LINE:
        return True
    long = sum(len(line) for line in text.split("\n") if len(line) > _LONG_LINE)
    return long > len(text) / 2


def table(text: str) -> bool:
    """Return whether nearly all lines of a text of some size hold strings and numbers, and no
    name; or are rows that a program has written as SQL."""
    if len(text) < _MIN_TABLE_CHARACTERS:
        return False
    lines = text.split("\n")
    values = sum(
        len(line) for line in lines if line.strip() and (_ROW.match(line) or not _has_name(line))
    )
    return values > _TABLE_SHARE * len(text)


def _has_name(line: str) -> bool:
    return bool(_WORD.search(_VALUES.sub("", line)))
