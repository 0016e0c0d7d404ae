"""Subjects, where their docstrings go, and what is written there: as the fixtures say."""

from importlib import resources

import pytest

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import LANGUAGES, language_of, query
from budgetai_core.docstrings.documentable import documentable_at, documentables
from budgetai_core.docstrings.parse.comment_syntax import comment_syntax
from support.docstring_cases import Case, cases, outcome, told

CASES = cases("subjects")
FORMS = cases("forms")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_subjects(case: Case) -> None:
    listed = [told(case.text, entry) for entry in documentables(case.parsed)]
    assert listed == case.expected.splitlines()


@pytest.mark.parametrize("case", FORMS.values(), ids=FORMS)
def test_forms(case: Case) -> None:
    assert outcome(case) == case.expected


def check_at(name: str, text: str, expected: str) -> None:
    """Which definition the cursor ▮ is in."""
    cursor = text.index("▮")
    parsed = ParsedDocument.of(text.replace("▮", ""), language_of(name))
    listed = documentable_at(parsed, cursor)
    assert (listed.name or listed.kind if listed else "") == expected


def test_the_innermost_subject_is_the_one_at_a_cursor() -> None:
    check_at("a.py", "import x\n\nclass A:\n    def f(self):\n        retu▮rn 1\n", "f")
    check_at("a.py", "import x\n\nclass A:\n  ▮  def f(self):\n        return 1\n", "f")
    check_at("a.py", "import x\n\nclass A:\n    x =▮ 1\n", "A")


def test_a_docstring_belongs_to_its_subject() -> None:
    check_at("a.go", "package p\n\n// F d▮oes.\nfunc F() {}\n", "F")
    check_at("a.rs", "/// Fi▮rst.\n/// Second.\n#[inline]\nfn f() {}\n", "f")


def test_a_module_is_found_on_its_first_line_and_in_its_docstring_only() -> None:
    check_at("a.py", "impo▮rt x\n", "module")
    check_at("a.py", '\n\n"""All\n▮of it."""\nimport x\n', "module")
    check_at("a.py", "import x\nimport ▮y\n", "")


def test_each_language_with_docstrings_has_queries_that_its_grammar_knows() -> None:
    known = [entry for entry in LANGUAGES if comment_syntax(entry)]
    assert all(query(entry, "docs") for entry in known)
    folder = resources.files("budgetai_core.context") / "queries" / "docs"
    files = {file.name for file in folder.iterdir()}
    assert files == {f"{name}.scm" for entry in known for name in entry.queries}


def test_other_languages_have_no_subjects() -> None:
    assert documentables(ParsedDocument.of("int f(int x) { return x; }", language_of("a.c"))) == ()
    assert documentables(ParsedDocument.of("def f(): pass", None)) == ()


def test_what_a_dataclass_does_not_take_is_no_parameter() -> None:
    text = (
        "@dataclass\nclass A:\n    a: int\n    b: ClassVar[int] = 1\n"
        "    c: int = field(default=1, init=False)\n    d: int = field(default=2)\n"
    )
    listed = documentables(ParsedDocument.of(text, language_of("a.py")))
    assert [entry.name for entry in listed[1].parameters] == ["a", "d"]


def test_references_are_parameters_in_rust() -> None:
    text = "fn f(&x: &i32, ref y: i32, &(a, b): &(i32, i32)) {}\n"
    listed = documentables(ParsedDocument.of(text, language_of("a.rs")))[-1]
    assert [entry.name for entry in listed.parameters] == ["x", "y"]
    assert listed.nameless == 1


def test_types_of_a_group_in_go_have_their_own_docstrings() -> None:
    text = "package p\n\n// Types of all.\ntype (\n\tA struct{}\n\n\t// B is.\n\tB int\n)\n"
    _, a, b = documentables(ParsedDocument.of(text, language_of("a.go")))
    assert (a.docstring, text[a.at :].startswith("\tA struct")) == (None, True)
    assert b.docstring and b.docstring.text == "B is."


@pytest.mark.parametrize(
    ("path", "text", "name", "below"),
    [
        ("a.py", "def f(x):\n    # type: (int) -> int\n    return x\n", "f", "-> int\n"),
        ("a.py", "def f(\n    x,  # type: int\n):\n    # type: (...) -> x\n    1\n", "f", "-> x\n"),
        ("a.py", "def f(x):\n    # pylint: disable=a\n    # fmt: off\n    ...\n", "f", "off\n"),
        ("a.py", "def f(x):\n    # So it is.\n    return x\n", "f", "f(x):\n"),
        ("a.py", "#!/bin/python\n# -*- coding: latin-1 -*-\nx = 1\n", "", "-*-\n"),
        ("a.py", "\n# coding: latin-1\nx = 1\n", "", "latin-1\n"),
        ("a.py", "\n# Said.\nx = 1\n", "", ""),
        ("a.ts", "#! /usr/bin/env node\nx();\n", "", "node\n"),
        ("a.js", "/* @flow */\n// @ts-check\n\nx();\n", "", "check\n"),
        ("a.rs", "#![allow(a)]\nfn f() {}\n", "", ""),
        ("a.ts", "// @ts-ignore\nfunction f() {}\n", "f", ""),
    ],
)  # fmt: skip
def test_nothing_is_put_above_what_has_its_meaning_by_its_place(
    path: str, text: str, name: str, below: str
) -> None:
    entries = documentables(ParsedDocument.of(text, language_of(path)))
    (documentable,) = [documentable for documentable in entries if documentable.name == name]
    assert text[: documentable.at].endswith(below) and (below or documentable.at == 0)


def test_a_receiver_and_what_a_base_gives_may_be_listed() -> None:
    def check(path: str, text: str, name: str, *allowed: str, open_ended: bool = False) -> None:
        entries = documentables(ParsedDocument.of(text, language_of(path)))
        (documentable,) = [documentable for documentable in entries if documentable.name == name]
        assert (documentable.allowed, documentable.open_ended) == (allowed, open_ended)
        assert not {parameter.name for parameter in documentable.parameters} & set(allowed)

    check("a.rs", "impl A {\n fn f(&mut self, x: u8) {}\n}\n", "f", "self")
    check("a.rs", "impl A {\n fn f(self: Box<Self>) {}\n}\n", "f", "self")
    check("a.ts", "function f(this: Window, x: number) {}\n", "f", "this")
    check("a.py", "class A:\n    def f(self, x): ...\n", "f", "self")
    check("a.py", "def f(cls, x): ...\n", "f", "cls")
    base = (
        "@dataclass\nclass A:\n    a: int\n\n\n@define\nclass B(A, metaclass=M):\n    b: int\n\n\n"
    )
    check("a.py", f"{base}@dataclass\nclass C(B, Generic[T]):\n    c: int\n", "C", "b", "a")
    check("a.py", f"{base}@dataclass\nclass C(m.D):\n    c: int\n", "C", open_ended=True)
    check("a.py", "class A(A, BaseModel):\n    a: int\n", "A")
