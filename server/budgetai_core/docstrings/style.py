"""How a repository writes its docstrings, by what most of them do."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median_low

from budgetai_core.context.languages import Language
from budgetai_core.docstrings.documentable import Docstring, Documentable
from budgetai_core.docstrings.parse.comment_syntax import CommentSyntax, comment_syntax
from budgetai_core.docstrings.parse.sections import Sections, sections, style_of

# A style that a third of those keep who have something to say in it is the style.
_ENOUGH = 1 / 3
# Fewer say nothing of a habit.
_FEW = 3
QUOTES = ('"""', "'''")
_MAX_LINES = 8
_RETURN = re.compile(r"^[ \t]*[@:](returns?)\b", re.MULTILINE)
_DASH = re.compile(r"^[ \t]*@param\b[^\n-]{0,200}[ \t]-[ \t]", re.MULTILINE)


@dataclass(frozen=True)
class DocstringStyle:
    """`style` is google, numpy, sphinx, epydoc or plain for Python, else jsdoc, javadoc, go or
    rust; `mark` opens a docstring. `parameters`, `returns` and `raises` say which sections are
    written, `types` that they name types, `classes` that a class has its parameters.
    `summary_below`: the first line stands below the opening mark. `dash`: one stands between a
    parameter and what is said of it. `lines` are those of the sentences at the beginning;
    `returns_tag` is `return` or `returns`."""

    style: str
    mark: str
    parameters: bool = True
    types: bool = False
    returns: bool = True
    raises: bool = True
    summary_below: bool = False
    classes: bool = True
    dash: bool = False
    lines: int = 1
    returns_tag: str = "returns"


@dataclass(frozen=True)
class _Read:
    """A documented definition, and what its docstring says."""

    documentable: Documentable
    docstring: Docstring
    parsed: Sections

    @property
    def called(self) -> bool:
        """Whether there is something that a section could tell."""
        documentable = self.documentable
        tells = bool(documentable.parameters or documentable.returns or documentable.raises)
        return tells and documentable.kind in ("function", "method")


def repository_style(documentables: Iterable[Documentable], language: Language) -> DocstringStyle:
    """Return how a repository writes docstrings, by majority over the documented definitions; sound
    defaults where there are none."""
    rules = comment_syntax(language)
    if rules is None:
        return DocstringStyle("plain", language.comment, False, False, False, False)
    read = [
        _Read(entry, entry.docstring, sections(entry.docstring.text, language))
        for entry in documentables
        if entry.docstring and entry.docstring.text and entry.kind != "module"
    ]
    called = [entry for entry in read if entry.called]
    written = [entry for entry in read if entry.parsed.any]
    basis = DocstringStyle(
        rules.style,
        _mark(rules, read),
        parameters=not rules.prose,
        returns=not rules.prose,
        summary_below=_most((entry.docstring.below for entry in read), rules.style == "javadoc"),
        lines=_lines(read),
        returns_tag="return" if rules.style == "javadoc" else "returns",
    )
    sparse = sum(entry.parsed.any for entry in called) < _ENOUGH * len(called)
    if sparse and len(called) >= _FEW and not rules.prose:
        style = "plain" if rules.inside else rules.style
        return replace(basis, style=style, parameters=False, returns=False, raises=False)
    style = _style(written) if rules.inside and written else rules.style
    return _sections(replace(basis, style=style), called if rules.prose else written)


def opening(documentable: Documentable, style: DocstringStyle) -> str:
    """Return the habitual mark; Rust has another one for a whole file."""
    return "//!" if documentable.kind == "module" and style.mark == "///" else style.mark


def _sections(basis: DocstringStyle, read: Sequence[_Read]) -> DocstringStyle:
    """Return which sections are written by those who have something to say in them."""
    calls = [entry for entry in read if entry.called]
    takes = [entry for entry in calls if entry.documentable.parameters]
    lists = [entry for entry in read if entry.parsed.parameters]
    text = "\n".join(entry.docstring.text for entry in lists)
    tags = Counter(_RETURN.findall("\n".join(entry.docstring.text for entry in read)))
    return replace(
        basis,
        parameters=_most(
            (bool(entry.parsed.parameters) for entry in takes), basis.parameters, _FEW
        ),
        types=_most(
            (any(map(entry.parsed.types.get, entry.parsed.parameters)) for entry in lists), False
        ),
        returns=_most(
            (entry.parsed.returns is not None for entry in calls if entry.documentable.returns),
            basis.returns,
            _FEW,
        ),
        raises=_most(
            (bool(entry.parsed.raises) for entry in calls if entry.documentable.raises),
            basis.raises,
            _FEW,
        ),
        classes=_most(
            (bool(entry.parsed.parameters or entry.parsed.attributes) for entry in read
             if entry.documentable.kind == "class" and entry.documentable.parameters),
            basis.classes,
            _FEW,
        ),
        dash=2 * len(_DASH.findall(text)) > sum(len(entry.parsed.parameters) for entry in lists),
        lines=1,
        returns_tag=tags.most_common(1)[0][0] if tags else basis.returns_tag,
    )  # fmt: skip


def _most(votes: Iterable[bool], default: bool, few: int = 1) -> bool:
    counted = Counter(votes)
    return counted[True] >= counted[False] if counted.total() >= few else default


def _style(read: Sequence[_Read]) -> str:
    return Counter(style_of(entry.docstring.text) for entry in read).most_common(1)[0][0]


def _mark(rules: CommentSyntax, read: Sequence[_Read]) -> str:
    used = Counter(entry.docstring.mark for entry in read if entry.docstring.mark in QUOTES)
    return used.most_common(1)[0][0] if rules.inside and used else rules.mark


def _lines(read: Sequence[_Read]) -> int:
    """Return how many lines the sentences at the beginning have, in the middle of them all."""
    counts = (len((entry.parsed.summary + entry.parsed.description).split("\n")) for entry in read)
    return min(median_low([*counts] or [1]), _MAX_LINES)
