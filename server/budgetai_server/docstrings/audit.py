"""What a text lacks in docstrings, and whether that is anyone else's business. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from budgetai_core.context.document import ParsedDocument
from budgetai_core.docstrings.documentable import Documentable, documentables
from budgetai_core.docstrings.parse.comment_syntax import comment_syntax
from budgetai_server.docstrings.generate import PendingDocstring, pending_docstring

# What is for the own crate alone is hidden, and what is told by an attribute has its docstring.
_RUST = re.compile(r"\bpub\b(?!\s*\()")
_RUST_ATTRIBUTE = re.compile(r"#!?\[[^\]]*\bdoc\s*(?:=|\(\s*hidden)")
_JAVA = re.compile(r"\b(?:public|protected)\b")
_HIDDEN = re.compile(r"\b(?:private|protected)\b|#\w")
_EXPORT = re.compile(r"export\b|(?:module\.)?exports\b")
# What has its docstring elsewhere, by the rules of the tools that check docstrings.
_DECORATED = re.compile(
    r"^[ \t]*@(?:(?:[\w.]+\.)?(?:overload|override|wraps)|\w+\.(?:getter|setter|deleter))\b",
    re.MULTILINE,
)
_OVERRIDES = re.compile(r"(?<![\w\"'])@(?:java\.lang\.)?Override\b")
_OVERRIDE_WORD = re.compile(r"\boverride\s+(?:(?:static|async|readonly|get|set)\s+)*[*#\w\[]")
_ATTRIBUTE = re.compile(r"^([ \t]*)(?:([\w.]+)\.)?__doc__\b[ \t]*(?::[^=\n]*)?\+?=(?!=)", re.M)
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


def finding(path: str, text: str, pending: PendingDocstring) -> Finding:
    """Describe in words what a pending docstring is good for."""
    documentable = pending.documentable
    what = (
        f"{documentable.kind} {documentable.name}".strip()
        if documentable.kind != "module"
        else "module"
    )
    old = documentable.docstring
    line = text.count("\n", 0, old.start if old else documentable.start) + 1
    wrong = ", ".join(pending.stale)
    words = f"the docstring of {what} is stale: {wrong}" if old else f"{what} has no docstring"
    return Finding(path, line, documentable.kind, documentable.name, words)


def review(
    path: str, parsed: ParsedDocument, *, private: bool, update: bool
) -> list[PendingDocstring]:
    """Return the docstrings to write in a file: missing ones, with `update` stale ones too; with
    `private` also those of what nobody else sees."""
    if parsed.language is None or path.endswith(".pyi"):
        return []
    entries = documentables(parsed)
    wanted = entries if private else public(entries, path, parsed)
    pending = (pending_docstring(documentable, parsed.language) for documentable in wanted)
    return [
        missing_or_stale
        for missing_or_stale in pending
        if missing_or_stale
        and (update or not missing_or_stale.documentable.docstring)
        and not _elsewhere(missing_or_stale.documentable, parsed)
    ]


def _elsewhere(documentable: Documentable, parsed: ParsedDocument) -> bool:
    """Return whether the docstring of a definition belongs to something else."""
    if documentable.documented_elsewhere:
        return True
    head = parsed.text[documentable.start : documentable.head_end]
    called = documentable.kind in _FUNCTIONS
    match parsed.language and parsed.language.name:
        case "python":
            return (called and _DECORATED.search(head) is not None) or _assigned(
                documentable, parsed
            )
        case "java":
            return called and _OVERRIDES.search(head) is not None
        case "rust":
            return _RUST_ATTRIBUTE.search(head) is not None
        case "typescript" | "tsx":
            return documentable.kind == "method" and _OVERRIDE_WORD.search(head) is not None
    return False


def _assigned(documentable: Documentable, parsed: ParsedDocument) -> bool:
    """Return whether an attribute `__doc__` is given to it: that of a function by its name, that of
    a class or a module in its body too."""
    if documentable.docstring:
        return False
    names = {documentable.name, f"{documentable.owner}.{documentable.name}"} - {"", "."}
    inner = len(documentable.indent) if documentable.kind != "module" else 0
    for match in _ATTRIBUTE.finditer(parsed.text):
        own = documentable.start <= match.start() < documentable.end and len(match[1]) == inner
        if match[2] in names or (not match[2] and own and documentable.kind not in _FUNCTIONS):
            return True
    return False


def public(
    entries: Sequence[Documentable], path: str, parsed: ParsedDocument
) -> list[Documentable]:
    """Return the definitions of a text, in its order, that are there for others: by their names in
    Python and Go, where they are exported in JavaScript and TypeScript, by modifiers in Rust and
    Java. What is local, or part of what is not public, is not."""
    kept, around = [], list[tuple[Documentable, bool]]()
    for documentable in entries:
        while around and around[-1][0].end < documentable.end:
            around.pop()
        if documentable.kind == "module":
            shown = _public_module(path, parsed)
        elif around:
            shown = _public_inside(documentable, *around[-1], parsed)
        else:
            shown = _shown(documentable, parsed, None)
        kept += [documentable] if shown else []
        around += [(documentable, shown)] if documentable.kind != "module" else []
    return kept


def _public_module(path: str, parsed: ParsedDocument) -> bool:
    """Return whether the whole file is public. Other languages seldom say anything of a whole
    file."""
    rules, name = comment_syntax(parsed.language), PurePosixPath(path).stem
    return bool(rules and rules.inside) and (not name.startswith("_") or name == "__init__")


def _public_inside(
    documentable: Documentable, outer: Documentable, shown: bool, parsed: ParsedDocument
) -> bool:
    return shown and outer.kind not in _FUNCTIONS and _shown(documentable, parsed, outer)


def _shown(documentable: Documentable, parsed: ParsedDocument, owner: Documentable | None) -> bool:
    if documentable.name.startswith(("_", "#")):
        return False
    head = parsed.text[documentable.start : documentable.head_end]
    match parsed.language and parsed.language.name:
        case "go":
            names = (documentable.name, documentable.owner)
            return all(name[:1].isupper() for name in names if name)
        case "rust":
            return bool(_RUST.search(head))
        case "java":
            return bool(_JAVA.search(head)) or (owner is not None and _interface(owner, parsed))
        case "javascript" | "typescript" | "tsx":
            exported = owner is not None or documentable.exported or _EXPORT.match(head) is not None
            return exported and not _HIDDEN.search(head)
    return not documentable.owner.startswith("_")


def _interface(owner: Documentable, parsed: ParsedDocument) -> bool:
    return "interface" in parsed.text[owner.start : owner.head_end].split()
