"""Holes, scores and budgetai-eval."""

import math

import pytest

from budgetai_core.evaluation.metrics import change, first_line, mean, percentile, score, wilson
from budgetai_core.evaluation.spans import mask_spans
from budgetai_server.cli import evaluate

FILES = [
    (
        "a.py",
        "import os\n\n# a comment that is long\ndef area(radius):\n    return 3.14 * radius\n)\n",
    ),
    ("b.go", "package main\n\nfunc area(r float64) float64 {\n\treturn 3.14 * r\n}\n"),
]


def test_holes_put_together_are_the_file() -> None:
    texts = dict(FILES)
    spans = mask_spans(FILES, 100, seed=0)
    assert {span.path for span in spans} == {"a.py", "b.go"}
    for span in spans:
        assert span.before + span.expected + span.after == texts[span.path]
        assert "\n" not in span.expected
        assert len(span.expected.strip()) >= 3
        assert "comment" not in span.expected
        snapshot = span.snapshot("r")
        assert snapshot.text[snapshot.cursor :] == span.after


def test_half_of_the_holes_are_inside_lines() -> None:
    kinds = [span.kind for span in mask_spans(FILES, 100, seed=0)]
    assert abs(kinds.count("line") - kinds.count("end")) <= 1


def test_the_seed_draws_the_spans() -> None:
    many = [("a.py", "".join(f"value_{n} = {n} + 1\n" for n in range(100)))]
    assert mask_spans(many, 10, 1) == mask_spans(many, 10, 1) != mask_spans(many, 10, 2)


def test_only_the_first_line_counts() -> None:
    assert first_line("return x  \n    y") == "return x"
    scores = score(["a = 1\nb", "a = 2", ""], ["a = 1", "a = 3", "zz"])
    assert scores.exact_match.mean == pytest.approx(1 / 3)
    assert scores.edit_similarity.mean == pytest.approx((1 + 0.8 + 0) / 3)


def test_intervals_against_known_ones() -> None:
    """Wilson's interval for 10 of 50, as R's prop.test(correct=FALSE) gives it."""
    ten = wilson(10, 50)
    assert [ten.low, ten.high] == pytest.approx(
        [0.11244, 0.33037],
        abs=1e-4,
    )
    assert wilson(0, 20).low == 0
    assert wilson(20, 20).high == 1
    assert math.isnan(mean([]).mean)
    assert mean([0.5] * 9) == mean([0.5])
    assert percentile([3, 1, 2, 4], 0.5) == 2
    assert percentile([3, 1, 2, 4], 0.95) == 4


def test_a_change_counts_places_and_not_means() -> None:
    """40 of 100 right and then 45, of which 38 are the same: Agresti and Min's interval by hand."""
    expected = ["x"] * 100
    before = score(["x"] * 40 + ["y"] * 60, expected)
    after = score(["x"] * 38 + ["y"] * 55 + ["x"] * 7, expected)
    difference = change(before, after)
    assert (difference.better, difference.worse) == (7, 2)
    assert difference.exact_match.mean == pytest.approx(0.05)
    half = 1.959964 * ((7.5 + 2.5 - 5**2 / 102) / 102**2) ** 0.5
    assert difference.exact_match.low == pytest.approx(5 / 102 - half)
    assert difference.exact_match.high == pytest.approx(5 / 102 + half)
    assert difference.edit_similarity.mean == pytest.approx(0.05)
    assert str(difference).startswith("7 lines became right, 2 wrong; exact match +0.050 [-0.0")
    # Each alone could be anywhere within a tenth.
    assert before.exact_match.high > after.exact_match.mean
    same = change(before, before)
    assert same.exact_match.mean == same.edit_similarity.high == 0 < same.exact_match.high


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--repo", "/nowhere"], "there is no model"),
        (["--repo", "/nowhere", "--model", "x.gguf"], "no such repository"),
        (["--repo", ".", "--holes", "0"], "--holes 0"),
    ],
)
def test_bad_input(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(arguments) == 2
    assert words in capsys.readouterr().err
