"""Languages are rows, each with a grammar that parses and queries that it knows."""

from importlib import resources

import pytest

from budgetai_core.context.languages import LANGUAGES, Language, language_of, parser, query

PARSED = [language for language in LANGUAGES if language.grammar]
CAPTURES = {"name", "import", "module", "comment", "string"}


def captures(language: Language) -> set[str]:
    asked = query(language)
    assert asked is not None
    return {asked.capture_name(index) for index in range(asked.capture_count)}


def test_no_extension_names_two_languages() -> None:
    extensions = [extension for language in LANGUAGES for extension in language.extensions]
    assert len(set(extensions)) == len(extensions)
    assert language_of("a/B.PY") == language_of("b.pyi")
    assert language_of("data.json") is None


@pytest.mark.parametrize("language", PARSED, ids=lambda language: language.name)
def test_a_grammar_and_its_queries_are_there(language: Language) -> None:
    assert captures(language) >= CAPTURES
    assert any(name.startswith("definition.") for name in captures(language))
    made = parser(language)
    assert made is not None
    assert made is not parser(language)
    grammar = made.language
    assert grammar is not None
    kinds = {grammar.node_kind_for_id(number) for number in range(grammar.node_kind_count)}
    assert language.blocks <= kinds


def test_every_query_belongs_to_a_language() -> None:
    folder = resources.files("budgetai_core.context") / "queries"
    files = {file.name for file in folder.iterdir() if file.is_file()}
    assert files == {f"{name}.scm" for language in PARSED for name in language.queries}


def test_a_missing_grammar_is_no_error() -> None:
    for grammar in (("tree_sitter_no_such", "language"), ("tree_sitter_python", "no_such")):
        language = Language(name="python", extensions=(), comment="#", grammar=grammar)
        assert parser(language) is None
        assert query(language) is None


def test_a_query_that_the_grammar_does_not_know_is_no_error() -> None:
    grammar = ("tree_sitter_python", "language")
    for queries in (("go",), ("no_such",)):
        language = Language(name="x", extensions=(), comment="#", grammar=grammar, queries=queries)
        assert query(language) is None
