"""The form of a docstring: what we write, and what is left free for the model to say.

All that follows from the signature is literal, so no parameter can be invented.
"""

import re
from collections.abc import Callable

from budgetai_core.docstrings.documentable import Documentable, Parameter
from budgetai_core.docstrings.parse.google import RETURN
from budgetai_core.docstrings.parse.sections import Sections
from budgetai_core.docstrings.style import DocstringStyle
from budgetai_core.docstrings.template_builder import Free, Literal, TemplateBuilder

__all__ = ["Free", "Literal", "clean", "template"]

_SUMMARY, _PARAMETER, _RETURNS, _RAISES, _LINE = 48, 40, 48, 40, 28


def template(
    subject: Documentable, habits: DocstringStyle, known: Sections | None = None
) -> tuple[Literal | Free, ...]:
    """The inside of a docstring, from behind the opening mark to the closing one. What `known`
    tells of parts that are there still is literal."""
    page = TemplateBuilder(subject, habits, known or Sections(""))
    _WRITERS.get(habits.style, _opening)(page)
    if page.known.rest:
        page.blank()
        page.line()
        page.say("rest", _LINE, page.known.rest)
    return page.parts()


def _opening(page: TemplateBuilder, start: str = "") -> None:
    page.begin()
    if not page.known.summary:
        page.write(start)
    lines = page.habits.lines
    tokens = _SUMMARY if lines == 1 else _LINE * lines
    page.say("summary", tokens, page.known.summary, lines=lines)
    if page.known.description:
        page.blank()
        page.line()
        page.say("description", _LINE, page.known.description)


def _google(page: TemplateBuilder) -> None:
    _opening(page)
    if page.parameters:
        _heading(page, "Args:")
        for each in page.parameters:
            kind = page.type(each)
            page.line(f"{page.step}{each.stars}{each.name}{f' ({kind})' if kind else ''}: ")
            page.say(*_parameter(each, page), indent=2 * page.step)
    if page.returns:
        _heading(page, "Yields:" if page.subject.yields else "Returns:")
        page.line(page.step)
        if page.return_type:
            page.write(f"{page.return_type}: ")
        page.say("returns", _RETURNS, page.known.returns, indent=page.step)
    if page.raises:
        _heading(page, "Raises:")
    for name in page.raises:
        page.line(f"{page.step}{name}: ")
        page.say(*_raised(name, page), indent=2 * page.step)


def _numpy(page: TemplateBuilder) -> None:
    _opening(page)
    if page.parameters:
        _underlined(page, "Parameters")
        for each in page.parameters:
            kind = page.type(each)
            page.line(f"{each.stars}{each.name}{f' : {kind}' if kind else ''}")
            page.line(page.step)
            page.say(*_parameter(each, page), indent=page.step)
    if page.returns:
        _underlined(page, "Yields" if page.subject.yields else "Returns")
        # The first line of it is the type; where none is known, what is said stands in its place.
        kind = page.known.types.get(RETURN) or page.subject.return_type
        page.line(kind)
        step = page.step if kind else ""
        if step:
            page.line(step)
        page.say("returns", _RETURNS, page.known.returns, indent=step)
    if page.raises:
        _underlined(page, "Raises")
    for name in page.raises:
        page.line(name)
        page.line(page.step)
        page.say(*_raised(name, page), indent=page.step)


def _sphinx(page: TemplateBuilder) -> None:
    _opening(page)
    if page.sectioned:
        page.blank()
    for each in page.parameters:
        page.line(f":param {each.name}: ")
        page.say(*_parameter(each, page), indent=page.step)
        kind = page.type(each)
        if kind:
            page.line(f":type {each.name}: {kind}")
    if page.returns:
        page.line(":yields: " if page.subject.yields else f":{page.habits.returns_tag}: ")
        page.say("returns", _RETURNS, page.known.returns, indent=page.step)
        if page.return_type:
            page.line(f":rtype: {page.return_type}")
    for name in page.raises:
        page.line(f":raises {name}: ")
        page.say(*_raised(name, page), indent=page.step)


def _tagged(page: TemplateBuilder) -> None:
    _opening(page)
    if page.sectioned:
        page.blank()
    braces = page.habits.style == "jsdoc"
    for each in page.parameters:
        kind = _braced(page.type(each)) if braces else ""
        page.line(f"@param {kind}{each.name} {'- ' if page.habits.dash else ''}")
        page.say(*_parameter(each, page))
    if page.returns:
        page.line("@yields " if page.subject.yields else f"@{page.habits.returns_tag} ")
        page.write(_braced(page.known.types.get(RETURN, "")))
        page.say("returns", _RETURNS, page.known.returns)
    for name in page.raises:
        page.line(f"@throws {f'{{{name}}}' if braces else name} ")
        page.say(*_raised(name, page))


def _go(page: TemplateBuilder) -> None:
    """A sentence that begins with the name, as Go's own documentation does."""
    package = "Package " if page.subject.kind == "module" else ""
    _opening(page, f"{package}{page.subject.name} ")


def _rust(page: TemplateBuilder) -> None:
    _opening(page)
    if page.parameters:
        _chapter(page, "Arguments")
        for each in page.parameters:
            page.line(f"* `{each.name}` - ")
            page.say(*_parameter(each, page), indent="  ")
    if page.returns:
        _chapter(page, "Returns")
        page.line()
        page.say("returns", _RETURNS, page.known.returns)
    for name in page.raises:
        _chapter(page, name)
        page.line()
        page.say(*_raised(name, page))


def _heading(page: TemplateBuilder, title: str) -> None:
    page.blank()
    page.line(title)


def _underlined(page: TemplateBuilder, title: str) -> None:
    _heading(page, title)
    page.line("-" * len(title))


def _chapter(page: TemplateBuilder, title: str) -> None:
    _heading(page, f"# {title}")
    page.blank()


def _braced(kind: str) -> str:
    return f"{{{kind}}} " if kind else ""


def _parameter(parameter: Parameter, page: TemplateBuilder) -> tuple[str, int, str | None]:
    return f"parameter {parameter.name}", _PARAMETER, page.known.parameters.get(parameter.name)


def _raised(name: str, page: TemplateBuilder) -> tuple[str, int, str | None]:
    return f"raises {name}", _RAISES, page.known.raises.get(name)


_WRITERS: dict[str, Callable[[TemplateBuilder], None]] = {
    "google": _google,
    "numpy": _numpy,
    "sphinx": _sphinx,
    "jsdoc": _tagged,
    "javadoc": _tagged,
    "go": _go,
    "rust": _rust,
}


def clean(text: str, closing: str) -> str:
    """One line of what a model said, fit to stand in a docstring: it ends before the closing mark
    and at a line end, nothing in it is invisible, and it can not swallow the closing mark."""
    line = text.strip().partition("\n")[0].replace("\t", " ")
    line = "".join(each for each in line if each.isprintable())
    if closing:
        line = line.partition(closing)[0]
    line = re.sub(r"(?<!\.)\.\.\Z", ".", line.rstrip())
    slashes = len(line) - len(line.rstrip("\\"))
    line = line[:-1] if slashes % 2 else line
    if closing[:1] and closing[0] in "\"'" and line.endswith(closing[0]):
        # A quotation may end a line, but no string may end with four quotes.
        line = f"{line}." if line.count(closing[0]) % 2 == 0 else line.rstrip(closing[0])
    return line.rstrip()
