"""The parts of a docstring's text, in every style the languages know.

NumPy's and Sphinx's are read by docstring_parser. What is around its answers here: a text says its
style by its headings, several parameters may share a line, and nothing raises.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import docstring_parser
from docstring_parser.common import DocstringParam, DocstringRaises, DocstringReturns

from budgetai_core.context.languages import Language
from budgetai_core.docstrings.parse import google, prose, tags
from budgetai_core.docstrings.parse.comment_syntax import comment_syntax
from budgetai_core.docstrings.parse.google import RETURN

_STYLES = {
    "numpy": docstring_parser.DocstringStyle.NUMPYDOC,
    "sphinx": docstring_parser.DocstringStyle.REST,
}
_MARKS = (
    ("numpy", re.compile(r"^[ \t]*[A-Z][A-Za-z ]{1,30}\n[ \t]*-{3,}[ \t]*$", re.MULTILINE)),
    ("sphinx", re.compile(
        r"^[ \t]*:(?:param|parameter|arg|argument|key|keyword|type|returns?|rtype|raises?"
        r"|yields?)\b",
        re.MULTILINE,
    )),
    ("google", google.HEADING),
)  # fmt: skip
_READ = frozenset({"Parameters", "Other Parameters", "Returns", "Yields", "Raises", "Params"})
_FIELD = re.compile(r"^:(\w+)[^:\n]*:", re.MULTILINE)
# What is longer was not written for the one thing it stands at.
_LONGEST = 30_000
_FIELDS = frozenset(
    {"param", "parameter", "arg", "argument", "attribute", "key", "keyword", "type", "return",
     "returns", "rtype", "yield", "yields", "raise", "raises", "except", "exception"}
)  # fmt: skip
_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Sections:
    """`returns` is None where nothing is said of it; what a generator yields counts as such.
    `attributes` are a class's, and no parameters; `types` are those said of parameters. `rest` is
    what has a section of its own besides, as examples, with its heading."""

    summary: str
    description: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    returns: str | None = None
    raises: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    rest: str = ""

    @property
    def any(self) -> bool:
        """Whether there is more than sentences."""
        return bool(self.parameters or self.raises or self.attributes or self.returns is not None)


def sections(text: str, language: Language) -> Sections:
    """The parts of a docstring without its marks; a summary alone where it has no others."""
    rules = comment_syntax(language)
    if len(text) > _LONGEST or rules is None:
        return Sections(*_split(text))
    if rules.inside:
        return _python(text)
    if not rules.prose:
        return _of(tags.read(text))
    return _of(prose.read(text))


def _of(found: google.Google | tags.Tags | prose.Prose) -> Sections:
    said = vars(found)
    summary, description = _split(said.pop("prose"))
    return Sections(summary, description, **said)


def style_of(text: str) -> str:
    """google, numpy or sphinx by the headings and fields of a Python docstring, else plain."""
    return next((style for style, mark in _MARKS if mark.search(text)), "plain")


def _split(text: str) -> tuple[str, str]:
    """The first paragraph, and the others."""
    summary, _, description = text.strip().partition("\n\n")
    return summary.strip(), description.strip("\n").rstrip()


def _python(text: str) -> Sections:
    name = style_of(text)
    style = _STYLES.get(name)
    if style is None:
        return _of(google.read(text)) if name == "google" else Sections(*_split(text))
    kept = _kept(text) if name == "numpy" else []
    plain = text
    for piece in kept:
        # One that it does not know would be read as a part of the section above.
        plain = plain if piece.startswith("Attributes\n") else plain.replace(piece, "")
    try:
        read = docstring_parser.parse(plain, style)
    except Exception:
        # Whatever it stumbles over, the text is one without sections.
        return Sections(*_split(text))
    takes = [part for part in read.meta if isinstance(part, DocstringParam)]
    return Sections(
        *_split(read.description or ""),
        parameters=_told(part for part in takes if part.args[0] != "attribute"),
        returns=_returned(read),
        raises=_raised(read),
        attributes=_told(part for part in takes if part.args[0] == "attribute"),
        types=_types(takes, read),
        rest="\n\n".join(kept) if name == "numpy" else _fields(text),
    )


def _told(parts: Iterable[DocstringParam]) -> dict[str, str]:
    return {
        name: (part.description or "").strip() for part in parts for name in _names(part.arg_name)
    }


def _returned(read: docstring_parser.Docstring) -> str | None:
    """What is said of the value; its type where nothing else is said."""
    parts = [part for part in read.meta if isinstance(part, DocstringReturns)]
    said = [(part.description or part.type_name or "").strip() for part in parts]
    return next(filter(None, said), "") if parts else None


def _raised(read: docstring_parser.Docstring) -> dict[str, str]:
    return {
        name.strip(" `~:").rpartition(".")[2]: (part.description or "").strip()
        for part in read.meta
        if isinstance(part, DocstringRaises)
        for name in (part.type_name or "").split(",")
    }


def _types(takes: Iterable[DocstringParam], read: docstring_parser.Docstring) -> dict[str, str]:
    found = {name: _kind(part) for part in takes for name in _names(part.arg_name)}
    # NumPy's style has the type alone where nothing is said of the value.
    back = read.returns
    kind = back.type_name if back and back.description else None
    return found | ({RETURN: kind} if kind else {})


def _kind(part: DocstringParam) -> str:
    kind = part.type_name or ""
    return f"{kind}, optional" if kind and part.is_optional else kind


def _fields(text: str) -> str:
    """The fields of Sphinx's style that say something else."""
    fields = list(_FIELD.finditer(text))
    ends = [*(mark.start() for mark in fields[1:]), len(text)]
    return "".join(
        text[mark.start() : end]
        for mark, end in zip(fields, ends, strict=False)
        if mark[1] not in _FIELDS
    ).strip()


def _kept(text: str) -> list[str]:
    """The sections of NumPy's style that are neither parameters, returns nor raises."""
    titles = list(_MARKS[0][1].finditer(text))
    ends = [*(title.start() for title in titles[1:]), len(text)]
    return [
        text[title.start() : end].strip("\n").rstrip()
        for title, end in zip(titles, ends, strict=False)
        if title[0].split("\n")[0].strip() not in _READ
    ]


def _names(written: str) -> list[str]:
    """`x, y` are two parameters, and `*args` is args."""
    words = (re.sub(r"[\\*`]", "", word).strip() for word in written.replace("/", ",").split(","))
    return [word for word in words if _NAME.fullmatch(word)]
