"""What a text lacks in docstrings, and whether that is anyone else's business. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from budgetai_core.context.document import ParsedDocument
from budgetai_core.docstrings.documentable import Documentable, documentables
from budgetai_core.docstrings.parse.comment_syntax import comment_syntax
from budgetai_server.docstrings.generate import Offer, offer

_RUST = re.compile(r"\bpub\b")
_JAVA = re.compile(r"\b(?:public|protected)\b")
_HIDDEN = re.compile(r"\b(?:private|protected)\b|#\w")
_EXPORTS = re.compile(r"^(?:export\s*\{[^}]*\}|(?:module\.)?exports\b.*|export default .*)", re.M)
# What has its docstring elsewhere, by the rules of the tools that check docstrings.
_ELSEWHERE = re.compile(
    r"^[ \t]*@(?:(?:[\w.]+\.)?(?:overload|override)|\w+\.(?:setter|deleter)|Override)\b",
    re.MULTILINE,
)
_FUNCTIONS = ("function", "method")


@dataclass(frozen=True)
class Finding:
    """A docstring that is missing or stale; `line` counts from 1."""

    path: str
    line: int
    kind: str
    name: str
    words: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.words}"


def finding(path: str, text: str, one: Offer) -> Finding:
    """In words what an offer is good for."""
    subject = one.subject
    what = f"{subject.kind} {subject.name}".strip() if subject.kind != "module" else "module"
    old = subject.docstring
    line = text.count("\n", 0, old.start if old else subject.start) + 1
    wrong = ", ".join(one.stale)
    words = f"the docstring of {what} is stale: {wrong}" if old else f"{what} has no docstring"
    return Finding(path, line, subject.kind, subject.name, words)


def review(path: str, parsed: ParsedDocument, *, private: bool, update: bool) -> list[Offer]:
    """The docstrings to write in a file: missing ones, with `update` stale ones too; with `private`
    also those of what nobody else sees."""
    if parsed.language is None or path.endswith(".pyi"):
        return []
    found = documentables(parsed)
    wanted = found if private else public(found, path, parsed)
    wanted = [one for one in wanted if not _elsewhere(one, parsed)]
    offers = (offer(subject, parsed.language) for subject in wanted)
    return [one for one in offers if one and (update or not one.subject.docstring)]


def _elsewhere(subject: Documentable, parsed: ParsedDocument) -> bool:
    head = parsed.text[subject.start : subject.head_end]
    return subject.kind in _FUNCTIONS and _ELSEWHERE.search(head) is not None


def public(found: Sequence[Documentable], path: str, parsed: ParsedDocument) -> list[Documentable]:
    """The subjects of a text, in its order, that are there for others: by their names in Python and
    Go, where they are exported in JavaScript and TypeScript, by modifiers in Rust and Java. What is
    local, or part of what is not public, is not."""
    kept, around = [], list[tuple[Documentable, bool]]()
    for subject in found:
        while around and around[-1][0].end < subject.end:
            around.pop()
        if subject.kind == "module":
            shown = _public_module(path, parsed)
        elif around:
            shown = _public_inside(subject, *around[-1], parsed)
        else:
            shown = _shown(subject, parsed, None)
        kept += [subject] if shown else []
        around += [(subject, shown)] if subject.kind != "module" else []
    return kept


def _public_module(path: str, parsed: ParsedDocument) -> bool:
    """Other languages seldom say anything of a whole file."""
    rules, name = comment_syntax(parsed.language), PurePosixPath(path).stem
    return bool(rules and rules.inside) and (not name.startswith("_") or name == "__init__")


def _public_inside(
    subject: Documentable, outer: Documentable, shown: bool, parsed: ParsedDocument
) -> bool:
    return shown and outer.kind not in _FUNCTIONS and _shown(subject, parsed, outer)


def _shown(subject: Documentable, parsed: ParsedDocument, owner: Documentable | None) -> bool:
    if subject.name.startswith(("_", "#")):
        return False
    head = parsed.text[subject.start : subject.head_end]
    match parsed.language and parsed.language.name:
        case "go":
            names = (subject.name, subject.owner)
            return all(name[:1].isupper() for name in names if name)
        case "rust":
            return bool(_RUST.search(head))
        case "java":
            return bool(_JAVA.search(head)) or (owner is not None and _interface(owner, parsed))
        case "javascript" | "typescript" | "tsx":
            exported = owner is not None or head.startswith("export") or _listed(subject, parsed)
            return exported and not _HIDDEN.search(head)
    return not subject.owner.startswith("_")


def _interface(owner: Documentable, parsed: ParsedDocument) -> bool:
    return "interface" in parsed.text[owner.start : owner.head_end].split()


def _listed(subject: Documentable, parsed: ParsedDocument) -> bool:
    """Whether a list of exports names it."""
    name = re.compile(rf"\b{re.escape(subject.name)}\b")
    return any(name.search(found[0]) for found in _EXPORTS.finditer(parsed.text))
