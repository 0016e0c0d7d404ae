"""From the bytes of a file in a repository to the code it holds: all of its text, or a notebook's
cells of code.

The form of notebooks is that of nbformat: https://nbformat.readthedocs.io/en/latest/format_description.html
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from budgetai_core.repository.encoding import decoded

_NOTEBOOK = ".ipynb"
_DEFAULT_LANGUAGE = "Python"
# A cell that begins so is for a program of its own, a line that does so for the notebook.
_CELL_MAGIC = re.compile(r"\s*%%")
_LINE_MAGIC = re.compile(r"^\s*[%!?].*\n?|^.*\?\s*$\n?", re.MULTILINE)


class SourceText(NamedTuple):
    """Code, and an empty reason; or no text, and the reason. `language` is the name of the one that
    the file itself says its code is in, mostly empty."""

    text: str
    reason: str = ""
    language: str = ""


def is_notebook(path: str) -> bool:
    """Return whether a file is a notebook by its name."""
    return path.lower().endswith(_NOTEBOOK)


def source_text(path: str, data: bytes) -> SourceText:
    """Return the code in a file's bytes, with line ends as \\n. Of a notebook that are its cells of
    code one after the other, without commands to the notebook; results are never looked at."""
    text, reason = decoded(data)
    if reason or not is_notebook(path):
        return SourceText(text, reason)
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        return SourceText("", "not a notebook")
    cells = [cell.strip("\n") for cell in _cells(notebook)]
    code = "\n\n".join(cell for cell in cells if cell.strip())
    if not code:
        return SourceText("", "a notebook without code")
    return SourceText(code + "\n", "", _language(notebook))


def _cells(notebook: Any) -> Iterator[str]:
    """Yield the cells of code. Before version 4 they stand in worksheets, as `input`."""
    sheets = _items(notebook, "worksheets")
    for cell in [c for sheet in (notebook, *sheets) for c in _items(sheet, "cells")]:
        if not isinstance(cell, Mapping) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", cell.get("input"))
        lines = source if isinstance(source, list) else [source]
        code = "".join(line for line in lines if isinstance(line, str))
        if not _CELL_MAGIC.match(code):
            yield _LINE_MAGIC.sub("", code)


def _items(value: Any, key: str) -> list[Any]:
    items = value.get(key) if isinstance(value, Mapping) else None
    return items if isinstance(items, list) else []


def _language(notebook: Mapping[str, Any]) -> str:
    metadata = notebook.get("metadata")
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        info = metadata.get(key) if isinstance(metadata, Mapping) else None
        language = info.get(name) if isinstance(info, Mapping) else None
        if isinstance(language, str) and language:
            return language
    return _DEFAULT_LANGUAGE
