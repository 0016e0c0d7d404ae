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


class FileEditor(Protocol):
    """A real editor. Files are opened with the cursor at their end, ready to type."""

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

    def text(self) -> str: ...
    def state(self, name: str) -> None:
        """Wait until the editor says that the server is in this state."""

    def kill_server(self) -> None: ...


class ListEditor(FileEditor, Protocol):
    """A real editor that has a list of completions, and no grey text."""

    def type(self, text: str) -> None: ...
    def press(self, action: str) -> None:
        """One of undo, save, delete."""

    def take(self, words: str) -> None:
        """Ask for the list until an item with these words is in it, and put that in."""

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


def holds(editor: Editor, text: str) -> None:
    """Keys come to an editor in its own time."""
    until(lambda: editor.text() == text, f"text {text!r}")


def suggests(editor: Editor, text: str) -> None:
    """Just this is grey; what was grey before the last key may stand for a moment."""
    try:
        until(lambda: editor.ghost() == text, f"grey text {text!r}")
    except AssertionError as error:
        raise AssertionError(f"{error}, but {editor.ghost()!r}") from error


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
    begun = SOURCE + '"🎉🎉é"; '
    path = opened(editor, "emoji.py", begun)
    editor.type("ret")
    # What the model goes on with on such a line differs with the machine's speed.
    until(lambda: editor.ghost().startswith("urn a - b"), "grey text in its place")
    editor.press("accept")
    until(lambda: editor.text().startswith(begun + "return a - b"), "accepted text in its place")
    saved(editor, path, editor.text())


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


def listed_first(editor: ListEditor) -> None:
    path = opened(editor, "first.py", SOURCE)
    editor.type("r")
    editor.take("return a - b")
    saved(editor, path, WHOLE)


def listed_while_typing(editor: ListEditor) -> None:
    path = opened(editor, "through.py", SOURCE)
    for key in "retur":
        editor.type(key)
    editor.take("return a - b")
    saved(editor, path, WHOLE)


def listed_undo(editor: ListEditor) -> None:
    path = opened(editor, "undo.py", SOURCE)
    editor.type("ret")
    editor.take("return a - b")
    editor.press("undo")
    saved(editor, path, SOURCE + "ret")


def listed_in_two_files(editor: ListEditor) -> None:
    other = SOURCE.replace("sub", "minus")
    first, second = opened(editor, "one.py", SOURCE), opened(editor, "two.py", other)
    editor.type("re")
    editor.take("return a - b")
    saved(editor, second, other + "return a - b")
    editor.open(first)
    editor.type("ret")
    editor.take("return a - b")
    saved(editor, first, WHOLE)


def listed_behind_emoji(editor: ListEditor) -> None:
    begun = SOURCE + '"🎉🎉é"; '
    path = opened(editor, "emoji.py", begun)
    editor.type("ret")
    editor.take("return a - b")
    editor.press("save")
    whole = (begun + "return a - b").encode()
    until(lambda: content(path).startswith(whole), "accepted text in its place")


def listed_crlf(editor: ListEditor) -> None:
    path = opened(editor, "crlf.py", SOURCE.rstrip().removesuffix(":").replace("\n", "\r\n"))
    editor.type(":")
    editor.take("return a - b")
    saved(editor, path, WHOLE.replace("\n", "\r\n"))


def listed_after_a_crash(editor: ListEditor) -> None:
    path = opened(editor, "crash.py", SOURCE)
    editor.type("r")
    editor.kill_server()
    editor.type("e")
    editor.take("return a - b")
    saved(editor, path, WHOLE)


LISTED: tuple[Callable[[ListEditor], None], ...] = (
    listed_first,
    listed_while_typing,
    listed_undo,
    listed_in_two_files,
    listed_behind_emoji,
    listed_crlf,
    listed_after_a_crash,
)
