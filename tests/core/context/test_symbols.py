"""What each language's text defines and imports; and that no text makes it raise.

A case is a text file: a path, the source under it, and under a mark the facts that are found. After
a change that is meant, `python tests/core/context/test_symbols.py` writes them anew, to be read.
"""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetai_core.context.languages import LANGUAGES, language_of, query
from budgetai_core.context.symbols import FileSymbols, file_symbols

CASES = sorted((Path(__file__).parents[2] / "fixtures/symbols").glob("*.txt"))
MARK = "\n=====\n"


def read(case: Path) -> tuple[str, str, str]:
    """Path, source and told facts."""
    path, _, rest = case.read_text(encoding="utf-8").partition("\n")
    source, _, expected = rest.partition(MARK)
    return path, source, expected


def tell(parsed_symbols: FileSymbols) -> str:
    lines = [
        f"{d.line + 1}: {d.kind} {f'{d.owner} . ' if d.owner else ''}{d.name}"
        f"{' < ' + ', '.join(d.bases) if d.bases else ''} | {d.signature}"
        for d in parsed_symbols.definitions
    ]
    lines += [
        f"{i.line + 1}: import {i.module}" + "".join(f" | {name}" for name in i.names)
        for i in parsed_symbols.imports
    ]
    return "\n".join([*lines, ""])


SOURCES = {path: source for path, source, _ in map(read, CASES)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_the_facts_of_a_language(case: Path) -> None:
    path, source, expected = read(case)
    assert tell(file_symbols(source, language_of(path))) == expected


def test_every_language_with_a_grammar_has_a_case() -> None:
    with_grammar = {language for language in LANGUAGES if query(language)}
    assert {language_of(path) for path in SOURCES} == with_grammar
    assert len(with_grammar) == 15


@pytest.mark.parametrize("path", SOURCES)
def test_ranges_hold_what_they_name(path: str) -> None:
    # Characters, not bytes: the text in front of everything is longer in bytes.
    text = SOURCES[path].replace("total", "größe")
    for definition in file_symbols(text, language_of(path)).definitions:
        assert definition.name in text[definition.start : definition.end]
        assert definition.name in text.split("\n")[definition.line]
        assert "\n" not in definition.signature
        assert len(definition.signature) <= 240


def test_a_long_class_shows_the_fields_that_fit() -> None:
    fields = "".join(f"    field_number_{n}: int\n" for n in range(50))
    parsed_symbols = file_symbols(f"class Wide:\n{fields}", language_of("a.py")).definitions
    assert parsed_symbols[0].signature.startswith(
        "class Wide: field_number_0: int; field_number_1: int;"
    )
    assert parsed_symbols[0].signature.endswith(": int")
    assert len(parsed_symbols) == 51


def test_a_decorator_belongs_to_its_definition() -> None:
    text = '@route("' + "x" * 60 + '")\n@cached\ndef page(): ...\n'
    (parsed_symbols,) = file_symbols(text, language_of("a.py")).definitions
    assert parsed_symbols.signature == "@cached def page():"
    assert (parsed_symbols.line, text[parsed_symbols.start : parsed_symbols.end]) == (
        2,
        text.rstrip("\n"),
    )


def test_unknown_languages_have_no_symbols() -> None:
    assert file_symbols("val größe = f(2x)", None) == FileSymbols()


@pytest.mark.parametrize("path", SOURCES)
def test_half_a_file_still_has_its_first_half(path: str) -> None:
    text, language = SOURCES[path], language_of(path)
    whole = file_symbols(text, language)
    for share in (0.25, 0.5, 0.75):
        cut = int(len(text) * share)
        kept = {definition.name for definition in file_symbols(text[:cut], language).definitions}
        early = {
            definition.name
            for definition in whole.definitions
            if definition.end < cut and not definition.owner
        }
        assert len(kept & early) >= len(early) / 2, (kept, early)


PIECES = st.sampled_from(
    [
        "\0",
        "\ud800",
        "é",
        "\r\n",
        "\n",
        '"',
        "'",
        "(",
        "}",
        "class A",
        "def f(",
        ":",
        "\t",
        "𝒳",
        "/*",
    ]
)


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(sorted(SOURCES)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.lists(PIECES, max_size=4))),
)
def test_no_text_makes_it_raise(path: str, edits: list[tuple[float, int, list[str]]]) -> None:
    text = SOURCES[path]
    for share, length, pieces in edits[:8]:
        at = int(share * len(text))
        text = text[:at] + "".join(pieces) + text[at + length :]
    for definition in file_symbols(text, language_of(path)).definitions:
        assert 0 <= definition.start <= definition.end <= len(text)
        assert len(definition.signature) <= 240


@pytest.mark.parametrize("piece", ["(", "{", "[", "f(", "a."])
@pytest.mark.parametrize("path", ["a.py", "a.rb", "a.ts", "a.cpp"])
def test_depth_is_no_danger(path: str, piece: str) -> None:
    assert file_symbols(piece * 4000, language_of(path)).imports == ()


if __name__ == "__main__":
    for case in CASES:
        path, source, _ = read(case)
        expected = tell(file_symbols(source, language_of(path)))
        case.write_text(f"{path}\n{source}{MARK}{expected}", encoding="utf-8")
