"""Keystrokes saved: whole lines, word by word, too late, wrong."""

import pytest

from budgetai_core.evaluation.keystrokes import (
    KEY_SECONDS,
    LINE_SECONDS,
    WORD_SECONDS,
    TimedSuggestion,
    pause,
    type_line,
)

LINE = "return self.items"


def test_nothing_offered_saves_nothing() -> None:
    typed = type_line(LINE, lambda typed, wait: None)
    assert (typed.keys, typed.shown, typed.taken, typed.saved) == (len(LINE), 0, 0, 0.0)


def test_a_whole_line_takes_one_key() -> None:
    typed = type_line(LINE, lambda typed, wait: TimedSuggestion(LINE[typed:] + "\nmore", 0.9))
    assert (typed.keys, typed.shown, typed.taken) == (1, 1, 1)
    assert typed.saved == pytest.approx(1 - 1 / len(LINE))


def test_what_comes_behind_the_next_key_was_not_there() -> None:
    late = type_line(LINE, lambda typed, wait: TimedSuggestion(LINE[typed:], wait + 0.01))
    assert (late.keys, late.shown) == (len(LINE), 0)
    patient = type_line(LINE, lambda typed, wait: TimedSuggestion(LINE[typed:], 4.0), patience=5)
    assert patient.keys == 1


def test_right_words_are_taken_one_by_one_if_there_are_two() -> None:
    offered = {0: TimedSuggestion("return self.length", 0)}
    typed = type_line(LINE, lambda typed, wait: offered.get(typed))
    # return, self and the dot; then five letters.
    assert (typed.keys, typed.taken) == (3 + len("items"), 1)
    one = {0: TimedSuggestion("return other", 0)}
    assert type_line(LINE, lambda typed, wait: one.get(typed)).keys == len(LINE)


def test_half_a_word_is_no_word() -> None:
    offered = {0: TimedSuggestion("return selfish", 0)}
    assert type_line(LINE, lambda typed, wait: offered.get(typed)).taken == 0


def test_a_wrong_offer_costs_no_key_and_is_counted() -> None:
    typed = type_line(LINE, lambda typed, wait: TimedSuggestion("raise ValueError", 0))
    assert (typed.keys, typed.shown, typed.taken) == (len(LINE), len(LINE), 0)


def test_pauses() -> None:
    assert pause(LINE, 0) == LINE_SECONDS
    assert pause(LINE, 3) == KEY_SECONDS
    assert pause(LINE, 6) == WORD_SECONDS
    assert pause(LINE, 7) == KEY_SECONDS
