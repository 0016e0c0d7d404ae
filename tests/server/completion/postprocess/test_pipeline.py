"""What is shown of raw answers: one file per case under fixtures/trim, named for what it shows."""

import pytest

from budgetai_core.context.languages import language_of
from budgetai_server.completion.postprocess import CursorContext, Edit, cost, postprocess
from support.trim_cases import CASES, Case


def check(case: Case) -> None:
    shown_part = case.outcome()
    assert (shown_part.text, shown_part.replaces) == (case.expected.text, case.expected.replaces)
    # Whatever a case is about, sound code does not parse worse than before.
    if case.context.sound:
        assert cost(case.context, Edit(shown_part.text, shown_part.replaces)) <= cost(
            case.context, Edit("")
        )


@pytest.mark.parametrize("name", CASES)
def test_shown(name: str) -> None:
    check(CASES[name])


def test_there_are_enough_cases_in_enough_languages() -> None:
    assert len(CASES) >= 150
    assert len({case.context.language for case in CASES.values()} - {None}) >= 12


def test_repair_is_what_keeps_the_code_whole() -> None:
    """Without it at least twice as many of the cases parse worse than before."""

    def broken(*, repair: bool) -> int:
        edits = [(case.context, case.outcome(repair=repair)) for case in CASES.values()]
        return sum(
            cost(context, Edit(shown_part.text, shown_part.replaces)) > cost(context, Edit(""))
            for context, shown_part in edits
        )

    assert 2 * broken(repair=True) <= broken(repair=False)


@pytest.mark.parametrize("answer", ["def h(a)\n    a\n  end", "def h(a)\n    a\n  end\n\n  def"])
def test_what_is_whole_gets_no_end_for_an_error_around_it(answer: str) -> None:
    context = CursorContext(
        "class A\n  if x\n\n  ", "\n\n  def i\n  end\nend\n", language_of("a.rb")
    )
    result = postprocess(context, answer, whole=True)
    assert result is not None
    assert result.text == "def h(a)\n    a\n  end"
