"""ROUGE-L against the definition of Lin 2004."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetai_core.evaluation.rouge import common, rouge_l


@pytest.mark.parametrize(
    ("written", "expected", "score"),
    [
        # Lin's own examples: "the gunman kill police" has the words, in another order.
        ("police kill the gunman", "police killed the gunman", 3 / 4),
        ("the gunman kill police", "police killed the gunman", 2 / 4),
        ("the gunman police killed", "police killed the gunman", 2 / 4),
        ("Adds A, and b.", "adds a and B", 1.0),
        ("adds", "adds two numbers", 2 * 1 / 4),
        ("", "adds", 0.0),
        ("adds", "", 0.0),
        ("", " \n", 1.0),
        ("größe", "Größe", 1.0),
    ],
)
def test_scores(written: str, expected: str, score: float) -> None:
    assert rouge_l(written, expected) == pytest.approx(score)


@settings(max_examples=60, deadline=None)
@given(st.text("abc", max_size=7), st.text("abc", max_size=7))
def test_the_common_subsequence_is_the_longest(one: str, other: str) -> None:
    def subsequences(text: str) -> set[tuple[str, ...]]:
        return {part for n in range(len(text) + 1) for part in combinations(text, n)}

    longest = max(map(len, subsequences(one) & subsequences(other)))
    assert common(one, other) == common(other, one) == longest


def test_long_texts_take_no_time_of_their_product() -> None:
    words = [str(n) for n in range(4000)]
    assert common(words, words[1::2]) == 2000
