"""What every editor is asked to do with docstrings, with the real SmolLM2 model behind it.

Files are opened with the cursor at their end, in `rectangle`. What the model says of it is known
from the server's own tests; here it matters that it lands where it belongs.
"""

import ast
import re
from collections.abc import Callable
from typing import Protocol

from editors.scenarios import Editor, FileEditor, opened, saved
from editors.waiting import until

BEFORE = '''"""Areas of shapes."""


def square(side):
    """Return the area of a square.

    Args:
        side: The length of a side.
    """
    return side * side


def rectangle(width, height):
'''
BODY = "    return width * height"
BARE = BEFORE + BODY
OLD = '''    """Return the area.

    Args:
        width: The width.
        depth: The depth.
    """
'''
STALE = BEFORE + OLD + BODY
_PARAMETER = re.compile(r"^    (\w+): \S", re.M)


class Writer(FileEditor, Protocol):
    """A real editor that writes docstrings when asked."""

    def text(self) -> str: ...
    def docstring(self) -> None:
        """Choose to have the docstring written of what the cursor is in. Need not wait for it."""


class GhostWriter(Editor, Writer, Protocol):
    """A real editor that also shows them as grey text."""

    def line_above(self) -> None:
        """Open a line above that of the cursor, indented like it, ready to type."""


def parameters(text: str) -> list[str]:
    """The names that the docstring of the last definition explains. None where there is none, or no
    text: a file may be looked at while it is written."""
    said = "".join(
        ast.get_docstring(one) or ""
        for one in ast.parse(text).body[-1:]
        if isinstance(one, ast.FunctionDef)
    )
    return _PARAMETER.findall(said.partition("Args:")[2].partition("Returns:")[0])


def without(text: str) -> str:
    """A text without the docstring of its last definition, and without that docstring's lines."""
    definition = ast.parse(text).body[-1]
    assert isinstance(definition, ast.FunctionDef)
    first, lines = definition.body[0], text.split("\n")
    assert isinstance(first, ast.Expr)
    return "\n".join(lines[: first.lineno - 1] + lines[first.end_lineno :])


def documented(editor: Writer, code: str) -> None:
    """Wait until the file holds the docstring, and nothing else that it did not hold before."""
    assert without(_explained(editor)) == code


def _explained(editor: Writer) -> str:
    def held() -> str:
        text = editor.text()
        return text if parameters(text) == ["width", "height"] else ""

    return until(held, "docstring with its parameters")


def written_and_undone(editor: Writer) -> None:
    path = opened(editor, "write.py", BARE)
    editor.docstring()
    documented(editor, BARE)
    editor.press("undo")
    saved(editor, path, BARE)


def updated(editor: Writer) -> None:
    opened(editor, "update.py", STALE)
    editor.docstring()
    documented(editor, BARE)


def written_with_crlf(editor: Writer) -> None:
    path = opened(editor, "crlf_docstring.py", BARE.replace("\n", "\r\n"))
    editor.docstring()
    documented(editor, BARE)
    saved(editor, path, editor.text().replace("\n", "\r\n"))


def typed(editor: GhostWriter) -> None:
    opened(editor, "typed.py", BARE)
    editor.line_above()
    _mark(editor)
    editor.press("accept")
    documented(editor, BARE)


def typed_line_by_line(editor: GhostWriter) -> None:
    opened(editor, "by_line.py", BARE)
    editor.line_above()
    _mark(editor)
    before = editor.text()
    editor.press("line")
    assert len(before) < len(editor.text()) and "width: " not in editor.text()
    editor.ghost("width:", "height:")
    editor.press("accept")
    documented(editor, BARE)


def typed_before_the_body(editor: GhostWriter) -> None:
    opened(editor, "empty.py", BEFORE + "    ")
    _mark(editor)
    editor.press("accept")
    assert _explained(editor).startswith(BEFORE)


def _mark(editor: GhostWriter) -> None:
    """It ends as it should, whatever the editor has put in to close it."""
    for key in '"""':
        editor.type(key)
    editor.ghost("width:", "height:")


CHOSEN: tuple[Callable[[Writer], None], ...] = (written_and_undone, updated, written_with_crlf)
TYPED: tuple[Callable[[GhostWriter], None], ...] = (
    typed,
    typed_line_by_line,
    typed_before_the_body,
)
ALL: tuple[Callable[[GhostWriter], None], ...] = CHOSEN + TYPED
