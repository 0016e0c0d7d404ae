"""The benchmark's own judgement: what a statement is, and which answers break a file."""

import random
import sys
from pathlib import Path

from budgetai_core.context.languages import LANGUAGES

sys.path.insert(0, str(Path(__file__).parent))

from shown import Answer, Statement, _broken, _judged, _statements

PYTHON = next(language for language in LANGUAGES if language.name == "python")
TEXT = "import os\n\n\ndef f(a):\n    b = os.path.join(a)\n    return (\n        b\n    )\n"


def statements() -> list[Statement]:
    return list(_statements("a.py", TEXT, PYTHON))


def judged(answer: Answer) -> dict[bool, str]:
    return {outcome.lines: outcome.verdict for outcome in _judged(PYTHON, answer)}


def test_statements_are_whole_lines_of_their_file() -> None:
    trues = [statement.true for statement in statements()]
    assert "import os" in trues
    assert "b = os.path.join(a)\n    return (\n        b\n    )" in trues
    assert "return (\n        b\n    )" in trues
    assert all(s.before + s.true + s.after == TEXT for s in statements())


def test_a_true_statement_is_right_where_it_is_shown() -> None:
    call = next(one for one in statements() if one.true.startswith("b ="))
    assert judged(Answer(call, "true", call.answer)) == {True: "right", False: "right"}


def test_an_answer_that_breaks_nothing_is_not_counted() -> None:
    call = next(one for one in statements() if one.true.startswith("b ="))
    assert judged(Answer(call, "exchanged", "b = os.path.joint(a)\n")) == {}
    assert judged(Answer(call, "exchanged", "b = = os\n")) == {True: "right", False: "right"}


def test_each_fault_differs_from_the_statement() -> None:
    call = next(one for one in statements() if one.true.startswith("b ="))
    rng = random.Random(0)
    for kind in ("left out", "ends early"):
        broken = _broken(call, kind, rng)
        assert broken and broken.text.partition("\n")[0] != call.true
