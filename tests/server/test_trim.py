"""What is shown of a raw answer. ▮ marks the cursor, the raw answer stands between « and »."""

import pytest

from budgetai_server.context.languages import language_of
from budgetai_server.trim import opened_block, shown, to_last_word, wanders

CASES = {
    "one line of a longer answer": ("a.py", "x = ▮«1\ny = 2\n»\n", "1"),
    "a new line when the line is complete": (
        "a.py", "import os▮«\nimport sys\nimport re\n»", "\nimport sys",
    ),
    "white space alone is nothing": ("a.py", "x = 1▮«\n\n  »", ""),
    "what stands right of the cursor is not repeated": ("a.py", "print(▮«'hi')\n»)\n", "'hi'"),
    "an overlap of several characters": ("a.js", "foo(▮«a, b);\n»);\n", "a, b"),
    "an answer that is all there already": ("a.py", "print(▮«)»)\n", ""),
    "a whole body": (
        "a.py",
        "def f():▮«\n    a = 1\n    return a\n\ndef g():\n    pass\n»\n",
        "\n    a = 1\n    return a",
    ),
    "a body from its first line": (
        "a.py", "def f():\n    ▮«a = 1\n    return a\n\nx = 2\n»", "a = 1\n    return a",
    ),
    "a body in braces with its closer": (
        "a.js", "function f() {▮«\n  return 1;\n}\nconst y = 2;\n»\n", "\n  return 1;\n}",
    ),
    "the closer the editor has put in": (
        "a.js", "function f() {▮«\n  return 1;\n}\n»\n}\n", "\n  return 1;",
    ),
    "a nested block": (
        "a.py",
        "if a:\n    for b in c:\n        ▮«print(b)\n        d += 1\n    return d\n»",
        "print(b)\n        d += 1",
    ),
    "a brace of an inner block stays": (
        "a.c",
        "void f() {\n  if (x) {\n▮«    g();\n  }\n}\n»\n}\n",
        "    g();\n  }",
    ),
    "an inner block that goes on with else": (
        "a.go",
        "func f() {\n\tif x {\n▮«\t\tg()\n\t} else {\n\t\th()\n\t}\n»\n}\n",
        "\t\tg()\n\t}",
    ),
    "a word that begins like a closer": (
        "a.sh", "if x; then\n▮«  echo a\nfind . -name y\nfi\n»", "  echo a",
    ),
    "a word that ends like an opener": ("a.rb", "x = undo▮«_all\ny = 2\nz\n»", "_all"),
    "brackets the line needs stay": ("a.py", "foo(bar(▮«x)\n»)\n", "x)"),
    "brackets it has are not doubled": ("a.py", "foo(bar(▮«x))\n»))\n", "x"),
    "rust": ("a.rs", "fn f() -> i32 {▮«\n    1\n}\n\nfn g() {}\n»", "\n    1\n}"),
    "go": ("a.go", "func f() int {\n\t▮«return 1\n}\n\nfunc g() {}\n»", "return 1\n}"),
    "no block where text stands right of the cursor": (
        "a.py", "if x:▮«\n    y\n»  # why\n", "\n    y",
    ),
    "an unknown language is text": ("a.txt", "hello ▮«world\nand all\n»", "world"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_shown(name: str) -> None:
    path, text, expected = CASES[name]
    before, _, rest = text.partition("▮«")
    answer, _, after = rest.partition("»")
    language = language_of(path)
    opener = opened_block(before, after, language)
    assert shown(before, after, answer, opener, language) == expected


def test_an_answer_that_goes_round_in_circles_wanders() -> None:
    assert wanders("", "x = compute(1)\nx = compute(1)\nx = compute(1)\n")
    assert not wanders("", "a = compute(1)\nb = compute(2)\nc = compute(3)\n")
    assert not wanders("", "# " + "-" * 23)


def test_an_answer_that_has_come_to_the_text_below_wanders() -> None:
    after = "\n\n    total = 0\n"
    assert wanders(after, "x = 1\n    total = 0\n")
    assert not wanders(after, "x = 1\n    total = 0")
    assert not wanders(after, "total = 0\n")
    assert not wanders("\n", "x = 1\n\n")


def test_an_undecided_answer_is_cut_where_it_reads_well() -> None:
    assert to_last_word("call(value, oth") == "call(value, "
    assert to_last_word("first = 1\n    secon") == "first = 1"
    assert to_last_word("name") == "name"
