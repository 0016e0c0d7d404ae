"""Where a language has its docstrings, and what opens and closes them. A new language is a row."""

from dataclasses import dataclass

from budgetai_core.context.languages import Language


@dataclass(frozen=True, kw_only=True)
class CommentSyntax:
    """`inside`: a docstring is the first statement of a body; else it stands above a definition.
    `mark` opens it, and `closing` closes it; without one, each of its lines has the mark. `module`
    is the mark at the top of a file, "" where the text of a file has its docstring above a clause
    of its own. `prose`: all is said in sentences, and no parameter has a place of its own. `lines`
    marks each line of a docstring where it may stand in the place of `mark`."""

    style: str
    mark: str
    closing: str = ""
    module: str = ""
    inside: bool = False
    prose: bool = False
    lines: str = ""


_JSDOC = CommentSyntax(style="jsdoc", mark="/**", closing="*/", module="/**")
_CONVENTIONS = {
    "python": CommentSyntax(
        style="google", mark='"""', closing='"""', module='"""', inside=True
    ),
    "javascript": _JSDOC,
    "typescript": _JSDOC,
    "tsx": _JSDOC,
    "java": CommentSyntax(style="javadoc", mark="/**", closing="*/", lines="///"),
    "go": CommentSyntax(style="go", mark="//", prose=True),
    "rust": CommentSyntax(style="rust", mark="///", module="//!", prose=True),
}  # fmt: skip
_CLOSINGS = {'"""': '"""', "'''": "'''", '"': '"', "'": "'", "/**": "*/"}


def comment_syntax(language: Language | None) -> CommentSyntax | None:
    """Return how a language writes docstrings; None for a language without docstrings, or one that
    is not known here."""
    return _CONVENTIONS.get(language.name) if language else None


def closing(mark: str) -> str:
    """Return what closes a docstring that a mark opens; "" for the mark of a line, which ends with
    it."""
    return _CLOSINGS.get(mark.lstrip("rRuU"), "")


def lead(mark: str) -> str:
    """Return what stands in front of the text of each line but the first."""
    if mark == "/**":
        return " * "
    return "" if closing(mark) else f"{mark} "
