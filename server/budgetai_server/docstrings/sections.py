"""The parts of a docstring's text, in every style the languages know.

NumPy's and Sphinx's are read by docstring_parser. What is around its answers here: a text says its
style by its headings, several parameters may share a line, and nothing raises.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import docstring_parser
from docstring_parser.common import DocstringParam, DocstringRaises, DocstringReturns

from budgetai_server.context.languages import Language
from budgetai_server.docstrings import google, prose, tags
from budgetai_server.docstrings.conventions import convention

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
_READ = frozenset(
    {"Parameters", "Other Parameters", "Returns", "Yields", "Raises", "Attributes", "Params"}
)
# What is longer was not written for the one thing it stands at.
_LONGEST = 30_000
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
    rules = convention(language)
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
    try:
        read = docstring_parser.parse(text, style)
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
        types={name: part.type_name or "" for part in takes for name in _names(part.arg_name)},
        rest=_rest(text) if name == "numpy" else "",
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


def _rest(text: str) -> str:
    """The sections of NumPy's style that are neither parameters, returns nor raises."""
    titles = list(_MARKS[0][1].finditer(text))
    ends = [*(title.start() for title in titles[1:]), len(text)]
    kept = (
        text[title.start() : end].strip("\n").rstrip()
        for title, end in zip(titles, ends, strict=False)
        if title[0].split("\n")[0].strip() not in _READ
    )
    return "\n\n".join(kept)


def _names(written: str) -> list[str]:
    """`x, y` are two parameters, and `*args` is args."""
    words = (re.sub(r"[\\*`]", "", word).strip() for word in written.replace("/", ",").split(","))
    return [word for word in words if _NAME.fullmatch(word)]
