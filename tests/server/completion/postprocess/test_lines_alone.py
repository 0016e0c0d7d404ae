"""Where lines alone are shown, a true first line is shown as it is, however it goes on."""

import pytest

from budgetai_core.context.languages import language_of
from budgetai_server.completion.postprocess import CursorContext, postprocess

# A path, the text before the cursor, the line, what the model says behind it, what is below.
TRUE = {
    "a decorator": ("a.py", "class A:\n    x = 1\n\n    ", "@property", "    def y(self):", ""),
    "an annotation": ("A.java", "class A {\n    ", "@Override", "    public void f() {", "\n}\n"),
    "an attribute": ("A.cs", "class A\n{\n    ", "[Fact]", "    public void F()", "\n}\n"),
    "a template head": ("a.cpp", "int f();\n\n", "template <typename T>", "T g(T x) {", "\n"),
    "a head of Allman": ("A.cs", "class A\n{\n    ", "public int F(int y)", "    {", "\n}\n"),
    "a clause below": ("A.java", "class A {\n    ", "void f()", "            throws E {", "\n}\n"),
    "a chain": (
        "A.java", "class A {\n    A f() {\n        ", "return A.of()", "            .b();",
        "\n    }\n}\n",
    ),
    "a result above": ("a.c", "int g(void);\n\n", "static int", "f(int a)", "\n"),
    "an operator": ("a.rb", "def f(a)\n  ", "x = a +", "    1", "\nend\n"),
    "a block of words": ("a.lua", "local function f()\n  ", "if x then", "    g()", "\nend\n"),
    "a pipe": ("a.sh", "f() {\n  ", "sort a |", "    uniq", "\n}\n"),
    "a backslash": ("a.sh", "f() {\n  ", "curl -s \\", "    -o a", "\n}\n"),
    "an open bracket": ("a.go", "package p\n\nfunc f() {\n\t", "g(a, b,", "\t\tc)", "\n}\n"),
    "an open string": ("a.rs", "fn f() {\n    ", 'let s = "a', '        b";', "\n}\n"),
    "a script as a word": ("a.sh", "f() {\n  ", "awk '", "    { print }' a", "\n}\n"),
    "a string with a backslash": ("a.sh", "f() {\n  ", 'a="b \\', '    c"', "\n}\n"),
    "a pattern of a case": (
        "a.sh", "case $x in\n  a) f\n     ;;\n  ", "b) g", "     ;;", "\nesac\n",
    ),
    "a loop that ends with its condition": (
        "a.c", "int f(int x) {\n    ", "do {", "        x--;", "\n    return x;\n}\n",
    ),
    "the other branch": (
        "a.c", "int f(int x) {\n    if (x)\n        x = 1;\n    ", "else", "        x = 2;",
        "\n    return x;\n}\n",
    ),
    "another branch": (
        "a.c", "int f(int x) {\n    if (x) {\n        x = 1;\n    }\n    ", "else if (x > 2) {",
        "        x = 2;", "\n    return x;\n}\n",
    ),
    "a heredoc": ("a.sh", "f() {\n  ", "cat <<EOF", "a", "\n}\n"),
    "a part of a class": (
        "A.java", "class A {\n" + "    int f() { return 1; }\n" * 90 + "\n    ", "int g(int a)",
        "    {", "\n\n    int h() { return 2; }\n}\n",
    ),
}  # fmt: skip

BROKEN = {
    "a closer too many": ("A.java", "class A {\n    ", "int f(int a)) {", "\n}\n"),
    "two operators": ("a.go", "package p\n\nfunc f() {\n\t", "x := := 1", "\n}\n"),
    "an open quote": ("a.py", "def f():\n    x = 1\n    ", 'y = "a', "\n"),
    "an open quote of a shell": ("a.sh", "f() {\n  g\n  ", 'a="b', "\n}\n"),
    "an open quote of Ruby": ("a.rb", "def f\n  g\n  ", "a = 'b", "\nend\n"),
    "a branch of nothing": ("a.c", "int f(int x) {\n    x = 1;\n    ", "else {", "\n}\n"),
    "a word too many": ("a.rs", "fn f() {\n    ", "let x y = 1;", "\n}\n"),
    "in a part of a class": (
        "A.java", "class A {\n" + "    int f() { return 1; }\n" * 90 + "\n    ", "int g(int a {",
        "\n\n    int h() { return 2; }\n}\n",
    ),
}  # fmt: skip


def shown(path: str, before: str, answer: str, after: str) -> str:
    context = CursorContext(before, after, language_of(path))
    result = postprocess(context, answer, whole=False, block=False)
    assert result is not None
    return result.text


@pytest.mark.parametrize("name", TRUE)
def test_a_true_line_is_shown_as_it_is(name: str) -> None:
    path, before, line, below, after = TRUE[name]
    assert shown(path, before, f"{line}\n{below}\n", after) == line


@pytest.mark.parametrize("name", BROKEN)
def test_a_line_that_nothing_can_follow_is_not_shown_as_it_is(name: str) -> None:
    path, before, line, after = BROKEN[name]
    assert shown(path, before, f"{line}\n", after) != line


@pytest.mark.parametrize(
    ("line", "expected"), [("a=${", ""), ('a="${', ""), ("a=$(", "a=$("), ("f() {", "f() {")]
)
def test_of_a_whole_answer_an_opener_at_the_end_may_be_a_head(line: str, expected: str) -> None:
    """But for one in a string, and for what ends on its line."""
    context = CursorContext("g() {\n  h\n}\n\n", "\n\ni\n", language_of("a.sh"))
    result = postprocess(context, line, whole=True, block=False)
    assert result is not None
    assert result.text == expected
