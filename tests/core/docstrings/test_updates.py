"""A docstring that is brought up to date loses what the code has lost, and nothing else."""

import random
from dataclasses import dataclass

import pytest

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import language_of
from budgetai_core.context.prompt import Snapshot
from budgetai_core.docstrings.documentable import documentables
from budgetai_core.docstrings.style import DocstringStyle
from budgetai_server.docstrings.generate import DocstringGenerator
from support.docstring_cases import Case, cases
from support.says import Says
from support.updating import NEW, brought_up_to_date

UPDATES = cases("updates")
GONE = ("gone", "lost")

PLAIN = DocstringStyle("plain", '"""', parameters=False, returns=False, raises=False)
GOOGLE = '''
def f(a, b, **more):
    """Does it.

    Args:
        a (int): The a.
        key: One of more.

    Returns:
        dict: Things.

    Raises:
        KeyError: From below.
    """
    return a
'''
ATTRIBUTES = '''
class C:
    """A class.

    Args:
        a: The a.

    Attributes:
        q (int): The q.
    """

    def __init__(self, a, b): pass
'''
SPHINX = """
def f(a, b):
    '''Reads \"\"\" marks.

    :param a: The a.
    :type a: int
    :ivar u: Other.
    :meta private:
    '''
"""
NUMPY = '''
def f(a, b):
    """Does it.

    Parameters
    ----------
    a : int, optional
        The a.

    Raises
    ------
    KeyError
        From below.

    Warns
    -----
    UserWarning
        When.

    Our Own
    -------
    Text.
    """
'''
JSDOC = """
/**
 * Does it.
 * @template T
 * @param {Object} a The a.
 * @param {number} a.size Its size.
 * @returns {number} The n.
 * @throws {KeyError} From below.
 */
function f(a, b) { return g(a); }
"""
JAVADOC = """
class A {
    /**
     * Does it.
     * @param <T> The type.
     * @param a The a.
     * @throws IllegalStateException From below.
     */
    <T> T f(T a, int b) { return g(a); }
}
"""
RUST = """
/// Does it.
///
/// # Arguments
///
/// * `a` - The a.
///
/// # Returns
///
/// The thing.
///
/// # Panics
///
/// When it does.
///
/// # FFI Notes
///
/// Foo.
fn f(a: i32, b: i32) -> i32 { a.g() }
"""


@pytest.mark.parametrize(
    ("path", "text", "habits"),
    [
        ("a.py", GOOGLE, PLAIN),
        ("a.py", ATTRIBUTES, PLAIN),
        ("a.py", SPHINX, PLAIN),
        ("a.py", NUMPY, PLAIN),
        ("a.js", JSDOC, DocstringStyle("jsdoc", "/**", raises=False)),
        ("A.java", JAVADOC, DocstringStyle("javadoc", "/**", raises=False, returns=False)),
        ("a.rs", RUST, DocstringStyle("rust", "///", parameters=False, returns=False)),
    ],
)
def test_an_update_keeps_what_was_written(path: str, text: str, habits: DocstringStyle) -> None:
    documented = [
        definition
        for definition in documentables(ParsedDocument.of(text, language_of(path)))
        if definition.docstring
    ]
    generator = DocstringGenerator(Snapshot("r", path, text, 0), documented[-1], habits)
    while generator.part:
        assert generator.part in ("parameter b", "parameter more", "returns")
        generator.generate_part(Says("New."))
    written = generator.written()
    for line in text[written.start : written.end].split("\n"):
        assert written.text.count(line.strip()) == text.count(line.strip()) or not line.strip(" */")


@pytest.mark.parametrize("case", UPDATES.values(), ids=UPDATES)
def test_stale_lines_change_and_no_others(case: Case) -> None:
    once = brought_up_to_date(case.name, case.text)
    assert once == case.expected
    assert brought_up_to_date(case.name, once) == once
    crowded = brought_up_to_date(case.name, case.text.replace("\n", "\t \n"))
    assert [line.rstrip() for line in crowded.split("\n")] == once.split("\n")


@dataclass(frozen=True)
class Form:
    """What stands around a docstring, the mark of its lines, a heading, an entry for `NAME`, and
    what is none of them: it has to stay, wherever it stands."""

    path: str
    before: str
    after: str
    mark: str
    entry: str
    others: tuple[str, ...]
    heading: tuple[str, ...] = ()


PYTHON = "def f(x, y):\n    "
TYPESCRIPT = " */\nfunction f(x, y) {}\n"
JAVA = "    void f(int x, int y) {}\n}\n"
TAGS = ("@return a", "@throws E a\n@throws E b", "@param <T> type", "\n<p>More.\n")
STYLES = {
    "google": Form(
        "a.py", f'{PYTHON}"""Do.\n\n', '    """\n', "    ", "    NAME: It is\n        this.",
        ("    Note: kept.", "    See it.", "Example:\n    gone: x", "",
         "Raises:\n    E: a\n    E: b"),
        ("Args:",),
    ),
    "numpy": Form(
        "a.py", f'{PYTHON}r"""Do.\n\n', '    """\n', "    ", "NAME : int\n    It is.\n\n    So.",
        (".. note:: kept", "See it.", "Notes\n-----\ngone : x", "", "Raises\n------\nE\n    a\nE"),
        ("Parameters", "----------"),
    ),
    "sphinx": Form(
        "a.py", f"{PYTHON}'''Do.\n\n", "    '''\n", "    ",
        ":param dict[str, int] NAME: It is\n    this.",
        (":raises E: a", ":raises E: b", ":meta private:", "\nA paragraph.\n",
         ".. note::\n\n    :param gone: x\n"),
    ),
    "epydoc": Form(
        "a.py", f'{PYTHON}"""Do.\n\n', '    """\n', "    ", "@param NAME: It is\n    this.",
        ("@raise E: a", "@note: b", "\nA paragraph.\n"),
    ),
    "jsdoc": Form(
        "a.ts", "/**\n * Do.\n", TYPESCRIPT, " * ",
        "@param {{a: string,\n  b: number}} NAME - It is\n  this.",
        ("@returns {void}", "@example\n```\n@param gone - x\n```", "\nA paragraph.\n"),
    ),
    "javadoc": Form(
        "A.java", "class A {\n    /**\n     * Do.\n", f"     */\n{JAVA}", "     * ",
        "@param NAME It is\n  this.", (*TAGS, "\n{@code\n@param gone x\n}"),
    ),
    "markdown": Form(
        "A.java", "class A {\n    /// Do.\n", JAVA, "    /// ", "@param NAME It is\n  this.", TAGS
    ),
    "rust": Form(
        "a.rs", "/// Do.\n", "fn f(x: i32, y: i32) {}\n", "/// ", "* `NAME` - It is\n  this.",
        ("\nA remark.", "# Errors\n\nSome.", "```\n* `gone` - x\n```", "# Notes\n\n* gone - x"),
        ("", "# Arguments", ""),
    ),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_what_is_no_stale_entry_stays_wherever_it_stands(style: str) -> None:
    form, rng = STYLES[style], random.Random(style)
    for _ in range(60):
        names = rng.sample(["x", "y", "gone", "lost"], rng.randint(1, 4))
        pieces = [(name, form.entry.replace("NAME", name)) for name in names]
        others = rng.sample(form.others, rng.randint(0, len(form.others)))
        rest = [*pieces[1:], *(("", piece) for piece in others)]
        if not form.heading:
            rng.shuffle(rest)
        lines = [("", line) for line in form.heading]
        lines += [(name, line) for name, piece in (pieces[0], *rest) for line in piece.split("\n")]
        inside = "".join(f"{form.mark}{line}".rstrip() + "\n" for _, line in lines)
        text = form.before + inside + form.after
        new = brought_up_to_date(form.path, text)
        kept = [f"{form.mark}{line}".rstrip() for name, line in lines if name not in GONE]
        left = iter(new.split("\n"))
        lost = [line for line in kept if line.strip(" */") and line not in left]
        assert not lost, f"{text}\n{new}"
        assert new.startswith(form.before) and new.endswith(form.after)
        lacking = {"x", "y"} - set(names)
        assert new.count(NEW) == len(lacking), f"{text}\n{new}"
        added = new.count("\n") - text.count("\n") + len(lines) - len(kept)
        assert added <= 2 * len(lacking), f"{text}\n{new}"
        assert brought_up_to_date(form.path, new) == new
