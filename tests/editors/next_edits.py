"""What every editor with next edits is asked to do. No model is needed for them.

Names differ from scenario to scenario: an editor's server knows what was done in the one before.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from editors.scenarios import FileEditor, holds, opened
from editors.waiting import content, until

# Longer than keys have to rest before an edit counts as one.
RESTED = 1.5


class NextEditor(FileEditor, Protocol):
    """A real editor that shows next edits."""

    def replace(self, line: int, old: str, new: str) -> None:
        """Write `new` in place of the first `old` of a line, counted from one."""

    def delete_line(self, line: int) -> None: ...
    def proposed(self) -> str:
        """What the next edit would write, or the file and line that it is at; "delete" where it
        takes lines away, "" where none is shown."""

    def next_edit(self) -> None:
        """Press the key that goes there, and makes it there."""

    def dismiss(self) -> None:
        """Press the key that takes it away."""

    def place(self) -> tuple[str, int]:
        """The name of the file that is shown, and the cursor's line."""

    def text(self) -> str: ...


def calls(name: str, count: int = 5) -> str:
    """Functions of five lines; the second one calls `fetch_NAME`."""
    return "".join(
        f"def f{n}():\n    page = fetch_{name}(url{n}, 3)\n    show({n})\n\n\n"
        for n in range(count)
    )


def renamed(editor: NextEditor) -> None:
    """Rename the first call, and when the keys have rested the second."""
    for line in (2, 7):
        editor.replace(line, "fetch", "load")
        time.sleep(RESTED)


def proposes(editor: NextEditor, words: str) -> None:
    seen = ""

    def there() -> bool:
        nonlocal seen
        seen = editor.proposed()
        return words in seen

    try:
        until(there, f"next edit with {words!r}")
    except AssertionError as error:
        raise AssertionError(f"{error}, but {seen!r}") from error


def goes_to(editor: NextEditor, name: str, line: int) -> None:
    editor.next_edit()
    until(lambda: editor.place() == (name, line), f"jump to line {line} of {name}")


def jump_apply_undo(editor: NextEditor) -> None:
    opened(editor, "jump.py", calls("jump"))
    renamed(editor)
    proposes(editor, "page = load_jump(url2, 3)")
    before = editor.text()
    goes_to(editor, "jump.py", 12)
    assert editor.text() == before
    editor.next_edit()
    holds(editor, before.replace("fetch_jump(url2", "load_jump(url2"))
    proposes(editor, "page = load_jump(url3, 3)")
    editor.press("undo")
    holds(editor, before)


def dismissed(editor: NextEditor) -> None:
    opened(editor, "dismissed.py", calls("dismissed"))
    renamed(editor)
    proposes(editor, "page = load_dismissed(url2, 3)")
    before = editor.text()
    editor.dismiss()
    until(lambda: not editor.proposed(), "end of the edit")
    time.sleep(RESTED)
    assert not editor.proposed()
    assert editor.text() == before
    # Another edit, and it goes on behind the place that is to be silent.
    editor.replace(8, "show", "shows")
    proposes(editor, "page = load_dismissed(url3, 3)")


def another_file(editor: NextEditor) -> None:
    """With line ends of its own, and characters that are two units of the protocol."""
    party = calls("party").replace(", 3)", ', 3); say("🎉🎉é")').replace("\n", "\r\n")
    other = opened(editor, "other.py", party)
    opened(editor, "begun.py", calls("party", 2))
    renamed(editor)
    proposes(editor, "other.py:2")
    goes_to(editor, "other.py", 2)
    proposes(editor, "page = load_party(url0, 3)")
    editor.next_edit()
    made = party.replace("fetch", "load", 1)
    until(lambda: is_saved(editor, other, made.encode()), "edit")
    proposes(editor, "page = load_party(url1, 3)")
    editor.press("undo")
    until(lambda: is_saved(editor, other, party.encode()), "undo")


def is_saved(editor: NextEditor, path: Path, text: bytes) -> bool:
    """Save what is shown, and say whether a file holds a text then."""
    editor.press("save")
    return content(path) == text


def lines_that_go(editor: NextEditor) -> None:
    text = calls("gone").replace("    show", "    trace_gone()\n    show")
    opened(editor, "gone.py", text)
    for line in (3, 8):
        editor.delete_line(line)
        time.sleep(RESTED)
    proposes(editor, "delete")
    before = editor.text()
    goes_to(editor, "gone.py", 13)
    editor.next_edit()
    lines = before.split("\n")
    holds(editor, "\n".join(lines[:12] + lines[13:]))
    editor.press("undo")
    holds(editor, before)


def a_changed_document(editor: NextEditor) -> None:
    """What was proposed for another text is not made."""
    opened(editor, "changed.py", calls("changed"))
    renamed(editor)
    proposes(editor, "page = load_changed(url2, 3)")
    editor.replace(3, "show", "shows")
    editor.next_edit()
    editor.next_edit()
    assert "load_changed(url2" not in editor.text()


HERE: tuple[Callable[[NextEditor], None], ...] = (
    jump_apply_undo,
    dismissed,
    lines_that_go,
    a_changed_document,
)
ALL = (*HERE, another_file)
