"""A docstring that is brought up to date loses what the code has lost, and nothing else."""

import pytest

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import language_of
from budgetai_core.context.prompt import Snapshot
from budgetai_core.docstrings.documentable import documentables
from budgetai_core.docstrings.style import DocstringStyle
from budgetai_server.docstrings.generate import Writing
from support.says import Says

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
    found = [
        each for each in documentables(ParsedDocument.of(text, language_of(path))) if each.docstring
    ]
    writing = Writing(Snapshot("r", path, text, 0), found[-1], habits)
    while writing.part:
        assert writing.part in ("parameter b", "parameter more", "returns")
        writing.say(Says("New."))
    written = writing.written()
    for line in text[written.start : written.end].split("\n"):
        assert written.text.count(line.strip()) == text.count(line.strip()) or not line.strip(" */")
