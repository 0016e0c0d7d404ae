"""The next edit for an editor."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from budgetai_core.context.languages import language_of
from budgetai_server.next_edit.service import NextEditService, ShownEdit

CALLS = "".join(
    f"def f{n}():\n    page = fetch_page(url{n}, 3)\n    show({n})\n\n\n" for n in range(6)
)


@dataclass
class Recorded:
    shown: list[int] = field(default_factory=list)
    fates: list[tuple[int, str]] = field(default_factory=list)

    def record_edit(self, number: int, language: str, lines: int, seconds: float) -> None:
        self.shown.append(number)

    def record_edit_fate(self, number: int, fate: str) -> None:
        self.fates.append((number, fate))


class Editor:
    """A clock that goes on when someone sleeps, and a document."""

    def __init__(self, text: str = CALLS) -> None:
        self.now = 0.0
        self.while_waiting: Callable[[], None] = lambda: None
        self.recorded = Recorded()
        self.service = NextEditService(
            language_of, self.recorded, clock=lambda: self.now, sleep=self._sleep
        )
        self.put(text)

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.while_waiting()

    def put(self, text: str) -> None:
        self.text = text
        self.service.changed("a.py", lambda: text)

    def edit(self, old: str, new: str) -> None:
        self.put(self.text.replace(old, new, 1))

    def ask(self) -> ShownEdit | None:
        asked: Awaitable[ShownEdit | None] = self.service.next_edit("a.py")
        return asyncio.run(asked)  # type: ignore[arg-type]

    def rename_two(self) -> ShownEdit:
        for _ in range(2):
            self.edit("fetch_page", "load_page")
            shown = self.ask()
        assert shown
        return shown


def test_it_waits_until_the_keys_rest() -> None:
    editor = Editor()
    editor.edit("fetch_page", "l")
    editor.while_waiting = lambda: editor.edit("= l(", "= lo(")
    assert editor.ask() is None
    editor.while_waiting = lambda: None
    editor.edit("= lo(", "= load_page(")
    editor.ask()
    editor.edit("fetch_page", "load_page")
    shown = editor.ask()
    # What was typed key by key is one edit.
    assert shown
    assert shown.proposal.new == ("    page = load_page(url2, 3)",)


def test_the_same_is_answered_until_something_changes() -> None:
    editor = Editor()
    shown = editor.rename_two()
    assert editor.ask() is shown
    assert editor.recorded.shown.count(shown.number) == 1


@pytest.mark.parametrize("says_so", [False, True])
def test_who_takes_one_gets_the_next_at_once(*, says_so: bool) -> None:
    editor = Editor()
    shown = editor.rename_two()
    if says_so:
        editor.service.accepted(shown.number)
    editor.put(shown.made)
    editor.while_waiting = lambda: pytest.fail("it waits")
    following = editor.ask()
    assert following
    assert following.proposal.new == ("    page = load_page(url3, 3)",)
    assert editor.recorded.fates == [(shown.number, "accepted")]


def test_places_that_are_the_same_are_done_one_after_the_other() -> None:
    editor = Editor("".join(f"def f{n}():\n    page = fetch_page()\n\n\n" for n in range(6)))
    shown = editor.rename_two()
    lines = []
    for _ in range(3):
        lines.append(shown.proposal.first)
        editor.put(shown.made)
        following = editor.ask()
        assert following
        shown = following
    assert [*lines, shown.proposal.first] == [9, 13, 17, 21]


def test_a_dismissed_place_stays_silent() -> None:
    editor = Editor()
    shown = editor.rename_two()
    editor.service.dismissed(shown.number)
    assert editor.ask() is None
    editor.edit("show(0)", "show(7)")
    again = editor.ask()
    assert again is None or again.proposal.key != shown.proposal.key
    assert editor.recorded.fates[-1] == (shown.number, "dismissed")


def test_undoing_silences() -> None:
    editor = Editor()
    before = editor.text
    editor.rename_two()
    editor.put(before.replace("fetch_page", "load_page", 1))
    assert editor.ask() is None
    editor.put(before)
    assert editor.ask() is None
    for _ in range(20):
        editor.edit("fetch_page", "load_page")
        editor.ask()
        editor.put(before)
        assert editor.ask() is None


def test_nothing_is_brought_back() -> None:
    editor = Editor()
    seen = {editor.text}
    for old, new in [("fetch_page", "load_page")] * 3 + [("load_page", "fetch_page")] * 2:
        editor.edit(old, new)
        seen.add(editor.text)
        shown = editor.ask()
        assert shown is None or shown.made not in seen


def test_megabytes_are_let_pass() -> None:
    editor = Editor("a = fetch_page()\n" * 50_000)
    for n in range(3):
        editor.put(f"b = load_page({n})\n" * 60_000)
        assert editor.ask() is None
    editor.put("x" * 5_000_000)
    assert editor.ask() is None


def test_closed_documents_are_forgotten() -> None:
    editor = Editor()
    editor.rename_two()
    editor.service.closed("a.py")
    assert editor.ask() is None
