"""The lines of a docstring that is being written, each with what belongs in front of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from budgetai_core.docstrings.documentable import Documentable, Parameter
from budgetai_core.docstrings.parse.comment_syntax import closing, lead
from budgetai_core.docstrings.style import DocstringStyle, opening


@dataclass(frozen=True)
class Literal:
    text: str


@dataclass(frozen=True)
class Free:
    """What the model says: it ends behind `lines` lines, at the closing mark, or after `tokens`.
    `name` is summary, returns, "parameter x" or "raises ValueError"."""

    name: str
    tokens: int
    lines: int = 1


class TemplateBuilder:
    """What is written of one definition; `parameters`, `returns` and `raises` are to be told."""

    def __init__(self, documentable: Documentable, style: DocstringStyle) -> None:
        self.documentable, self.style = documentable, style
        self.step = "\t" if documentable.indent.startswith("\t") else "    "
        self.mark = opening(documentable, style)
        self.closing = closing(self.mark)
        self._lead = lead(self.mark)
        self._parts: list[Literal | Free] = []
        listed = documentable.kind != "class" or style.classes
        self.parameters = documentable.parameters if style.parameters and listed else ()
        called = documentable.kind in ("function", "method")
        self.returns = called and style.returns and (documentable.returns or documentable.yields)
        self.raises = documentable.raises if called and style.raises else ()
        self.return_type = documentable.return_type if style.types else ""

    def type(self, parameter: Parameter) -> str:
        if not self.style.types or not parameter.type:
            return ""
        python = self.closing == self.mark
        return f"{parameter.type}, optional" if parameter.optional and python else parameter.type

    @property
    def sectioned(self) -> bool:
        return bool(self.parameters or self.returns or self.raises)

    def begin(self) -> None:
        """Write up to where the first line's text stands."""
        if self._below:
            self.line()
        elif self._lead:
            self.write(" ")

    @property
    def _below(self) -> bool:
        block = self.mark == "/**" and self.sectioned
        return self.style.summary_below or block if self.closing else False

    def line(self, text: str = "") -> None:
        self.write(f"\n{self.documentable.indent}{self._lead}{text}")

    def blank(self) -> None:
        self.write(f"\n{self.documentable.indent}{self._lead}".rstrip(" \t"))

    def write(self, text: str) -> None:
        self._parts.append(Literal(text))

    def free(self, name: str, tokens: int, lines: int = 1) -> None:
        """Leave a part for the model to say."""
        self._parts.append(Free(name, tokens, lines))

    def parts(self) -> tuple[Literal | Free, ...]:
        """Return all parts with the line of the closing mark; literal texts side by side are
        one."""
        written = any("\n" in part.text for part in self._parts if isinstance(part, Literal))
        several = any(part.lines > 1 for part in self._parts if isinstance(part, Free))
        end = ""
        if self.closing and (written or several):
            end = f"\n{self.documentable.indent}{' ' if self.mark == '/**' else ''}"
        elif self.mark == "/**":
            end = " "
        return tuple(_joined([*self._parts, Literal(end)]))


def _joined(parts: Iterable[Literal | Free]) -> Iterable[Literal | Free]:
    text = ""
    for part in parts:
        if isinstance(part, Literal):
            text += part.text
            continue
        if text:
            yield Literal(text)
        text = ""
        yield part
    if text:
        yield Literal(text)
