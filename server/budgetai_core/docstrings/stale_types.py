"""The types that a docstring tells and the signature contradicts, and where they stand.

Nothing is stale that can be meant: less or more precise brackets, other spellings, aliases, a None
that has a default. Types over lines and those with prose are left alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from budgetai_core.context.languages import Language
from budgetai_core.docstrings.documentable import Documentable
from budgetai_core.docstrings.parse.entries import Entry, Span, bracket_end
from budgetai_core.docstrings.parse.sections import layout
from budgetai_core.docstrings.type_expression import Term, agree, read

_TYPED = ("python", "typescript", "tsx")
_NAMED_KINDS = ("parameter", "attribute", "type")
# What stands behind a type, and stays: `int, optional`, `int (default 3)`.
_TAIL = re.compile(
    r"(?:[ \t]*[,;][ \t]*|[ \t]+)\(?(?:optional|defaults?|keyword|kw|required|positional)\b(?!\[)"
    r".*\Z|=\Z",
    re.IGNORECASE,
)
_MARKED = re.compile(r"(:[\w:]+:`~?|`{1,2})([^`\n]+)(`{1,2})\Z")
_NOTHING = ("None", "null", "undefined")


@dataclass(frozen=True)
class TypeDifference:
    """The type told of `name`, by the characters of the docstring's text it stands at, and the one
    that the signature has. What comes back has no name."""

    name: str
    span: Span
    annotation: str


@dataclass(frozen=True)
class _Annotation:
    text: str
    optional: bool = False


def type_differences(documentable: Documentable, language: Language) -> list[TypeDifference]:
    """Return the types of a docstring that its signature contradicts."""
    docstring = documentable.docstring
    if docstring is None or language.name not in _TYPED:
        return []
    annotations = {
        parameter.name: _Annotation(parameter.type, parameter.optional)
        for parameter in documentable.parameters
        # Other signatures of it have types of their own; those of `*args` are of each of them.
        if parameter.type and not parameter.stars and parameter.name not in documentable.allowed
    }
    quoted_types = language.name == "python"
    entries = layout(docstring.text, language).entries
    differences = []
    for name, span, annotation in _told(docstring.text, entries, documentable, annotations):
        new = _corrected(docstring.text[slice(*span)], annotation, quoted_types=quoted_types)
        # A quote at its end may come to stand in front of those of the docstring.
        marks = (docstring.mark, "*/")
        if new and not any(mark in new for mark in marks) and new[-1] not in docstring.mark:
            differences.append(TypeDifference(name, span, new))
    return differences


def _told(
    text: str,
    entries: tuple[Entry, ...],
    documentable: Documentable,
    annotations: dict[str, _Annotation],
) -> Iterator[tuple[str, Span, _Annotation]]:
    """Yield the types that are told, each with what the signature has in its place. In front of
    what comes back a word may stand that is not a type: there it has to be one of the language."""
    back = [entry for entry in entries if entry.kind in ("returns", "rtype")]
    for entry in entries:
        span = entry.typed
        if entry.kind in ("type", "rtype") and entry.description_start:
            span = entry.description_start, entry.description_start + len(entry.description)
        if span is None or "\n" in text[slice(*span)]:
            continue
        if entry.kind in _NAMED_KINDS:
            meant = {annotations.get(name.text) for name in entry.names}
            annotation = meant.pop() if len(meant) == 1 else None
            if annotation:
                yield entry.names[0].text, span, annotation
        elif entry in back and documentable.return_type and not documentable.yields:
            of_one = len([other for other in back if other.kind == entry.kind]) == 1
            sure = entry.grouped or entry.kind == "rtype" or _is_known(text[slice(*span)])
            listed = _is_first(text[slice(*span)], documentable.return_type)
            if of_one and sure and not listed and not documentable.allowed:
                yield "", span, _Annotation(documentable.return_type)


def _is_known(told: str) -> bool:
    terms = read(told, quoted_types=True)
    return bool(terms) and all(term.known for term in terms or ())


def _is_first(told: str, annotation: str) -> bool:
    """Return whether a type may be the first of a tuple's, the others of which follow in lines."""
    told_terms = read(told, quoted_types=True)
    terms = read(_unwrapped(annotation), quoted_types=True) or ()
    firsts = [term.parts[0] for term in terms if term.is_tuple and len(term.parts) > 1]
    return bool(told_terms) and any(agree(told_terms or (), first) for first in firsts)


def _corrected(told: str, annotation: _Annotation, *, quoted_types: bool) -> str | None:
    """Return what has to stand in the place of a type; None where that may stay."""
    tail = _TAIL.search(told)
    plain = told[: tail.start()] if tail else told
    told_terms = read(plain, quoted_types=quoted_types)
    wanted = _unwrapped(annotation.text)
    terms = read(wanted, quoted_types=quoted_types)
    if not told_terms or not terms or not _contradicts(told_terms, terms, annotation.optional):
        return None
    if tail and annotation.optional and not _has_nothing(told_terms):
        wanted = _without_nothing(wanted)
        if not wanted:
            return None
    marked = _MARKED.match(plain)
    if marked and (re.fullmatch(r"[\w.]+", wanted) or marked[1].startswith("`")):
        wanted = f"{marked[1]}{wanted}{marked[3]}"
    return wanted + (tail[0] if tail else "")


def _contradicts(told: tuple[Term, ...], wanted: tuple[Term, ...], optional: bool) -> bool:
    if not agree(told, wanted):
        return True
    anything = any(term.anything for term in wanted)
    return _has_nothing(told) and not (_has_nothing(wanted) or optional or anything)


def _has_nothing(terms: tuple[Term, ...]) -> bool:
    return any(term.kind == "nothing" for term in terms)


def _unwrapped(annotation: str) -> str:
    """Return an annotation without quotes around it, and without what only tools read."""
    text = annotation.strip()
    if text[:1] in ("'", '"') and text[-1:] == text[:1] and text.count(text[0]) == 2:
        text = text[1:-1].strip()
    wrapped = re.match(
        r"(?:\w+\.)?(?:Annotated|Required|NotRequired|ReadOnly|Final|InitVar)\[", text
    )
    return _unwrapped(_parts(text[wrapped.end() : -1], ",")[0]) if wrapped else text


def _without_nothing(annotation: str) -> str:
    """Return a type without the None that a default of it stands for."""
    wrapped = re.match(r"(?:\w+\.)?Optional\[", annotation)
    if wrapped and bracket_end(annotation, wrapped.end() - 1) == len(annotation) - 1:
        return annotation[wrapped.end() : -1]
    parts = [part for part in _parts(annotation, "|") if part not in _NOTHING]
    return " | ".join(parts)


def _parts(text: str, separator: str) -> list[str]:
    """Return what stands between separators that are in no brackets."""
    parts, level = [""], 0
    for character in text:
        level += (character in "([{<") - (character in ")]}>")
        if character == separator and not level:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
