"""What a cursor stands in, in each language, at the edges, and in code that is being typed."""

import pytest

from budgetai_core.context.cursor import cursor_syntax
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import language_of
from budgetai_core.context.tree import block_end, definitions, errors, nodes

CURSOR = "▮"
PLACES = {
    "code": {
        "a.py": ["x = ▮1", 'x = ▮"a"', 'x = "a"▮', "▮# a", "x = 1  ▮# a\n", "# a\n▮x", 'f"{▮x}"',
                 'f"{x▮}"', "", "▮", '"""a"""▮\n', 'f("a", ▮'],
        "a.js": ["x = `${▮y}`", "/* a */▮", '"a" + ▮"b"', "f('a', ▮)"],
        "a.ts": ["let x: ▮T = 'a'", "// a\n▮"],
        "a.tsx": ["const a = <p>{▮x}</p>", "const a = <p>don't ▮</p>"],
        "a.go": ['package a\nvar x = "a"▮', "package a // b\n▮"],
        "a.rs": ["fn f<'a>(x: &'a▮ str) {}", "// a\n▮fn f() {}", "/// a\n▮fn f() {}"],
        "a.java": ['class A { String x = "a"▮; }', "/** a */▮ class A {}"],
        "a.c": ["int x = 1'000▮;", "/* a */▮int x;", "char c = 'a'▮;"],
        "a.cpp": ["int x = 1'000'0▮00;", 'auto x = R"(a)"▮;'],
        "a.cs": ['var x = $"a{▮b}";', "// a\n▮x();"],
        "a.rb": ['x = "a#{▮b}"', "=begin\na\n=end\n▮x = 1\n"],
        "a.php": ["<?php\n$x = ▮'a';", "<?php\n/* a */▮\n"],
        "a.sh": ['echo "$(▮ls)"', 'echo "${▮x}"', "echo 'a'▮\n"],
        "a.lua": ["x = [[a]]▮", "--[[ a ]]▮\n"],
        "a.kt": ['val x = "a${▮b}"', "/* a */▮\n"],
        "a.swift": ["let x = ▮1"],
        "notes": ["a▮"],
    },
    "string": {
        "a.py": ['x = "▮a"', 'x = "a▮"', 'x = "▮"', 'x = f"▮{x}"', 'x = f"{x}▮"', 'x = "▮',
                 'x = "abc▮', 'f("abc▮)\ny = 1\n', 'x = """a\nb▮\n"""', 'f("a", "b▮', "x = 'it▮"],
        "a.js": ["x = `▮${y}`", "x = '▮'", "x = 'ab▮\ny()\n", "x = `a\nb▮", "f('a', 'b▮)"],
        "a.ts": ["import x from '▮'", "import x from './a▮\nfoo()\n"],
        "a.tsx": ['const a = <p id="▮b" />'],
        "a.go": ['package a\nvar x = "▮"', "package a\nvar x = `a\n▮b`", 'package a\nvar x = "a▮'],
        "a.rs": ['fn f() { g("▮"); }', 'fn f() { g(r#"a▮"#); }', 'fn f() {\n g("a▮);\n}\n'],
        "a.java": ['class A { String x = "▮"; }', 'class A { String x = "a▮'],
        "a.c": ['char *x = "▮a";', 'char *x = "a▮', '#include "a▮.h"\n'],
        "a.cpp": ['auto x = R"(a▮)";', 'int f() {\n x = "ab▮\n y();\n}\n'],
        "a.cs": ['var x = $"a▮{b}";', 'var x = "a▮'],
        "a.rb": ['x = "▮#{b}"', "x = '▮", "x = <<~E\n  a ▮ b\nE\n"],
        "a.php": ["<?php\n$x = '▮a';", '<?php\n$x = "a▮ $b";', "<?php\n$x = 'a▮"],
        "a.sh": ["echo 'a▮'", 'echo "a▮ $x"', "cat <<E\na ▮ b\nE\n"],
        "a.lua": ["x = [[a▮]]", 'x = "▮"', 'x = "a▮\ny = 1\n'],
        "a.kt": ['val x = "▮a${b}"', 'val x = """a▮\nb"""', 'val x = "a▮'],
    },
    "comment": {
        "a.py": ["# a▮", "# a▮\nx", "x = 1  # ▮", "#▮", "# it's ▮"],
        "a.js": ["// a▮\nx", "/* a▮ */", "/* a▮", "/*▮*/"],
        "a.ts": ["x; // it's▮"],
        "a.tsx": ["// a▮"],
        "a.go": ["package a\n// a▮\nvar x int"],
        "a.rs": ["fn f() {}\n// a▮\n", "/* a▮ */"],
        "a.java": ["// a▮"],
        "a.c": ["/* a\n * b▮\n */"],
        "a.cpp": ["int x; // a▮"],
        "a.cs": ["// a▮\n"],
        "a.rb": ["# a▮\n", "=begin\na▮\n=end\n"],
        "a.php": ["<?php\n# a▮\n", "<?php\n// a▮\n"],
        "a.sh": ["# a▮\n", "ls # a▮"],
        "a.lua": ["-- a▮\nx = 1\n", "--[[ a▮ ]]"],
        "a.kt": ["// a▮\nval x = 1"],
        "a.scala": ["  // a▮"],
    },
    "docstring": {
        "a.py": ['"""A ▮file."""\n', 'def f():\n    """▮"""\n', 'class A:\n    """▮\n    """\n',
                 'def f():\n    """Adds▮\n    x = 1\n', "# a\n\n'''▮'''\n"],
        "a.js": ["/** a▮ */\nfunction f() {}\n"],
        "a.ts": ["/**\n * ▮\n */\n"],
        "a.rs": ["/// a▮\nfn f() {}\n", "//! a▮\n"],
        "a.java": ["/** a▮ */"],
        "a.cs": ["/// <summary>▮</summary>\nclass A {}\n"],
        "a.php": ["<?php\n/** a▮ */\nfunction f() {}\n"],
        "a.lua": ["--- a▮\nfunction f() end\n"],
        "a.kt": ["/** a▮ */\nfun f() {}\n"],
    },
}  # fmt: skip
CASES = [
    (kind, path, text) for kind, of in PLACES.items() for path, all_ in of.items() for text in all_
]


def parsed(path: str, text: str) -> tuple[ParsedDocument, int]:
    before, _, after = text.partition(CURSOR)
    return ParsedDocument.of(before + after, language_of(path)), len(before)


@pytest.mark.parametrize(("kind", "path", "text"), CASES)
def test_what_a_cursor_stands_in(kind: str, path: str, text: str) -> None:
    syntax = cursor_syntax(*parsed(path, text))
    assert syntax.kind == kind
    assert (syntax.kind == "code") == (syntax.end == 0)


def test_a_place_has_its_range_in_characters() -> None:
    tree, cursor = parsed("a.py", 'ö = "größe" + "ab▮c"  # é\n')
    _, start, end = cursor_syntax(tree, cursor)
    assert tree.text[start:end] == '"abc"'


@pytest.mark.parametrize(
    ("path", "text", "count"),
    [
        ("a.py", "x = (1, 2)\n", 0),
        ("a.py", "x = = 2\n", 1),
        ("a.js", "f(1;\n", 1),
        ("a.c", "int f() { return 1 }\n", 1),
        ("notes", "((((", 0),
    ],
)
def test_errors_are_counted(path: str, text: str, count: int) -> None:
    assert errors(ParsedDocument.of(text, language_of(path))) == count


def test_errors_elsewhere_do_not_count() -> None:
    text = "größe = = 2\n" + "x = 1\n" * 20 + "y = = 3\n"
    tree = ParsedDocument.of(text, language_of("a.py"))
    assert errors(tree) == 2
    assert errors(tree, 20, 100) == 0
    assert errors(tree, 100) == 1
    assert errors(tree, 0, 12) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "def f():▮\n    größe = 1\n    y = 2▮\nz = 3\n"),
        ("a.rb", "xs.each do▮ |x|\n  f x\nend▮\ny\n"),
        ("a.kt", "fun f() {▮ g() }▮\nval x = 1\n"),
        ("a.php", "<?php\nfunction f() {▮ g(); }▮\n$x = 1;\n"),
        ("a.cs", "class A { void F() {▮ G(); }▮ int x; }"),
        ("a.sh", "for x in a; do▮ ls; done▮\nls\n"),
    ],
)
def test_a_block_ends_where_it_is_closed(path: str, text: str) -> None:
    before, inside, rest = text.split(CURSOR)
    language = language_of(path)
    opener = len(before) - len(language.opener if language else "")
    start = len(before) + len(inside) - len(inside.lstrip())
    assert block_end(before + inside + rest, opener, start, language) == len(before + inside)


def test_nodes_and_definitions_count_characters() -> None:
    text = 'é = "größe"\ndef f(ä): ...\n'
    language = language_of("a.py")
    strings = [n for n in nodes(text, language) if n.type == "string"]
    assert [text[n.start : n.end] for n in strings] == ['"größe"']
    assert [d.signature for d in definitions(text, language)] == ['é = "größe"', "def f(ä):"]
