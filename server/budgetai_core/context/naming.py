"""Which language a file is in: by its name, and where that does not tell, by its text.

Git attributes, options and the other files of a repository may know better: see
`repository.language_map`.
"""

import re
from collections import defaultdict
from functools import cache
from importlib import resources
from posixpath import basename

from budgetai_core.context import linguist
from budgetai_core.context.linguist import KnownLanguage

# What has not shown its language by then does not show it.
_MAX_TOLD_CHARACTERS = 60_000
# Characters at both ends of a text in which an editor's modeline may stand.
_MODELINE_CHARACTERS = 600
_SHEBANG = re.compile(r"\A#![ \t]*(\S+)([^\n]*)")
_VIM = re.compile(
    r"\b(?:vim?|ex):[ \t]*(?:set?[ \t][^\n]*?|[^\n]*?[ \t:])?(?:ft|filetype|syntax)=([\w.+-]+)"
)
_EMACS = re.compile(r"-\*-[ \t]*(?:[^\n]*?mode:[ \t]*)?([\w.+#-]+)[ \t]*(?:;[^\n]*)?-\*-")
# Endings that Drupal gives its PHP, and others give anything.
_ONLY_IF_TOLD = frozenset({".module", ".install", ".theme", ".profile", ".engine"})
_VERSION = re.compile(r"[\d.]+$")


def candidates(path: str) -> tuple[KnownLanguage, ...]:
    """Return the languages that a name may mean."""
    return linguist.by_file_name(path[path.rfind("/") + 1 :])


def is_shared(path: str) -> bool:
    """Return whether several languages have names like this, or others than the one we know."""
    return len(candidates(path)) > 1 or ending(path) in _ONLY_IF_TOLD


def ending(path: str) -> str:
    """Return what a name ends with, in lower case: its last dot and what follows, or nothing."""
    at = path.rfind(".")
    # A name that only begins with a dot has no ending.
    return path[at:].lower() if at > path.rfind("/") + 1 else ""


def named(path: str, text: str = "", usual: str | None = None) -> KnownLanguage | None:
    """Return the language of a file; None for one that neither name nor text tells.

    `usual` is what other files of this ending are in, where they are decided and this one is not.
    """
    entries = candidates(path)
    if len(entries) == 1 and not (text and ending(path) in _ONLY_IF_TOLD):
        return entries[0]
    by_text = told(path, text) if text else None
    if by_text or not entries or ending(path) in _ONLY_IF_TOLD:
        return by_text
    names = [entry.name for entry in entries]
    default = next((name for name in (usual, _usual(ending(path))) if name in names), None)
    return linguist.entry(default or next((e.name for e in entries if e.is_code), names[0]))


def told(path: str, text: str) -> KnownLanguage | None:
    """Return the language that a text shows, among those that its name leaves open."""
    names = {entry.name for entry in candidates(path)}
    for name in (
        _by_modeline(text),
        _by_shebang(text),
        _told_by_rule(ending(path), text),
    ):
        known = linguist.entry(name) if name else None
        if known and (known.name in names or not names):
            return known
    return None


def _by_shebang(text: str) -> str | None:
    match = _SHEBANG.match(text)
    if match is None:
        return None
    program, rest = basename(match[1]), match[2].split()
    if program == "env":
        words = [word for word in rest if word[:1] != "-" and "=" not in word]
        program = basename(words[0]) if words else ""
    known = linguist.by_interpreter(program) or linguist.by_interpreter(_VERSION.sub("", program))
    return known.name if known else None


def _by_modeline(text: str) -> str | None:
    ends = text[:_MODELINE_CHARACTERS] + "\n" + text[-_MODELINE_CHARACTERS:]
    match = _EMACS.search(text[:_MODELINE_CHARACTERS]) or _VIM.search(ends)
    return match[1] if match else None


def _told_by_rule(ending: str, text: str) -> str | None:
    """Return the first language whose rule a text follows; None where it follows none. The rules
    are ours, and are data: `data/shared_endings.tsv`."""
    head = text[:_MAX_TOLD_CHARACTERS]
    rules = ((name, _compiled(pattern)) for name, pattern in _rules().get(ending, ()) if pattern)
    return next((name for name, pattern in rules if pattern.search(head)), None)


def _usual(ending: str) -> str | None:
    """Return the language that texts of an ending are in for want of any sign."""
    return next((name for name, pattern in _rules().get(ending, ()) if not pattern), None)


@cache
def _rules() -> dict[str, list[tuple[str, str]]]:
    table = resources.files(__package__) / "data" / "shared_endings.tsv"
    rules: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for line in table.read_text("utf-8").splitlines():
        if line[:1] != "#":
            ending, name, *pattern = line.split("\t")
            rules[ending].append((name, pattern[0] if pattern else ""))
    return dict(rules)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.MULTILINE)
