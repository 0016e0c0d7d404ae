"""In languages without a grammar an answer ends with its block, by words that texts have shown."""

import pytest

from budgetai_core.context.block_words import measured
from budgetai_core.context.languages import Language, language_named
from budgetai_server.completion.postprocess import CursorContext, postprocess

ST = """IF a THEN
    b := 1;
ELSIF c THEN
    b := 2;
ELSE
    b := 3;
END_IF;
FOR i := 0 TO 9 DO
    IF b THEN
        d := 4;
    END_IF;
END_FOR;
"""
DART = """int total(List<int> lines) {
  if (lines.isEmpty) {
    return 0;
  }
  return lines.length;
}
"""


def known(name: str, text: str) -> Language:
    return measured(language_named(name), (text,) * 5)


STRUCTURED, BRACES = known("Structured Text", ST), known("Dart", DART)


@pytest.mark.parametrize(
    ("before", "after", "answer", "shown"),
    [
        # A block that was opened above ends with its last word, with all its parts.
        (
            "IF x THEN\n    ", "\ny := 1;\n",
            "y := 2;\nELSE\n    y := 3;\nEND_IF;\nz := 4;\n",
            "y := 2;\nELSE\n    y := 3;\nEND_IF;",
        ),
        # So does one that the answer begins.
        (
            "x := 1;\n", "\n",
            "IF x THEN\n    y := 2;\nEND_IF;\nz := 4;\n",
            "IF x THEN\n    y := 2;\nEND_IF;",
        ),
        # An inner one does not end the outer one.
        (
            "FOR i := 0 TO 3 DO\n    ", "\n",
            "IF x THEN\n        y := 2;\n    END_IF;\nEND_FOR;\nz := 4;\n",
            "IF x THEN\n        y := 2;\n    END_IF;\nEND_FOR;",
        ),
        # What stands below is not said again, and a line alone stays one.
        ("IF x THEN\n    ", "\nEND_IF;\n", "y := 2;\nEND_IF;\nz := 1;\n", "y := 2;"),
        ("x := 1;\n", "\nz := 3;\n", "y := x + 1;\nz := 2;\n", "y := x + 1;"),
        # A word in a comment or a string ends nothing.
        (
            "IF x THEN\n    ", "\n",
            "y := 'END_IF;'; (*\nEND_IF; *)\n    z := 1;\nEND_IF;\nw := 1;\n",
            "y := 'END_IF;'; (*\nEND_IF; *)\n    z := 1;\nEND_IF;",
        ),
    ],
)  # fmt: skip
def test_structured_text(before: str, after: str, answer: str, shown: str) -> None:
    done = postprocess(CursorContext(before, after, STRUCTURED), answer, whole=False)
    assert done is not None
    assert done.text == shown


@pytest.mark.parametrize(
    ("before", "answer", "shown"),
    [
        ("IF x THEN\n    ", "y := 2;\n    z := 3;", "y := 2;\n    z := 3;\nEND_IF;"),
        (
            "x := 1;\n", "FOR i := 0 TO 3 DO\n    IF y THEN\n        z := i;",
            "FOR i := 0 TO 3 DO\n    IF y THEN\n        z := i;\n    END_IF;\nEND_FOR;",
        ),
    ],
)  # fmt: skip
def test_an_answer_that_was_cut_is_closed(before: str, answer: str, shown: str) -> None:
    done = postprocess(CursorContext(before, "\nv := 1;\n", STRUCTURED), answer, whole=True)
    assert done is not None
    assert done.text == shown


def test_braces() -> None:
    context = CursorContext("int first(List<int> lines) {\n  ", "\n", BRACES)
    done = postprocess(context, "return lines[0];\n}\n\nint last() {\n", whole=False)
    assert done is not None
    assert done.text == "return lines[0];\n}"
