"""The form is that of the habits, and what a model says in it is read back under the same names."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import language_of
from budgetai_core.docstrings.documentable import Documentable, documentables
from budgetai_core.docstrings.edit import replacement
from budgetai_core.docstrings.parse.comment_syntax import closing
from budgetai_core.docstrings.parse.sections import sections
from budgetai_core.docstrings.style import DocstringStyle, repository_style
from budgetai_core.docstrings.template import Free, Literal, clean, template
from support.docstring_cases import cases

FORMS = cases("forms")
LINES = st.text(st.characters(codec="utf-8") | st.sampled_from(".:-\"'\\*/@# `"), max_size=30)


def first(name: str, text: str) -> Documentable:
    return next(
        e for e in documentables(ParsedDocument.of(text, language_of(name))) if e.kind != "module"
    )


def habits_of(name: str, text: str) -> DocstringStyle:
    language = language_of(name)
    assert language
    return repository_style(documentables(ParsedDocument.of(text, language)), language)


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=8, deadline=None)
@given(data=st.data(), types=st.booleans())
def test_what_is_said_is_read_under_the_same_names(
    name: str, data: st.DataObject, types: bool
) -> None:
    case = FORMS[name]
    style_read = documentables(case.parsed)
    number = data.draw(st.sampled_from(range(len(style_read))))
    documentable, own = style_read[number], repository_style(style_read, case.language)
    style = DocstringStyle(case.style, own.mark, types=types, parameters=case.style != "go")
    filling = ""
    for part in template(documentable, style):
        spoken = "" if isinstance(part, Literal) else clean(data.draw(LINES), closing(own.mark))
        filling += part.text if isinstance(part, Literal) else f"Say {spoken}".rstrip()
    start, end, new = replacement(case.text, documentable, style, filling)
    again = documentables(
        ParsedDocument.of(case.text[:start] + new + case.text[end:], case.language)
    )[number]
    assert again.docstring
    read = sections(again.docstring.text, case.language)
    free = {part.name for part in template(documentable, style) if isinstance(part, Free)}
    assert {f"parameter {name}" for name in read.parameters} == {
        name for name in free if name.startswith("parameter ")
    }
    assert {f"raises {name}" for name in read.raises} == {n for n in free if n.startswith("raises")}
    assert (read.returns is not None) == ("returns" in free)


@pytest.mark.parametrize(
    ("text", "closing", "expected"),
    [
        ("Adds it.. ", '"""', "Adds it."),
        ("And so on...", '"""', "And so on..."),
        ("One.\nTwo.", '"""', "One."),
        ('Ends here."""\n', '"""', "Ends here."),
        ('Says "x"', '"""', 'Says "x".'),
        ('Says x"', '"""', "Says x"),
        ("Path a\\", '"""', "Path a"),
        ("Bell \a\x00\ud800 rings", '"""', "Bell  rings"),
        ("Ends */ code()", "*/", "Ends"),
        ('Says "x"', "", 'Says "x"'),
    ],
)
def test_clean(text: str, closing: str, expected: str) -> None:
    assert clean(text, closing) == expected


def test_habits_are_those_of_most() -> None:
    numpy = (
        'def f{}(x: int):\n    """\n    A.\n\n    Parameters\n    ----------\n    x : int\n'
        '        One.\n    """\n    return 1\n'
    )
    style_read = habits_of("a.py", "".join(numpy.replace("{}", str(n)) for n in range(4)))
    assert style_read == DocstringStyle(
        "numpy", '"""', types=True, returns=False, summary_below=True
    )


def test_prose_is_plain_and_as_long_as_usual() -> None:
    text = "".join(f"def f{n}(x):\n    '''A\n    b\n    c.'''\n    return x\n" for n in range(3))
    style_read = habits_of("a.py", text)
    assert (style_read.style, style_read.mark, style_read.lines, style_read.parameters) == (
        "plain",
        "'''",
        3,
        False,
    )
    parts = template(first("a.py", text), style_read)
    assert parts == (Free("summary", 84, 3), Literal("\n    "))


def test_defaults_without_any_docstring() -> None:
    assert habits_of("a.py", "def f(x): pass\n") == DocstringStyle("google", '"""')
    assert habits_of("a.ts", "function f() {}\n").style == "jsdoc"
    assert habits_of("a.java", "class A {}\n").returns_tag == "return"
    assert habits_of("a.go", "package p\n") == DocstringStyle(
        "go", "//", parameters=False, returns=False
    )


def test_javascript_habits() -> None:
    text = "".join(
        f"/**\n * A.\n * @param {{number}} x - one\n * @return {{number}} two\n */\n"
        f"function f{n}(x) {{ return x; }}\n"
        for n in range(3)
    )
    style_read = habits_of("a.js", text)
    assert (style_read.dash, style_read.types, style_read.returns_tag) == (True, True, "return")
    assert style_read.summary_below
