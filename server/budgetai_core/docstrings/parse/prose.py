"""Texts of sentences, as Go and Rust have them, with Rust's headings: `# Errors`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_HEADING = re.compile(r"#{1,6}[ \t]+(\w[\w \t]*)\Z")
_ITEM = re.compile(r"[*-][ \t]+(?:`([^`]+)`|(\w+))[ \t]*(?:[-:\u2013\u2014]+[ \t]*)?(.*)")
_NAME = re.compile(r"[^\W\d]\w*")
_LISTS = frozenset({"arguments", "parameters", "params", "args"})
_RAISES = {"errors": "Errors", "panics": "Panics"}


@dataclass
class Prose:
    prose: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    returns: str | None = None
    raises: dict[str, str] = field(default_factory=dict)
    rest: str = ""


def read(text: str) -> Prose:
    """Headings inside of code are none. What stands under other headings, as examples, is the
    rest."""
    found = Prose()
    for heading, said in _under(text):
        title, heading = heading, heading.lower()
        if not heading:
            found.prose = said
        elif heading in _LISTS:
            found.parameters = dict(_items(said))
        elif heading in _RAISES:
            found.raises[_RAISES[heading]] = said
        elif heading in ("returns", "return value"):
            found.returns = said
        else:
            found.rest = f"{found.rest}\n\n# {title}\n\n{said}".strip()
    return found


def _under(text: str) -> Iterator[tuple[str, str]]:
    heading, lines, code = "", list[str](), False
    for line in text.split("\n"):
        code ^= line.lstrip().startswith("```")
        mark = None if code else _HEADING.match(line.strip())
        if mark:
            yield heading, "\n".join(lines).strip()
            heading, lines = mark[1].strip(), []
        else:
            lines.append(line)
    yield heading, "\n".join(lines).strip()


def _items(said: str) -> Iterator[tuple[str, str]]:
    name, lines = "", list[str]()
    for line in said.split("\n"):
        item = _ITEM.match(line)
        if item:
            if name:
                yield name, "\n".join(lines).strip()
            word = _NAME.search(item[1] or item[2])
            name, lines = word[0] if word else "", [item[3]]
        else:
            lines.append(line.strip())
    if name:
        yield name, "\n".join(lines).strip()
