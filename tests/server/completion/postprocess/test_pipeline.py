"""What is shown of raw answers: one file per case under fixtures/trim, named for what it shows."""

import pytest

from budgetai_server.completion.postprocess import Edit, cost
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
