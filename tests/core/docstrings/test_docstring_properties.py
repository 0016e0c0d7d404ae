"""No code is touched, whatever is put in; and what is put in is found again."""

import ast
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import language_of
from budgetai_core.context.tree import errors, nodes
from budgetai_core.docstrings.documentable import Documentable, documentables
from budgetai_core.docstrings.edit import insertion_point, replacement
from budgetai_core.docstrings.lint import lint, stale
from budgetai_core.docstrings.parse.sections import sections
from budgetai_core.docstrings.style import DocstringStyle, repository_style
from budgetai_core.docstrings.worth_learning import worth_learning
from support.docstring_cases import cases, documented, filled

SERVER = Path(__file__).parents[3] / "server/budgetai_server"
SOURCES = sorted(SERVER.glob("context/*.py"))
STYLES = ("google", "numpy", "sphinx", "plain")
PYTHON = language_of("a.py")
DOCUMENTS = cases("subjects")
NASTY = st.text(st.sampled_from("ab {}\n\t\"'\\*/#.:@`é𝒳\0\r\ud800-u!"), max_size=60)


def code(text: str) -> str:
    """The program without its docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        documents = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        if isinstance(node, documents) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def shape(parsed: ParsedDocument) -> list[str]:
    """The tree without comments, which a docstring is, and without Python's strings."""
    skipped = ("comment", "string", "expression_statement", "doc", "escape", "block", "ERROR")
    originals = nodes(parsed.text, parsed.language)
    return [
        definition.type
        for definition in originals
        if not any(part in definition.type for part in skipped)
    ]


def put(text: str, documentable: Documentable, style: DocstringStyle, inside: str) -> str:
    start, end, new = replacement(text, documentable, style, inside)
    return text[:start] + new + text[end:]


@pytest.mark.parametrize("style", STYLES)
def test_all_docstrings_of_real_modules_are_written_and_nothing_else(style: str) -> None:
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        originals = documentables(ParsedDocument.of(text, PYTHON))
        written = documented(text, originals, DocstringStyle(style, '"""'))
        assert code(written) == code(text), path
        again = documentables(ParsedDocument.of(written, PYTHON))
        assert [(definition.kind, definition.name) for definition in again] == [
            (definition.kind, definition.name) for definition in originals
        ]
        assert all(
            definition.docstring and definition.docstring.text.startswith("SUMMARY")
            for definition in again
        )


@pytest.mark.parametrize("name", DOCUMENTS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_inside_leaves_the_code_as_it_is(name: str, data: st.DataObject) -> None:
    case = DOCUMENTS[name]
    originals = documentables(case.parsed)
    documentable = data.draw(st.sampled_from(originals))
    written = put(
        case.text, documentable, repository_style(originals, case.language), data.draw(NASTY)
    )
    parsed = ParsedDocument.of(written, case.language)
    assert errors(parsed) <= errors(case.parsed)
    assert shape(parsed) == shape(case.parsed)
    assert len(documentables(parsed)) == len(originals)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_put_in_is_found_at_the_same_subject(name: str) -> None:
    case = DOCUMENTS[name]
    originals = documentables(case.parsed)
    style = repository_style(originals, case.language)
    for number, documentable in enumerate(originals):
        written = put(case.text, documentable, style, filled(documentable, style))
        again = documentables(ParsedDocument.of(written, case.language))[number]
        assert (again.kind, again.name) == (documentable.kind, documentable.name)
        assert again.parameters == documentable.parameters
        assert again.docstring and "SUMMARY" in again.docstring.text
        assert lint(again, again.docstring.text, case.language).invented == ()
        assert stale(again, case.language) == ()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_hole_is_an_empty_docstring(name: str) -> None:
    case = DOCUMENTS[name]
    originals = documentables(case.parsed)
    style = repository_style(originals, case.language)
    for documentable in originals:
        empty = insertion_point(case.text, documentable, style)
        assert empty.text[: empty.cursor].endswith(empty.opening)
        assert empty.text[empty.cursor :].startswith(empty.closing or "\n")
        inside = filled(documentable, style)
        filled_in = empty.text[: empty.cursor] + inside + empty.text[empty.cursor :]
        assert filled_in == put(case.text, documentable, style, inside)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_nothing_raises_on_broken_texts_and_their_code_stays(name: str) -> None:
    case = DOCUMENTS[name]
    rng = random.Random(name)
    for _ in range(25):
        start, end = sorted(rng.choices(range(len(case.text)), k=2))
        text = case.text[:start] + case.text[end:] if rng.random() < 0.5 else case.text[:end]
        originals = documentables(ParsedDocument.of(text, case.language))
        style = repository_style(originals, case.language)
        for documentable in rng.sample(originals, min(3, len(originals))):
            begin, stop, new = replacement(text, documentable, style, filled(documentable, style))
            removed = text[begin:stop]
            doc = documentable.docstring
            assert not removed.strip() or (doc and (begin, stop) == (doc.start, doc.end))
            assert "SUMMARY" in new
            assert (
                documentable.end <= len(text)
                and worth_learning(documentable, case.language) is not None
            )


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.sampled_from("Args:Return\n -=`*@#{}[](),.ab:>"), max_size=200))
def test_any_text_has_sections(text: str) -> None:
    for name in ("a.py", "a.ts", "a.rs", "a.go"):
        language = language_of(name)
        assert language
        sections(text, language)
        sections(f"{text}\n\nArgs:\n  x: {text}\n\nReturns\n-----\n{text}", language)


def test_a_raw_string_stays_one_and_backslashes_make_one() -> None:
    def check(document: str, inside: str, expected: str) -> None:
        documentable = documentables(ParsedDocument.of(document, PYTHON))[-1]
        assert put(document, documentable, DocstringStyle("plain", '"""'), inside) == expected

    check("def f():\n    pass\n", r"At \d.", 'def f():\n    r"""At \\d."""\n    pass\n')
    check("def f():\n    pass\n", "A \\\\ b.", 'def f():\n    """A \\\\ b."""\n    pass\n')
    check('def f():\n    r"a\\\\b"\n', "a\\\\b", 'def f():\n    r"""a\\\\b"""\n')


def test_a_windows_mark_stays_first() -> None:
    text = "\ufeffimport x\n"
    module = documentables(ParsedDocument.of(text, PYTHON))[0]
    assert (
        put(text, module, DocstringStyle("plain", '"""'), "All.")
        == '\ufeff"""All."""\n\nimport x\n'
    )
    package = documentables(ParsedDocument.of("\ufeffpackage p\n", language_of("a.go")))[0]
    written = put("\ufeffpackage p\n", package, DocstringStyle("go", "//"), " Package p.")
    assert written == "\ufeff// Package p.\npackage p\n"


def test_a_text_is_looked_at_once_while_it_stays() -> None:
    parsed = ParsedDocument.of("def f(x):\n    pass\n", PYTHON)
    assert documentables(parsed) is documentables(parsed)


def test_line_comments_never_swallow_code() -> None:
    rust = language_of("a.rs")
    text = "/** Old. */ fn f() {}\n"
    documentable = documentables(ParsedDocument.of(text, rust))[-1]
    assert (
        put(text, documentable, DocstringStyle("rust", "///"), " New.") == "/// New.\nfn f() {}\n"
    )


def test_deep_and_long_texts_are_read() -> None:
    deep = "".join(f"{' ' * n}def f{n}(x):\n" for n in range(90)) + " " * 90 + "return 1\n"
    assert len(documentables(ParsedDocument.of(deep, PYTHON))) > 80
    long = "class A:\n" + "    def f(self, x):\n        return x\n\n" * 2000
    assert len(documentables(ParsedDocument.of(long, PYTHON))) == 2002
