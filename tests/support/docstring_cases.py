"""Cases of docstrings as text: a document, a line `===`, and what is to be found or written.

In `subjects/` the expectation has a line for each definition: its kind, its name with its
parameters (`?` marks an optional one, `{}` one that is taken apart), what it returns and raises,
the line number and indentation of a new docstring, and the one that it has. In `forms/` it is the
document with all docstrings written in the style that the file's name begins with; what a model
would say stands there as its name in capitals.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import Language, language_of
from budgetai_core.docstrings.documentable import Documentable, documentables
from budgetai_core.docstrings.edit import replacement
from budgetai_core.docstrings.style import DocstringStyle, repository_style
from budgetai_core.docstrings.template import Literal, template

FOLDER = Path(__file__).parents[1] / "fixtures" / "docstrings"
_END = "\n===\n"


@dataclass(frozen=True)
class Case:
    """One fixture. `name` is its path without the last extension, that of the document."""

    name: str
    text: str
    expected: str

    @property
    def language(self) -> Language:
        by_name = language_of(self.name)
        assert by_name is not None, self.name
        return by_name

    @property
    def parsed(self) -> ParsedDocument:
        return ParsedDocument.of(self.text, self.language)

    @property
    def style(self) -> str:
        return self.name.rpartition("/")[2].partition("-")[0]


def cases(folder: str) -> dict[str, Case]:
    by_name = {}
    for path in sorted((FOLDER / folder).glob("*.txt")):
        text, mark, expected = path.read_text(encoding="utf-8").partition(_END)
        assert mark, f"{path} is not a case: it needs a line ==="
        by_name[path.stem] = Case(path.name.removesuffix(".txt"), text + "\n", expected)
    return by_name


def told(text: str, documentable: Documentable) -> str:
    """A definition on one line."""
    parameters = [
        f"{each.stars}{each.name}{f': {each.type}' if each.type else ''}{'?' * each.optional}"
        for each in documentable.parameters
    ]
    parameters += ["{}"] * documentable.nameless
    gives = " yields" if documentable.yields else " returns" if documentable.returns else ""
    owner = f"{documentable.owner}." if documentable.owner else ""
    head = f"{documentable.kind} {owner}{documentable.name}({', '.join(parameters)}){gives}"
    raises = f" raises {', '.join(documentable.raises)}" if documentable.raises else ""
    line = text.count("\n", 0, documentable.at) + 1
    doc = f" = {documentable.docstring.text!r}" if documentable.docstring else ""
    return f"{head}{raises} @{line}+{len(documentable.indent)}{doc}"


def filled(documentable: Documentable, habits: DocstringStyle) -> str:
    """The inside of a docstring where each free part says its name."""
    parts = template(documentable, habits)
    return "".join(p.text if isinstance(p, Literal) else p.name.upper() for p in parts)


def documented(text: str, by_name: Iterable[Documentable], style: DocstringStyle) -> str:
    """The document with a docstring for each definition."""
    edits = [replacement(text, each, style, filled(each, style)) for each in by_name]
    # A file and its first function may have theirs at one place, in this order.
    for start, end, new in sorted(edits, key=lambda edit: edit[0])[::-1]:
        text = text[:start] + new + text[end:]
    return text


def outcome(case: Case) -> str:
    """What a case of forms/ becomes: in its style, and besides as its own docstrings are."""
    by_name = documentables(case.parsed)
    own = repository_style(by_name, case.language)
    return documented(case.text, by_name, replace(own, style=case.style))
