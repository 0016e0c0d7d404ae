"""What the grammars lack is known, and no longer listed once a grammar has learned it."""

import pytest

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.downlevel import RULES, DownlevelRule, downleveled
from budgetai_core.context.languages import LANGUAGES, Language
from budgetai_core.context.tree import errors

BY_NAME = {language.name: language for language in LANGUAGES}
EXAMPLES = [
    pytest.param(rule, BY_NAME[name], id=f"{name}: {rule.name}")
    for rule in RULES
    for name in rule.languages.split()
]


def test_names_are_different() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(("rule", "language"), EXAMPLES)
def test_syntax_is_downleveled_until_the_grammar_knows_it(
    rule: DownlevelRule, language: Language
) -> None:
    known = downleveled(rule.example, language)
    assert len(known.encode()) == len(rule.example.encode())
    assert [len(line) for line in known.split("\n")] == [
        len(line) for line in rule.example.split("\n")
    ]
    assert errors(ParsedDocument.of(known, language)) == 0
    if language.name == rule.languages.split()[0]:
        learned = errors(ParsedDocument.of(rule.example, language)) == 0
        assert not learned, f"the grammar of {language.name} knows “{rule.name}”: drop the entry"
