"""What docstrings say in each style, whether it agrees with the code, and what is learnt from."""

import pytest

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import language_of
from budgetai_core.docstrings.documentable import Documentable, documentables
from budgetai_core.docstrings.lint import LintResult, lint, stale
from budgetai_core.docstrings.parse.sections import Sections, sections, style_of
from budgetai_core.docstrings.worth_learning import worth_learning

GOOGLE = """Adds things.

More of it.

Args:
    x (int, optional): One
        and on.
    *args: All `a: b` of them.
    y, z: Two.

Returns:
    int: The sum.

Raises:
    - ValueError: If: bad.

Example:
    add(1)
"""
NUMPY = """Adds things.

Parameters
----------
x : int, optional
    One.
y, z : {'a', 'b'}
    Two.
*args
    All.

Returns
-------
total : int
    The sum.

Raises
------
errors.Bad
    Never.

See Also
--------
other
"""
SPHINX = """Adds things.

:param x: One
    and on.
:type x: int
:param dict[str, int] y: Two.
:param :class:`~a.Thing` z: Three.
:param u, v: Both.
:returns: The sum.
:rtype: int
:raises ValueError: If bad.
"""


def check(name: str, text: str, **expected: object) -> None:
    language = language_of(name)
    assert language
    found = sections(text, language)
    assert {key: getattr(found, key) for key in expected} == expected


def test_google() -> None:
    check(
        "a.py", GOOGLE, summary="Adds things.", description="More of it.\n\nExample:\n    add(1)",
        parameters={"x": "One\nand on.", "args": "All `a: b` of them.", "y": "Two.", "z": "Two."},
        returns="The sum.", raises={"ValueError": "If: bad."},
    )  # fmt: skip


def test_google_without_a_summary_and_with_types_alone() -> None:
    text = "Args:\n    x (`dict[str, (int)]`, *optional*)\n        One.\nReturns: that"
    check("a.py", text, summary="", parameters={"x": "One."}, returns="that")


def test_numpy() -> None:
    check(
        "a.py", NUMPY, summary="Adds things.",
        parameters={"x": "One.", "y": "Two.", "z": "Two.", "args": "All."},
        returns="The sum.", raises={"Bad": "Never."},
    )  # fmt: skip


def test_sphinx() -> None:
    check(
        "a.py", SPHINX, summary="Adds things.",
        parameters={"x": "One\nand on.", "y": "Two.", "z": "Three.", "u": "Both.", "v": "Both."},
        returns="The sum.", raises={"ValueError": "If bad."},
        types={"x": "int", "y": "dict[str, int]", "z": ":class:`~a.Thing`", "u": "", "v": "",
               "return": "int"},
    )  # fmt: skip


def test_epydoc() -> None:
    check(
        "a.py", SPHINX.replace("\n:", "\n@").replace("@param :class", "@param C z:\n:class"),
        summary="Adds things.", returns="The sum.", raises={"ValueError": "If bad."},
    )  # fmt: skip
    assert style_of("A.\n\n@param x: One.") == "epydoc"


def test_what_is_behind_a_field_is_no_part_of_it() -> None:
    text = ":param x: One\n    and on,\n\n    and more.\n\nExample::\n\n    :param y: it\n\nEnd."
    check("a.py", text, parameters={"x": "One\nand on,\n\nand more."}, summary="Example::")


def test_code_has_no_headings_and_no_tags() -> None:
    google = "A.\n\n```\nArgs:\n    x: No.\n```\n\nArgs:\n    y: Yes.\n\n>>> :param z: no"
    check("a.py", google, parameters={"y": "Yes."})
    java = "A.\n{@code\n@param x no\n}\n<pre>\n@param z no\n</pre>\n@param y yes"
    check("A.java", java, parameters={"y": "yes"})
    check("a.ts", "A.\n```\n@param x no\n```\n@param y yes", parameters={"y": "yes"})
    check("a.ts", "A {@link B\n@param y yes", parameters={"y": "yes"})


def test_prose_has_a_summary_alone() -> None:
    text = "Adds: things\nover lines.\n\nNote: x is not a parameter."
    check("a.py", text, summary="Adds: things\nover lines.", parameters={}, returns=None)
    assert style_of(text) == "plain"


def test_tags() -> None:
    text = """Adds {@link things}.

@param {{a: string}} options - all of them
@param {string} options.name its name
@param {number} [y=[1]] Two
  and on.
@param <T> a type
@returns {number} The sum.
@throws {RangeError} if far
@throws IOException never
@example
add(1)"""
    check(
        "a.js", text, summary="Adds {@link things}.",
        parameters={
            "options": "all of them", "y": "Two\nand on.",
        }, returns="The sum.",
        raises={"RangeError": "if far", "IOException": "never"},
    )  # fmt: skip


def test_rust() -> None:
    text = """Adds.

# Arguments

* `x` - One
  and on.
- y: Two

# Errors

If bad.

# Examples

```
# Errors
```"""
    check(
        "a.rs", text, summary="Adds.", parameters={"x": "One\nand on.", "y": "Two"},
        raises={"Errors": "If bad."},
    )  # fmt: skip


def documentable(name: str, text: str) -> Documentable:
    found = documentables(ParsedDocument.of(text, language_of(name)))
    return next(each for each in found if each.kind != "module")


def documented(text: str, head: str = "def add(x, y=1, *args):") -> Documentable:
    inside = text.replace("\n", "\n    ")
    return documentable("a.py", f'{head}\n    """{inside}"""\n    return x\n')


def compared(text: str, **more: str) -> LintResult:
    language = language_of("a.py")
    assert language
    found = documented(text, **more)
    assert found.docstring
    return lint(found, found.docstring.text, language)


def stale_in(text: str, **more: str) -> tuple[str, ...]:
    language = language_of("a.py")
    assert language
    return stale(documented(text, **more), language)


def test_agreement_is_sound() -> None:
    found = compared("A.\n\nArgs:\n    x: One.\n    y: Two.\n\nReturns:\n    All.")
    assert found == LintResult(3) and found.sound and found.score == 1.0


def test_missing_and_invented_parts_are_told() -> None:
    found = compared("A.\n\nArgs:\n    x: One.\n    z: Two.\n\nRaises:\n    KeyError: No.")
    assert found.missing == ("parameter y", "returns")
    assert found.invented == ("parameter z", "raises KeyError")
    assert found.score == pytest.approx(1 / 3)


def test_prose_is_missing_all_and_never_stale() -> None:
    assert compared("Adds x and y.") == LintResult(0, ("parameter x", "parameter y", "returns"))
    assert stale_in("Adds x and y.") == ()


def test_stale_where_parameters_differ() -> None:
    assert stale_in("A.\n\nArgs:\n    x: One.\n    z: Two.") == ("parameter z", "parameter y")
    assert stale_in("A.\n\nArgs:\n    x, y: Both.") == ()
    assert stale_in("A.\n\n:param x: One.\n:param y: Two.\n:param args: All.") == ()
    assert stale_in("A.\n\nReturns:\n    All.") == ()


def test_what_keywords_take_is_not_invented() -> None:
    head = "def add(x, **options):"
    assert stale_in("A.\n\nArgs:\n    x: One.\n    colour: Two.", head=head) == ()


def test_attributes_of_a_class_are_no_parameters() -> None:
    language = language_of("a.py")
    assert language
    text = 'class A:\n    """A.\n\n    Attributes:\n        z: One.\n    """\n'
    assert stale(documentable("a.py", text + "    def __init__(self, x): pass\n"), language) == ()


def test_go_and_rust_name_parts_in_sentences() -> None:
    go, rust = language_of("a.go"), language_of("a.rs")
    assert go and rust
    text = "package p\n\n// Add returns x.\nfunc Add(x, y int) int { return x }\n"
    assert lint(documentable("a.go", text), "Add returns x.", go) == LintResult(2, ("parameter y",))
    text = "fn add(x: u8) -> Result<u8> {}\n"
    assert lint(documentable("a.rs", text), "Adds `x`.", rust).missing == (
        "returns",
        "raises Errors",
    )
    assert lint(documentable("a.rs", text), "Returns x or an error.", rust).sound


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Adds one number to another.", ""),
        ("...", "empty"),
        ("Add x. " * 400, "too_long"),
        ("TODO: write this down.", "boilerplate"),
        ("Add.", "boilerplate"),
        ("Sums.\n>>> add(1)\n1\n>>> add(2)\n>>> add(3)", "not_prose"),
        ("| 1 | 2 | 3 | ---- | total ==== 99 |", "not_prose"),
        ("Sums up.\n\nArgs:\n    gone: Was here before.", "stale"),
    ],
)
def test_what_is_learnt_from(text: str, expected: str) -> None:
    language = language_of("a.py")
    assert language
    assert worth_learning(documented(text), language) == expected


def test_nothing_is_learnt_without_a_docstring() -> None:
    language = language_of("a.py")
    assert language
    assert worth_learning(documentable("a.py", "def f(): pass\n"), language) == "none"
    assert Sections("x").any is False
