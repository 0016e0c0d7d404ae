"""What became of a suggestion, told from how the text changes."""

from budgetai_core.context.prompt import Snapshot
from budgetai_server.completion.acceptance import Acceptance, Counts
from budgetai_server.completion.text_edit import Suggestion


class Typing:
    """A document in which a suggestion is shown at ‸ and things happen."""

    def __init__(self, marked: str, text: str, replaces: int = 0) -> None:
        self.acceptance = Acceptance()
        self.text, self.cursor = marked.replace("‸", ""), marked.index("‸")
        self.show(text, replaces)

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot("r", "x.py", self.text, self.cursor)

    @property
    def counts(self) -> Counts:
        return self.acceptance.counts

    @property
    def rest(self) -> str | None:
        suggestion = self.acceptance.rest("x", self.snapshot)
        return suggestion.text if suggestion else None

    def show(self, text: str, replaces: int = 0) -> None:
        self.acceptance.record_shown("x", self.snapshot, Suggestion(text, replaces=replaces))

    def put_in(self, text: str, replaces: int = 0) -> None:
        self.text = self.text[: self.cursor] + text + self.text[self.cursor + replaces :]
        self.cursor += len(text)
        self.acceptance.change("x", self.text)

    def back(self) -> None:
        self.text = self.text[: self.cursor - 1] + self.text[self.cursor :]
        self.cursor -= 1
        self.acceptance.change("x", self.text)


def test_accepted_whole() -> None:
    typing = Typing("x = ‸\n", "compute(a)")
    typing.put_in("compute(a)")
    assert typing.counts == Counts(shown=1, accepted=1)


def test_the_editor_says_that_it_was_accepted() -> None:
    """Also where the change looked like something else, as a text that the editor formats does."""
    typing = Typing("x = ‸", "foo")
    typing.put_in("Foo")
    assert typing.counts == Counts(shown=1, dismissed=1)
    for number in (1, 1, 7):
        typing.acceptance.confirm(number)
    assert typing.counts == Counts(shown=1, accepted=1)


def test_the_editor_says_so_before_its_change_has_come() -> None:
    typing = Typing("x = ‸", "foo")
    typing.acceptance.confirm(1)
    typing.put_in("foo")
    assert typing.counts == Counts(shown=1, accepted=1)


def test_accepted_whole_in_the_place_of_a_closer() -> None:
    typing = Typing("f(‸)\n", "a, b)", 1)
    typing.put_in("a, b)", 1)
    assert typing.counts == Counts(shown=1, accepted=1)


def test_a_word_then_the_rest() -> None:
    typing = Typing("x = ‸\n", "compute(a)")
    typing.put_in("compute")
    assert typing.rest == "(a)"
    typing.show("(a)")
    typing.put_in("(a)")
    assert typing.counts == Counts(shown=1, accepted=1)


def test_a_line_and_no_more() -> None:
    typing = Typing("def f():‸\n", "\n    a = 1\n    return a")
    typing.put_in("\n    a = 1")
    assert typing.rest == "\n    return a"
    typing.put_in("\n\n")
    assert typing.rest is None
    assert typing.counts == Counts(shown=1, partly_accepted=1)


def test_a_word_with_the_closer_still_there() -> None:
    typing = Typing("f(‸)\n", "alpha, b)", 1)
    typing.put_in("alpha")
    assert typing.acceptance.rest("x", typing.snapshot) == Suggestion(", b)", replaces=1)


def test_typing_along_is_not_accepting() -> None:
    typing = Typing("x = ‸\n", "comp")
    for key in "com":
        typing.put_in(key)
        assert typing.rest
    typing.back()
    assert typing.rest == "mp"
    for key in "mp":
        typing.put_in(key)
    assert typing.counts == Counts(shown=1, dismissed=1)


def test_typing_up_to_a_closer_is_not_accepting() -> None:
    acceptance = Acceptance()
    acceptance.record_shown("x", Snapshot("r", "x.py", "f()", 2), Suggestion("ab)", replaces=1))
    for text in ("f(a)", "f(ab)"):
        acceptance.change("x", text)
    assert acceptance.counts == Counts(shown=1, dismissed=1)


def test_half_a_word_is_not_accepting() -> None:
    typing = Typing("x = ‸\n", "compute(a)")
    typing.put_in("comp")
    typing.put_in("!")
    assert typing.counts == Counts(shown=1, dismissed=1)


def test_another_item_in_its_place() -> None:
    typing = Typing("x = ‸\n", "compute(a)")
    typing.show("compute(a) + 1")
    assert typing.counts == Counts(shown=1), "the same item, grown"
    typing.show("other")
    assert typing.counts == Counts(shown=2, dismissed=1)
    typing.acceptance.close("x")
    assert typing.counts == Counts(shown=2, dismissed=2)


def test_nothing_is_left_elsewhere() -> None:
    typing = Typing("x = ‸\n", "compute(a)")
    typing.cursor = 0
    assert typing.rest is None
    assert typing.acceptance.rest("y", typing.snapshot) is None
