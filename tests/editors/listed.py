"""What every editor is asked to do that has a list of completions, and no grey text."""

from collections.abc import Callable
from typing import Protocol

from editors.scenarios import PARTY, SOURCE, WHOLE, FileEditor, opened, saved


class ListEditor(FileEditor, Protocol):
    """A real editor with a list."""

    def type(self, text: str) -> None: ...
    def press(self, action: str) -> None:
        """One of undo, save, delete."""

    def take(self, words: str) -> None:
        """Ask for the list until an item with these words is in it, and put that in."""

    def says(self, words: str) -> None:
        """Wait until the user is told this."""

    def kill_server(self) -> None: ...


def first_item(editor: ListEditor) -> None:
    path = opened(editor, "first.py", SOURCE)
    editor.type("r")
    editor.take("return a - b")
    saved(editor, path, WHOLE)


def while_typing(editor: ListEditor) -> None:
    path = opened(editor, "through.py", SOURCE)
    for key in "retur":
        editor.type(key)
    editor.take("return a - b")
    saved(editor, path, WHOLE)


def undo_restores(editor: ListEditor) -> None:
    path = opened(editor, "undo.py", SOURCE)
    editor.type("ret")
    editor.take("return a - b")
    editor.press("undo")
    saved(editor, path, SOURCE + "ret")


def two_files(editor: ListEditor) -> None:
    other = SOURCE.replace("sub", "minus")
    first, second = opened(editor, "one.py", SOURCE), opened(editor, "two.py", other)
    editor.type("re")
    editor.take("return a - b")
    saved(editor, second, other + "return a - b")
    editor.open(first)
    editor.type("ret")
    editor.take("return a - b")
    saved(editor, first, WHOLE)


def several_lines(editor: ListEditor) -> None:
    path = opened(editor, "lines.py", SOURCE.rstrip().removesuffix(":"))
    editor.type(":")
    editor.take("return a - b")
    saved(editor, path, WHOLE)


def behind_emoji(editor: ListEditor) -> None:
    path = opened(editor, "emoji.py", PARTY)
    editor.type("ret")
    editor.take("return a - b")
    saved(editor, path, PARTY + "return a - b")


def crlf(editor: ListEditor) -> None:
    path = opened(editor, "crlf.py", SOURCE.rstrip().removesuffix(":").replace("\n", "\r\n"))
    editor.type(":")
    editor.take("return a - b")
    saved(editor, path, WHOLE.replace("\n", "\r\n"))


def after_a_crash(editor: ListEditor) -> None:
    path = opened(editor, "crash.py", SOURCE)
    editor.type("r")
    editor.kill_server()
    editor.type("e")
    editor.take("return a - b")
    saved(editor, path, WHOLE)


def no_model(editor: ListEditor) -> None:
    """For an editor of its own, whose server has none."""
    path = opened(editor, "none.py", SOURCE)
    editor.says("no model for this workspace")
    editor.type("return a - b")
    saved(editor, path, WHOLE)


ALL: tuple[Callable[[ListEditor], None], ...] = (
    first_item,
    while_typing,
    undo_restores,
    several_lines,
    two_files,
    behind_emoji,
    crlf,
    after_a_crash,
)
