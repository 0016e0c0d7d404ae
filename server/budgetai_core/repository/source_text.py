"""From the bytes of a file in a repository to the code it holds: all of its text, or a notebook's
cells of code.

The form of notebooks is that of nbformat: https://nbformat.readthedocs.io/en/latest/format_description.html
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from budgetai_core.repository.encoding import decoded

_NOTEBOOK = ".ipynb"
_DEFAULT_LANGUAGE = "Python"
# IPython's commands: a cell that begins so is for a program of its own. Lines of others are for
# the notebook, with what a backslash joins to them, and those that ask for help.
_CELL_MAGIC = re.compile(r"\s*%%")
_LINE_MAGIC = re.compile(
    r"^[ \t]*(?:[\w, \t]+=[ \t]*)?(?:%[A-Za-z]|!|\?)(?:[^\n]*\\\n)*[^\n]*\n?"
    r"|^[ \t]*[\w.]+\?{1,2}[ \t]*(?:\n|\Z)",
    re.MULTILINE,
)


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
    code one after the other, without commands to IPython; results are never looked at."""
    text, reason = decoded(data)
    if reason or not is_notebook(path):
        return SourceText(text, reason)
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        return SourceText("", "not a notebook")
    cells = list(_cells(notebook))
    language = _language(notebook)
    if language.lower() in ("python", "ipython"):
        cells = [_plain_python(cell) for cell in cells]
    code = "\n\n".join(stripped for cell in cells if (stripped := cell.strip("\n")).strip())
    if not code:
        return SourceText("", "a notebook without code")
    # JSON may say what no text of a file holds: half a character, or none at all.
    code = code.encode("utf-8", "replace").decode("utf-8")
    return SourceText("", "binary") if "\0" in code else SourceText(code + "\n", "", language)


def _plain_python(cell: str) -> str:
    """Return a cell without commands to IPython. What Python can read has none."""
    if _CELL_MAGIC.match(cell):
        return ""
    try:
        with warnings.catch_warnings():
            # Of escapes that Python does not know.
            warnings.simplefilter("ignore")
            ast.parse(cell)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _LINE_MAGIC.sub("", cell)
    return cell


def _cells(notebook: Any) -> Iterator[str]:
    """Yield the cells of code. Before version 4 they stand in worksheets, as `input`."""
    sheets = _items(notebook, "worksheets")
    for cell in [c for sheet in (notebook, *sheets) for c in _items(sheet, "cells")]:
        if not isinstance(cell, Mapping) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", cell.get("input"))
        lines = source if isinstance(source, list) else [source]
        yield "".join(line for line in lines if isinstance(line, str))


def _items(value: Any, key: str) -> list[Any]:
    items = value.get(key) if isinstance(value, Mapping) else None
    return items if isinstance(items, list) else []


def _language(notebook: Any) -> str:
    metadata = notebook.get("metadata") if isinstance(notebook, Mapping) else None
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        info = metadata.get(key) if isinstance(metadata, Mapping) else None
        language = info.get(name) if isinstance(info, Mapping) else None
        if isinstance(language, str) and language:
            return language
    return _DEFAULT_LANGUAGE
