"""A type that contradicts the signature is brought up to date, in its place; all that can be meant
stays as it is written."""

from collections.abc import Callable

import pytest

from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import language_of
from budgetai_core.docstrings.documentable import documentables
from budgetai_core.docstrings.lint import stale
from support.updating import brought_up_to_date

GOOGLE = """
def f(first, x: {annotation}, b=1):
    '''Does it.

    Args:
        first (in words): Left alone.
        x ({told}): The {told} it is,
            over lines (int).
        b (int): The b.
    '''
"""
NUMPY = """
def f(x: {annotation}):
    '''Does it.

    Parameters
    ----------
    x : {told}
        The {told}.
    '''
"""
FIELD = """
def f(x: {annotation}):
    '''Does it.

    :param x: The {told}.
    :type x: {told}
    '''
"""
PARAM = """
def f(x: {annotation}):
    '''Does it.

    :param {told} x: The {told}.
    '''
"""
EPYDOC = """
def f(x: {annotation}):
    '''Does it.

    @param x: The {told}.
    @type x: {told}
    '''
"""
JSDOC = """
/**
 * Does it.
 *
 * @param {{{told}}} x - The {{@link {told}}}.
 */
function f(x: {annotation}) {{}}
"""
ATTRIBUTES = """
@dataclass
class A:
    '''Holds it.

    Attributes:
        x ({told}): The {told}.
    '''

    x: {annotation}
"""
RETURNS = """
def f() -> {annotation}:
    '''Does it.

    Returns:
        {told}: The {told}.
    '''
"""
RETURNS_NUMPY = """
def f() -> {annotation}:
    '''Does it.

    Returns
    -------
    {told}
        The {told}.
    '''
"""
RETURNS_NAMED = RETURNS_NUMPY.replace("    {told}\n", "    out : {told}\n")
RTYPE = """
def f() -> {annotation}:
    '''Does it.

    :returns: The {told}.
    :rtype: {told}
    '''
"""
RETURNS_JSDOC = """
/**
 * Does it.
 * @returns {{{told}}} The {told}.
 */
function f(): {annotation} {{ return g(); }}
"""
PYTHON = (GOOGLE, NUMPY, FIELD, EPYDOC, ATTRIBUTES)
RETURNING = (RETURNS, RETURNS_NUMPY, RETURNS_NAMED, RTYPE)


def path_of(form: str) -> str:
    return "a.ts" if "function" in form else "a.py"


def is_stale(path: str, text: str) -> bool:
    language = language_of(path)
    assert language
    parsed = ParsedDocument.of(text, language)
    return any(stale(documentable, language) for documentable in documentables(parsed))


def becomes(form: str, annotation: str, told: str, wanted: str) -> None:
    """The type alone is changed, and what says the same elsewhere is not; then all agrees."""
    text = form.format(annotation=annotation, told=told)
    at = {"x (": 3, "x : ": 4, "type x: ": 8, "param {": 7, "param ": 6, "out : ": 6}
    at |= {"rtype: ": 7, "@returns {": 10, "Returns:\n        ": 17, "-------\n    ": 12}
    places = [text.find(f"{mark}{told}") + size for mark, size in at.items() if mark + told in text]
    place = places[0]
    expected = text[:place] + wanted + text[place + len(told) :]
    assert brought_up_to_date(path_of(form), text) == expected
    assert is_stale(path_of(form), text) == (told != wanted)
    assert not is_stale(path_of(form), expected)


@pytest.mark.parametrize("form", PYTHON)
@pytest.mark.parametrize(
    ("annotation", "told", "wanted"),
    [
        ("int", "str", "int"),
        ("'Foo'", "Bar", "Foo"),
        ("list[str]", "list of int", "list[str]"),
        ("dict[str, list[int]]", "Dict[str, List[str]]", "dict[str, list[int]]"),
        ("tuple[int, int]", "list", "tuple[int, int]"),
        ("int | str", "int", "int | str"),
        ("Union[int, str]", "int", "Union[int, str]"),
        ("Path", "str", "Path"),
        ("Annotated[int, Query(ge=1)]", "str", "int"),
        ("int", "int | None", "int"),
        ("int", "`str`", "`int`"),
        ("np.ndarray", "Matrix", "np.ndarray"),
        ("Callable[[int], str]", "str", "Callable[[int], str]"),
    ],
)
def test_a_type_that_contradicts_the_signature_is_changed_alone(
    form: str, annotation: str, told: str, wanted: str
) -> None:
    becomes(form, annotation, told, wanted)


SAME = [
    ("int", "int"),
    ("Optional[int]", "int | None"),
    ("Optional[int]", "int or None"),
    ("int | None", "Optional[int]"),
    ("int | None", "int"),
    ("List[int]", "list of int"),
    ("list[int]", "list of ints"),
    ("list[int]", "list"),
    ("list", "list[int]"),
    ("Sequence[int]", "list[int]"),
    ("np.ndarray", "ndarray"),
    ("np.ndarray", "numpy.ndarray"),
    ("np.ndarray", "array-like"),
    ("np.ndarray", "list[float]"),
    ("np.ndarray", "ndarray, shape (n,)"),
    ("torch.Tensor", "torch.LongTensor"),
    ("typing.Any", "int"),
    ("T", "int"),
    ("StrPath", "str"),
    ("Device", "torch.device or int"),
    ("Literal['a', 'b']", "str"),
    ("str", "{'a', 'b'}"),
    ("Callable[[int], str]", "callable"),
    ("int | float", "float"),
    ("tuple[int, int]", "tuple of int"),
    ("tuple[int, ...]", "tuple[int, int]"),
    ("'Foo'", "Foo"),
    ("Foo", ":class:`~a.Foo`"),
    ("str", "path"),
    ("str", "Deprecated"),
    ("bool", "boolean"),
    ("str", "string"),
    ("int", "positive int"),
    ("int", "int, at least 1"),
    ("int", "str, int"),
    ("list[_Color]", "List[Tuple[int, int]]"),
    ("Iterable[Config]", "Iterable[dict]"),
    ("Union[str, Style]", "StyleType"),
    ("Tensor | Iterable[Tensor]", "Tensor or iterable of Tensors"),
    ("Array | complex", "Array | int | float | complex | bool"),
    ("int | float | complex", "number"),
    ("float", "np.float64"),
    ("int", "numpy.int64"),
    ("bool", "numpy.bool_"),
    ("Any", "None"),
    ("str", "[`str`]"),
    ("Iterable[A] | Iterable[B]", "Optional[Iterable[A]], Optional[Iterable[B]]"),
]


@pytest.mark.parametrize("form", PYTHON)
@pytest.mark.parametrize(("annotation", "told"), SAME)
def test_what_can_be_meant_stays(form: str, annotation: str, told: str) -> None:
    becomes(form, annotation, told, told)


@pytest.mark.parametrize("form", [GOOGLE, NUMPY])
@pytest.mark.parametrize(
    ("annotation", "told", "wanted"),
    [
        ("str = ''", "int, optional", "str, optional"),
        ("str | None = None", "int, optional", "str, optional"),
        ("Optional[str] = None", "int, default None", "str, default None"),
        ("Optional[str] = None", "int or None, optional", "Optional[str], optional"),
        ("int = 3", "bool (default: 3)", "int (default: 3)"),
        ("int = 3", "bool, keyword-only", "int, keyword-only"),
        ("int | None = None", "int, optional", "int, optional"),
        ("int = None", "int or None, optional", "int or None, optional"),
        ("int = 3", "int, default=3", "int, default=3"),
        ("None = None", "callable, optional", "callable, optional"),
    ],
)
def test_what_is_told_behind_a_type_stays(
    form: str, annotation: str, told: str, wanted: str
) -> None:
    text = form.format(annotation=annotation, told=told)
    changed = brought_up_to_date("a.py", text)
    assert changed == text.replace(f"x ({told})", f"x ({wanted})").replace(
        f"x : {told}", f"x : {wanted}"
    )


@pytest.mark.parametrize(
    ("annotation", "told", "wanted"),
    [
        ("number", "string", "number"),
        ("number", "String", "number"),
        ("string | number", "string", "string | number"),
        ("number[]", "Array<string>", "number[]"),
        ("(a: number) => void", "string", "(a: number) => void"),
        ("number", "?number", "number"),
        ("Foo", "Bar", "Foo"),
        ("string", "String", "String"),
        ("number[]", "Array.<number>", "Array.<number>"),
        ("readonly number[]", "number[]", "number[]"),
        ("number | null", "?number", "?number"),
        ("number | undefined", "number=", "number="),
        ("(a: number) => void", "Function", "Function"),
        ("(a: number) => void", "function(number): void", "function(number): void"),
        ("Options", "Object", "Object"),
        ("{ a: number }", "Object", "Object"),
        ("Record<string, number>", "Object<string, number>", "Object<string, number>"),
        ("'a' | 'b'", "string", "string"),
        ("keyof Foo", "string", "string"),
        ("Foo['bar']", "string", "string"),
        ("unknown", "string", "string"),
        ("Id", "string", "string"),
        ("number", "*", "*"),
        ("string", "...string", "...string"),
    ],
)
def test_types_of_jsdoc(annotation: str, told: str, wanted: str) -> None:
    becomes(JSDOC, annotation, told, wanted)


@pytest.mark.parametrize("form", RETURNING)
@pytest.mark.parametrize(
    ("annotation", "told", "wanted"),
    [
        ("int", "str", "int"),
        ("list[int]", "list[str]", "list[int]"),
        ("int", "int", "int"),
        ("Foo", "dict", "dict"),
        ("str | None", "str", "str"),
        ("NoReturn", "None", "None"),
        ("tuple[int, str]", "list", "tuple[int, str]"),
    ],
)
def test_types_of_what_comes_back(form: str, annotation: str, told: str, wanted: str) -> None:
    becomes(form, annotation, told, wanted)


@pytest.mark.parametrize("form", [RETURNS, RETURNS_NUMPY])
def test_a_word_in_front_of_what_comes_back_may_be_none(form: str) -> None:
    becomes(form, "int", "Success", "Success")


def test_values_that_come_back_may_have_a_line_each() -> None:
    text = RETURNS.format(annotation="tuple[int, str]", told="int").replace(
        "The int.\n", "The first.\n        str: The second.\n"
    )
    assert not is_stale("a.py", text)
    assert brought_up_to_date("a.py", text) == text


def test_what_comes_back_in_jsdoc() -> None:
    becomes(RETURNS_JSDOC, "number", "string", "number")
    becomes(RETURNS_JSDOC, "Promise<number>", "number", "number")
    becomes(RETURNS_JSDOC, "Promise<number>", "Promise<string>", "Promise<number>")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "def f(x):\n    '''Does.\n\n    :param str x: The x.\n    '''\n"),
        ("a.py", "def f(*x: int):\n    '''Does.\n\n    :param tuple x: The x.\n    '''\n"),
        ("a.py", "def f() -> Iterator[int]:\n    '''Does.\n\n    Yields:\n        int: One.\n"
                 "    '''\n    yield 1\n"),
        ("a.py", "def f(x: int):\n    '''Does.\n\n    Args:\n        x (dict[str,\n"
                 "            int]): The x.\n    '''\n"),
        ("a.py", "def f(x: int, y: str):\n    '''Does.\n\n    Parameters\n    ----------\n"
                 "    x, y : object\n        Both.\n    '''\n"),
        ("a.py", "def f(x: int, y: str):\n    '''Does.\n\n    Parameters\n    ----------\n"
                 "    x, y : bool\n        Both.\n    '''\n"),
        ("a.py", "def f() -> 'int' | \"bytes\":\n    \"\"\"Does.\n\n    :rtype: str\"\"\"\n"
                 "    return 1\n"),
        ("a.js", "/**\n * Does.\n * @param {string} x The x.\n */\nfunction f(x = 1) {}\n"),
        ("a.ts", "/**\n * Does.\n * @param {string|number} x The x.\n */\n"
                 "function f(x: string): void;\nfunction f(x: number): void;\n"
                 "function f(x: any) {}\n"),
        ("A.java", "class A {\n  /**\n   * Does.\n   * @param x String The x.\n   */\n"
                   "  void f(int x) {}\n}\n"),
        ("a.rs", "/// Does.\n///\n/// # Arguments\n///\n/// * `x` (String) - The x.\n"
                 "fn f(x: i32) {}\n"),
    ],
)  # fmt: skip
def test_types_that_no_signature_contradicts(path: str, text: str) -> None:
    assert not is_stale(path, text)
    assert brought_up_to_date(path, text) == text


def test_a_parameter_of_several_changes_goes_on_being_told_of() -> None:
    text = """
def f(x: int, colour: int, *, new: str):
    '''Does it.

    Args:
        x (str): The x.
        color (str, optional): Its colour.
        gone (str): No.
    '''
"""
    assert brought_up_to_date("a.py", text) == text.replace("x (str)", "x (int)").replace(
        "color (str, optional)", "colour (str, optional)"
    ).replace("gone (str): No.", "new (str): NEW.")


@pytest.mark.parametrize("make", [GOOGLE.format, NUMPY.format])
def test_no_type_stops_it(make: Callable[..., str]) -> None:
    """Whatever stands there, nothing breaks."""
    for told in ("[", "]", "{", "}", "(", "int[", "a.b.", "<", "=>", "'", '"', "`", "int of", "|",
                 "list of", "?", "...", "*", "Optional[", "x" * 500, "(" * 300):  # fmt: skip
        brought_up_to_date("a.py", make(annotation="int", told=told))
        brought_up_to_date("a.py", make(annotation=f"'{told}'", told="int"))
