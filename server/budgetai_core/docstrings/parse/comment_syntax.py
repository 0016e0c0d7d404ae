"""Where a language has its docstrings, and what marks them. A new language is a row here."""

from dataclasses import dataclass

from budgetai_core.context.languages import Language


@dataclass(frozen=True, kw_only=True)
class CommentSyntax:
    """`inside`: a docstring is the first statement of a body; else it stands above a definition.
    `mark` opens it, and `closing` closes it; without one, each of its lines has the mark. `module`
    is the mark at the top of a file, "" where the text of a file has its docstring above a clause
    of its own. `prose`: all is said in sentences, and no parameter has a place of its own."""

    style: str
    mark: str
    closing: str = ""
    module: str = ""
    inside: bool = False
    prose: bool = False


_JSDOC = CommentSyntax(style="jsdoc", mark="/**", closing="*/", module="/**")
_CONVENTIONS = {
    "python": CommentSyntax(
        style="google", mark='"""', closing='"""', module='"""', inside=True
    ),
    "javascript": _JSDOC,
    "typescript": _JSDOC,
    "tsx": _JSDOC,
    "java": CommentSyntax(style="javadoc", mark="/**", closing="*/"),
    "go": CommentSyntax(style="go", mark="//", prose=True),
    "rust": CommentSyntax(style="rust", mark="///", module="//!", prose=True),
}  # fmt: skip


def comment_syntax(language: Language | None) -> CommentSyntax | None:
    """None for a language without docstrings, or one that is not known here."""
    return _CONVENTIONS.get(language.name) if language else None
