"""What the grammars lack is known, and no longer listed once a grammar has learned it."""

import pytest

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.grammar_gaps import GAPS, Gap, bridged
from budgetai_core.context.languages import LANGUAGES, Language
from budgetai_core.context.tree import errors

BY_NAME = {language.name: language for language in LANGUAGES}
EXAMPLES = [
    pytest.param(gap, BY_NAME[name], id=f"{name}: {gap.name}")
    for gap in GAPS
    for name in gap.languages.split()
]


def test_names_are_different() -> None:
    assert len({gap.name for gap in GAPS}) == len(GAPS)


@pytest.mark.parametrize(("gap", "language"), EXAMPLES)
def test_a_gap_is_bridged_as_long_as_there_is_one(gap: Gap, language: Language) -> None:
    known = bridged(gap.example, language)
    assert len(known.encode()) == len(gap.example.encode())
    assert [len(line) for line in known.split("\n")] == [
        len(line) for line in gap.example.split("\n")
    ]
    assert errors(ParsedDocument.of(known, language)) == 0
    if language.name == gap.languages.split()[0]:
        learned = errors(ParsedDocument.of(gap.example, language)) == 0
        assert not learned, f"the grammar of {language.name} knows “{gap.name}”: drop the entry"
