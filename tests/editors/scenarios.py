"""What every editor is asked to do, with the real SmolLM2 model behind it.

A scenario gets an `Editor` that has a workspace open. What the model says at these places is known
from the server's own tests; here it matters what the editor makes of it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from editors.waiting import content, until

SOURCE = "import math\n\n\ndef add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    "
WHOLE = SOURCE + "return a - b"
# Both functions have it, so that the model is sure how the second one goes on.
_PARTY = 'party = "🎉🎉é"; '
PARTY = SOURCE.replace("return", _PARTY + "return") + _PARTY


class HasText(Protocol):
    def text(self) -> str: ...


class FileEditor(Protocol):
    """A real editor. Files are opened with the cursor at their end, ready to type. Where the
    editor tells what the server does, it has said more by then than that it is starting."""

    workspace: Path

    def open(self, path: Path) -> None: ...
    def press(self, action: str) -> None:
        """One of undo, save."""


class Editor(FileEditor, Protocol):
    """A real editor with grey text."""

    def type(self, text: str) -> None: ...
    def press(self, action: str) -> None:
        """One of accept, word, line, undo, save, delete (the character before the cursor)."""

    def ghost(self, *words: str) -> str:
        """Wait for grey text with all these words in it; fails where none comes."""

    def behind(self) -> str:
        """What stands left of the grey text, on its line."""

    def shows_nothing(self) -> bool:
        """Whether no text is grey."""

    def text(self) -> str: ...
    def state(self, name: str) -> None:
        """Wait until the editor says that the server is in this state."""

    def kill_server(self) -> None: ...


def opened(editor: FileEditor, name: str, text: str) -> Path:
    path = editor.workspace / name
    path.write_bytes(text.encode())
    editor.open(path)
    return path


def saved(editor: FileEditor, path: Path, text: str) -> None:
    editor.press("save")
    try:
        until(lambda: content(path) == text.encode(), f"file with {text!r}")
    except AssertionError as error:
        raise AssertionError(f"{error}, but {content(path).decode()!r}") from error


def holds(editor: HasText, text: str) -> None:
    """Keys come to an editor in its own time."""
    until(lambda: editor.text() == text, f"text {text!r}")


def suggests(editor: Editor, text: str) -> None:
    """Just this is grey; what was grey before the last key may stand for a moment."""
    seen = ""

    def just_this() -> bool:
        nonlocal seen
        seen = editor.ghost()
        return seen == text

    try:
        until(just_this, f"grey text {text!r}")
    except AssertionError as error:
        raise AssertionError(f"{error}, but {seen!r}") from error


def first_suggestion(editor: Editor) -> None:
    path = opened(editor, "first.py", SOURCE)
    editor.type("r")
    suggests(editor, "eturn a - b")
    holds(editor, SOURCE + "r")
    editor.press("accept")
    holds(editor, WHOLE)
    saved(editor, path, WHOLE)


def typing_through(editor: Editor) -> None:
    path = opened(editor, "through.py", SOURCE)
    editor.type("r")
    editor.ghost("eturn")
    for key in "etur":
        editor.type(key)
    suggests(editor, "n a - b")
    editor.press("accept")
    saved(editor, path, WHOLE)


def accepted_in_part(editor: Editor) -> None:
    path = opened(editor, "part.py", SOURCE)
    editor.type("r")
    editor.ghost("eturn")
    editor.press("word")
    until(lambda: editor.text().rstrip() == SOURCE + "return", "first word")
    editor.ghost("a - b")
    editor.press("accept")
    saved(editor, path, WHOLE)


def several_lines(editor: Editor) -> None:
    begun = SOURCE.rstrip().removesuffix(":")
    path = opened(editor, "lines.py", begun)
    editor.type(":")
    editor.ghost("return a - b")
    editor.press("accept")
    saved(editor, path, WHOLE)


def undo_restores(editor: Editor) -> None:
    path = opened(editor, "undo.py", SOURCE)
    editor.type("ret")
    editor.ghost("urn")
    editor.press("accept")
    holds(editor, WHOLE)
    editor.press("undo")
    holds(editor, SOURCE + "ret")
    saved(editor, path, SOURCE + "ret")


def two_files(editor: Editor) -> None:
    other = SOURCE.replace("sub", "minus")
    first, second = opened(editor, "one.py", SOURCE), opened(editor, "two.py", other)
    editor.type("re")
    suggests(editor, "turn a - b")
    editor.press("accept")
    saved(editor, second, other + "return a - b")
    editor.open(first)
    editor.type("ret")
    suggests(editor, "urn a - b")
    editor.press("accept")
    saved(editor, first, WHOLE)


def emoji(editor: Editor) -> None:
    """Two units of the protocol each, and four bytes: a wrong column is another place."""
    path = opened(editor, "emoji.py", PARTY)
    editor.type("ret")
    suggests(editor, "urn a - b")
    until(lambda: editor.behind() == PARTY.splitlines()[-1] + "ret", "its place on the line")
    editor.press("accept")
    holds(editor, PARTY + "return a - b")
    editor.press("undo")
    saved(editor, path, PARTY + "ret")


def crlf(editor: Editor) -> None:
    path = opened(editor, "crlf.py", SOURCE.rstrip().removesuffix(":").replace("\n", "\r\n"))
    editor.type(":")
    assert "\r" not in editor.ghost("return a - b")
    editor.press("accept")
    saved(editor, path, WHOLE.replace("\n", "\r\n"))


def crash(editor: Editor) -> None:
    path = opened(editor, "crash.py", SOURCE)
    editor.type("r")
    editor.ghost("eturn")
    editor.kill_server()
    editor.state("ready")
    editor.type("e")
    suggests(editor, "turn a - b")
    editor.press("accept")
    saved(editor, path, WHOLE)


def no_model(editor: Editor) -> None:
    """For an editor of its own, whose server has none: it writes files as it always did."""
    path = opened(editor, "none.py", SOURCE)
    editor.state("no model")
    editor.type("return a - b")
    assert editor.shows_nothing()
    saved(editor, path, WHOLE)


ALL: tuple[Callable[[Editor], None], ...] = (
    first_suggestion,
    typing_through,
    accepted_in_part,
    several_lines,
    undo_restores,
    two_files,
    emoji,
    crlf,
    crash,
)
