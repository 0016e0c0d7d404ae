"""The form of a docstring: what we write, and what is left free for the model to say.

All that follows from the signature is literal, so no parameter can be invented.
"""

import re
from collections.abc import Callable

from budgetai_core.docstrings.documentable import Documentable, Parameter
from budgetai_core.docstrings.style import DocstringStyle
from budgetai_core.docstrings.template_builder import Free, Literal, TemplateBuilder

__all__ = ["Free", "Literal", "clean", "template"]

_SUMMARY, _PARAMETER, _RETURNS, _RAISES, _LINE = 48, 40, 48, 40, 28


def template(documentable: Documentable, style: DocstringStyle) -> tuple[Literal | Free, ...]:
    """Return the inside of a docstring, from behind the opening mark to the closing one."""
    page = TemplateBuilder(documentable, style)
    _WRITERS.get(style.style, _opening)(page)
    return page.parts()


def _opening(page: TemplateBuilder, start: str = "") -> None:
    page.begin()
    page.write(start)
    lines = page.style.lines
    page.free("summary", _SUMMARY if lines == 1 else _LINE * lines, lines)


def _google(page: TemplateBuilder) -> None:
    _opening(page)
    if page.parameters:
        _heading(page, "Args:")
        for parameter in page.parameters:
            kind = page.type(parameter)
            label = f"{parameter.stars}{parameter.name}{f' ({kind})' if kind else ''}"
            page.line(f"{page.step}{label}: ")
            _describe(page, parameter)
    if page.returns:
        _heading(page, "Yields:" if page.documentable.yields else "Returns:")
        page.line(page.step)
        if page.return_type:
            page.write(f"{page.return_type}: ")
        page.free("returns", _RETURNS)
    if page.raises:
        _heading(page, "Raises:")
    for name in page.raises:
        page.line(f"{page.step}{name}: ")
        page.free(f"raises {name}", _RAISES)


def _numpy(page: TemplateBuilder) -> None:
    _opening(page)
    if page.parameters:
        _underlined(page, "Parameters")
        for parameter in page.parameters:
            kind = page.type(parameter)
            page.line(f"{parameter.stars}{parameter.name}{f' : {kind}' if kind else ''}")
            page.line(page.step)
            _describe(page, parameter)
    if page.returns:
        _underlined(page, "Yields" if page.documentable.yields else "Returns")
        # The first line of it is the type; where none is known, what is said stands in its place.
        page.line(page.documentable.return_type)
        if page.documentable.return_type:
            page.line(page.step)
        page.free("returns", _RETURNS)
    if page.raises:
        _underlined(page, "Raises")
    for name in page.raises:
        page.line(name)
        page.line(page.step)
        page.free(f"raises {name}", _RAISES)


def _fields(page: TemplateBuilder) -> None:
    mark = "@" if page.style.style == "epydoc" else ":"
    raises = "raise" if page.style.style == "epydoc" else "raises"
    _opening(page)
    if page.sectioned:
        page.blank()
    for parameter in page.parameters:
        page.line(f"{mark}param {parameter.name}: ")
        _describe(page, parameter)
        kind = page.type(parameter)
        if kind:
            page.line(f"{mark}type {parameter.name}: {kind}")
    if page.returns:
        yields = page.documentable.yields and mark == ":"
        page.line(f"{mark}{'yields' if yields else page.style.returns_tag}: ")
        page.free("returns", _RETURNS)
        if page.return_type:
            page.line(f"{mark}rtype: {page.return_type}")
    for name in page.raises:
        page.line(f"{mark}{raises} {name}: ")
        page.free(f"raises {name}", _RAISES)


def _tagged(page: TemplateBuilder) -> None:
    _opening(page)
    if page.sectioned:
        page.blank()
    braces = page.style.style == "jsdoc"
    for parameter in page.parameters:
        kind = page.type(parameter) if braces else ""
        braced = f"{{{kind}}} " if kind else ""
        page.line(f"@param {braced}{parameter.name} {'- ' if page.style.dash else ''}")
        _describe(page, parameter)
    if page.returns:
        page.line("@yields " if page.documentable.yields else f"@{page.style.returns_tag} ")
        page.free("returns", _RETURNS)
    for name in page.raises:
        page.line(f"@throws {f'{{{name}}}' if braces else name} ")
        page.free(f"raises {name}", _RAISES)


def _go(page: TemplateBuilder) -> None:
    """Write a sentence that begins with the name, as Go's own documentation does."""
    package = "Package " if page.documentable.kind == "module" else ""
    _opening(page, f"{package}{page.documentable.name} ")


def _rust(page: TemplateBuilder) -> None:
    _opening(page)
    if page.parameters:
        _chapter(page, "Arguments")
        for parameter in page.parameters:
            page.line(f"* `{parameter.name}` - ")
            _describe(page, parameter)
    if page.returns:
        _chapter(page, "Returns")
        page.line()
        page.free("returns", _RETURNS)
    for name in page.raises:
        _chapter(page, name)
        page.line()
        page.free(f"raises {name}", _RAISES)


def _describe(page: TemplateBuilder, parameter: Parameter) -> None:
    page.free(f"parameter {parameter.name}", _PARAMETER)


def _heading(page: TemplateBuilder, title: str) -> None:
    page.blank()
    page.line(title)


def _underlined(page: TemplateBuilder, title: str) -> None:
    _heading(page, title)
    page.line("-" * len(title))


def _chapter(page: TemplateBuilder, title: str) -> None:
    _heading(page, f"# {title}")
    page.blank()


_WRITERS: dict[str, Callable[[TemplateBuilder], None]] = {
    "google": _google,
    "numpy": _numpy,
    "sphinx": _fields,
    "epydoc": _fields,
    "jsdoc": _tagged,
    "javadoc": _tagged,
    "go": _go,
    "rust": _rust,
}


def clean(text: str, closing: str) -> str:
    """Return one line of what a model said, fit to stand in a docstring: it ends before the closing
    mark and at a line end, nothing in it is invisible, and it can not swallow the closing mark."""
    line = text.strip().partition("\n")[0].replace("\t", " ")
    line = "".join(filter(str.isprintable, line))
    if closing:
        line = line.partition(closing)[0]
    line = re.sub(r"(?<!\.)\.\.\Z", ".", line.rstrip())
    slashes = len(line) - len(line.rstrip("\\"))
    line = line[:-1] if slashes % 2 else line
    if closing[:1] and closing[0] in "\"'" and line.endswith(closing[0]):
        # A quotation may end a line, but no string may end with four quotes.
        line = f"{line}." if line.count(closing[0]) % 2 == 0 else line.rstrip(closing[0])
    return line.rstrip()
