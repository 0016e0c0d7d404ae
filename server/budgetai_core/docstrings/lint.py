"""Whether a docstring names what its definition has, and nothing else."""

import re
from dataclasses import dataclass

from budgetai_core.context.languages import Language
from budgetai_core.docstrings.documentable import Documentable, Parameter
from budgetai_core.docstrings.parse.comment_syntax import comment_syntax
from budgetai_core.docstrings.parse.sections import Sections, sections
from budgetai_core.docstrings.stale_types import type_differences

_RETURNS = re.compile(r"\b(?:returns?|returned|reports?|yields?|gives? back)\b", re.IGNORECASE)
_FAILS = {
    "Errors": re.compile(r"\b(?:errors?|err|fails?|failure)\b", re.IGNORECASE),
    "Panics": re.compile(r"\bpanics?\b", re.IGNORECASE),
}
_NOTHING = re.compile(r"`*(?:None|void|nothing)\b", re.IGNORECASE)


@dataclass(frozen=True)
class LintResult:
    """How many parts of a definition are named; those missing, and those that it does not have, as
    "parameter x", "returns" or "raises ValueError"."""

    named: int
    missing: tuple[str, ...] = ()
    invented: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """F1 of what is named, in 0 to 1; 1 where there is nothing to name."""
        wrong = len(self.missing) + len(self.invented)
        return 2 * self.named / (2 * self.named + wrong) if self.named or wrong else 1.0

    @property
    def sound(self) -> bool:
        return not self.missing and not self.invented


def lint(documentable: Documentable, text: str, language: Language) -> LintResult:
    """Return how a docstring's text, without its marks, agrees with its definition.

    What is written in sentences (Go, Rust) is named where its word stands. A class need not list
    the parameters of its constructor, but if it lists some it has to list all. What a class or
    `**kwargs` takes besides is not known, so nothing of it is invented.
    """
    parsed = sections(text, language)
    has, optional = _parts(documentable, parsed)
    rules = comment_syntax(language)
    names = _named(parsed) if rules and not rules.prose else _mentioned(has, parsed, text)
    named = [part for part in has if part in names]
    missing = [part for part in has if part not in names and part not in optional]
    return LintResult(len(named), tuple(missing), _invented(documentable, parsed, has, names))


def stale(documentable: Documentable, language: Language) -> tuple[str, ...]:
    """Return what the definition's docstring says of parameters that the code does not have, where
    it lists parameters those that it leaves out, as "parameter x", and as "type of x" those whose
    type the signature contradicts. Empty when they agree, and where it has neither."""
    gone, missing = parameter_differences(documentable, language)
    names = [*gone, *(parameter.name for parameter in missing)]
    types = [
        difference.name or "what is returned"
        for difference in type_differences(documentable, language)
    ]
    return (*(f"parameter {name}" for name in names), *(f"type of {name}" for name in types))


def parameter_differences(
    documentable: Documentable, language: Language
) -> tuple[list[str], list[Parameter]]:
    """Return the names that a list of parameters has and the code has not, and the parameters that
    it lacks; both empty where there is no list."""
    text = documentable.docstring.text if documentable.docstring else ""
    parsed = sections(text, language)
    if not parsed.parameters:
        return [], []
    has, optional = _parts(documentable, parsed)
    names = _named(parsed)
    invented = _invented(documentable, parsed, has, names)
    gone = [part.partition(" ")[2] for part in invented if part.startswith("parameter ")]
    lacking = {part for part in has if part not in names and part not in optional}
    return gone, [
        parameter
        for parameter in documentable.parameters
        if f"parameter {parameter.name}" in lacking
    ]


def _parts(documentable: Documentable, parsed: Sections) -> tuple[list[str], set[str]]:
    """Return what a definition has to name, and what of it may be left out."""
    parameters = {f"parameter {parameter.name}": parameter for parameter in documentable.parameters}
    parts = list(parameters)
    optional = {
        part
        for part, parameter in parameters.items()
        if parameter.stars or parameter.name.startswith("_")
    }
    if documentable.kind == "class":
        listed = _named(parsed).intersection(parts)
        return parts, optional if listed else set(parts)
    if documentable.returns or documentable.yields:
        parts.append("returns")
    return [*parts, *(f"raises {name}" for name in documentable.raises)], optional


def _named(parsed: Sections) -> set[str]:
    names = {f"parameter {name}" for name in (*parsed.parameters, *parsed.attributes)}
    names |= {f"raises {name}" for name in parsed.raises if name}
    return names | ({"returns"} if parsed.returns is not None else set())


def _mentioned(has: list[str], parsed: Sections, text: str) -> set[str]:
    """Return what has a section or a list item, and all whose word stands in the sentences."""
    words = set(re.findall(r"\w+", text))
    names = _named(parsed)
    for part in has:
        kind, _, name = part.partition(" ")
        if kind == "raises":
            mentioned = name in _FAILS and _FAILS[name].search(text) is not None
        else:
            mentioned = name in words if name else _RETURNS.search(text) is not None
        names |= {part} if mentioned else set()
    return names


def _invented(
    documentable: Documentable, parsed: Sections, has: list[str], names: set[str]
) -> tuple[str, ...]:
    listed = {f"parameter {name}" for name in (*parsed.attributes, *documentable.allowed)}
    if documentable.takes_more or (documentable.kind == "class" and not documentable.parameters):
        listed |= {name for name in names if name.startswith("parameter ")}
    if _NOTHING.match(parsed.returns or "") or documentable.kind not in ("function", "method"):
        listed.add("returns")
    wrong = names - set(has) - listed
    return tuple(sorted(wrong))
