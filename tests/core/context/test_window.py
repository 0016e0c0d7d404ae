"""Sticky windows: the start moves in steps, and typing leaves the text after the cursor alone."""

from hypothesis import given
from hypothesis import strategies as st

from budgetai_core.context import window
from budgetai_core.context.window import WindowLimits

LINES = "".join(f"line number {n}\n" for n in range(400))


def starts(text: str, cursors: range, limit: int) -> list[int]:
    return [
        cursor - len(window.before(text, cursor, limit, WindowLimits().step)) for cursor in cursors
    ]


def test_the_start_is_a_line_number_that_is_a_multiple_of_the_step() -> None:
    for start in set(starts(LINES, range(len(LINES)), 1500)):
        assert LINES.count("\n", 0, start) % WindowLimits().step == 0
        assert start == 0 or LINES[start - 1] == "\n"


def test_typing_through_a_file_moves_the_start_once_per_step() -> None:
    moves = len(set(starts(LINES, range(len(LINES)), 1500)))
    assert moves <= 400 / WindowLimits().step + 1


def test_a_single_long_line_moves_in_steps_of_characters() -> None:
    text = "x" * 10_000
    assert set(starts(text, range(5000, 5020), 2400)) == {3072}


def test_typing_does_not_change_the_text_after_the_cursor() -> None:
    before, after = LINES[:1000], LINES[1000:]
    typed = before + "abc\ndef" + after
    assert window.after(typed, 1007, 800) == window.after(LINES, 1000, 800)


def test_the_text_after_is_cut_at_a_line_end() -> None:
    assert window.after(LINES, 5, 100).endswith("\n")


@given(st.text(alphabet="ab \n\t🎉", max_size=400), st.integers(0, 400), st.integers(1, 200))
def test_any_text_any_cursor(text: str, cursor: int, limit: int) -> None:
    cursor = min(cursor, len(text))
    before = window.before(text, cursor, limit, WindowLimits().step)
    after = window.after(text, cursor, limit)
    assert text[:cursor].endswith(before)
    assert text[cursor:].startswith(after)
    assert len(before) <= limit
    assert len(after) <= limit


def test_near_is_a_few_lines_away() -> None:
    shown = window.after(LINES, LINES.index("line number 200"), 300)
    for line, expected in ((196, False), (197, True), (200, True), (201, False)):
        assert window.near(LINES, LINES.index(f"line number {line}"), shown) is expected, line
    assert not window.near(LINES, 0, "")
    assert not window.near(LINES, 10, "something else")
