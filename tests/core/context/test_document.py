"""A tree follows its text from edit to edit, and bytes are told apart from characters."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetai_core.context.cursor import cursor_syntax
from budgetai_core.context.document import ParsedDocument, readable
from budgetai_core.context.languages import language_of
from budgetai_core.context.recovery import readable_roots
from budgetai_core.context.symbols import file_symbols, symbols_of_tree
from budgetai_core.context.tree import errors
from budgetai_core.context.viable_prefix import is_viable_prefix

PYTHON = language_of("a.py")
TEXT = '''import os

class Größe(Base):
    """Wie groß: 𝒳."""
    länge: int = 1

    def total(self, rate):
        return f"{os.path}é" + "ü"

def helper(x):
    return x
'''
ANY_TEXT = st.text(
    st.characters(codec=None) | st.sampled_from("\0\n\r\ud800é𝒳'\"(:)"), max_size=600
)


def types(parsed: ParsedDocument) -> list[tuple[str, int, int]]:
    """The whole tree, in order."""
    syntax, pending = [], [parsed.root]
    while pending:
        node = pending.pop()
        assert node is not None
        syntax.append((node.type, node.start_byte, node.end_byte))
        pending += node.children
    return syntax


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rate", "rates"),
        ("rate", ""),
        ("länge: int = 1", "länge: float = 1.0\n    breite: int"),
        ("é", "è"),
        ("𝒳", "𝒴"),
        ("\n\ndef helper(x):\n    return x\n", "\n"),
        ("import os", "import os\nimport sys\nMAX = 1"),
        (TEXT, ""),
        (TEXT, "\0\ud800"),
    ],
)
def test_an_edited_tree_is_a_new_one(old: str, new: str) -> None:
    before, text = ParsedDocument.of(TEXT, PYTHON), TEXT.replace(old, new)
    after = before.edited(text)
    assert after.text == text
    assert types(after) == types(ParsedDocument.of(text, PYTHON))
    assert symbols_of_tree(after) == file_symbols(text, PYTHON)
    # The text before is still there for whoever has it.
    assert types(before) == types(ParsedDocument.of(TEXT, PYTHON))
    assert types(after.edited(TEXT)) == types(before)


def test_typing_keeps_the_tree() -> None:
    parsed, at = ParsedDocument.of(TEXT, PYTHON), TEXT.index("    return x")
    typed = '    größe = helper("é", rate=[1, 2])\n'
    for end in range(1, len(typed) + 1):
        parsed = parsed.edited(TEXT[:at] + typed[:end] + TEXT[at:])
    assert types(parsed) == types(ParsedDocument.of(parsed.text, PYTHON))
    assert symbols_of_tree(parsed) == file_symbols(parsed.text, PYTHON)


@given(ANY_TEXT)
def test_characters_and_bytes_are_one_to_one(text: str) -> None:
    parsed = ParsedDocument.of(text, PYTHON)
    size = 0
    for character, letter in enumerate(text):
        assert parsed.byte(character) == size
        assert parsed.character(size) == character
        size += len(letter.encode("utf-8", "replace"))
    assert parsed.byte(len(text) + 5) == size == len(parsed.data)
    assert parsed.character(size + 5) == len(text)
    assert parsed.byte(-1) == 0 == parsed.character(-1)


@pytest.mark.parametrize("length", [255, 256, 257, 511, 512, 513])
def test_long_texts_count_alike(length: int) -> None:
    parsed = ParsedDocument.of("é" * length, None)
    for character in (0, 1, 254, 255, length - 1, length):
        assert parsed.byte(character) == 2 * character
        assert parsed.character(2 * character) == character


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["a.py", "a.ts", "a.go", "a.rb", "a.php", "a.sh", "a.lua", "a.kt", "a.txt"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), ANY_TEXT), max_size=5),
)
def test_no_edit_makes_it_raise(path: str, edits: list[tuple[float, int, str]]) -> None:
    parsed = ParsedDocument.of(TEXT, language_of(path))
    for share, length, new in edits:
        at = int(share * len(parsed.text))
        text = parsed.text[:at] + new + parsed.text[at + length :]
        parsed = parsed.edited(text)
        assert parsed.text == text
        syntax = cursor_syntax(parsed, at)
        assert 0 <= syntax.start <= syntax.end <= len(text)
        assert 0 <= errors(parsed, at, at + 5) <= errors(parsed)
        symbols_of_tree(parsed)


def test_without_a_grammar_there_is_no_tree() -> None:
    parsed = ParsedDocument.of("a", None)
    assert parsed.root is None
    assert parsed.edited("ab").text == "ab"
    assert errors(parsed) == 0


def test_what_would_take_half_a_minute_is_given_up() -> None:
    parsed = ParsedDocument.of("if (a) {" * 20_000, language_of("a.sh"))
    assert parsed.root is None
    assert parsed.edited(parsed.text + " ").root is None


def test_a_heap_of_brackets_is_no_tree() -> None:
    """Queries took half a minute for it."""
    heap = ParsedDocument.of("(" * 150_000, language_of("a.py"))
    assert heap.root is None
    assert heap.edited("f(x)\n").root is not None


def test_a_grammar_that_needs_a_line_end_is_given_one() -> None:
    """tree-sitter-kotlin's scanner may not return without one; the text stays what it is."""
    kotlin = language_of("a.kt")
    assert kotlin
    text = "class A {\n  val x = 1\n}"
    assert readable(text.encode(), kotlin) == text.encode() + b"\n"
    assert readable(text.encode() + b"\n", kotlin) == text.encode() + b"\n"
    assert PYTHON and readable(b"x = 1", PYTHON) == b"x = 1"
    whole = ParsedDocument.of(text, kotlin)
    typed = ParsedDocument.of(text[:-1], kotlin).edited(text)
    for parsed in (whole, typed):
        assert parsed.tree and parsed.tree.root_node.end_byte == len(text) + 1
        assert parsed.data == text.encode()
    assert is_viable_prefix(text, kotlin)
    broken = ParsedDocument.of(f"fun f( = }}\nfun g() = 1\n{text}", kotlin)
    assert list(readable_roots(broken))
