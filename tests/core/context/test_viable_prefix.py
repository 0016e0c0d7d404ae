"""Which texts may still become code that parses."""

import pytest

from budgetai_core.context.languages import LANGUAGES
from budgetai_core.context.viable_prefix import is_viable_prefix

BY_NAME = {language.name: language for language in LANGUAGES}
VIABLE = [
    ("python", "class A:\n    @property"), ("python", "x = [a for"), ("python", 'x = """a'),
    ("python", "return a + \\"), ("csharp", "class A {\n    public int F(int y)"),
    ("csharp", 'class A { string s = @"a'), ("cpp", "template <typename T>"), ("c", "static int"),
    ("c", "/* a"), ("ruby", "x = a +"), ("ruby", "x = <<~A"), ("bash", "sort a |"),
    ("bash", "cat <<EOF"), ("lua", "if x then"), ("lua", "local s = [[a"), ("java", "@Override"),
    ("javascript", "const x = `a ${b} c"), ("rust", 'fn f() { let s = "a'),
    ("php", "<?php\n$x = 'a"), ("bash", "awk '"), ("bash", 'a="b \\'), ("bash", "a='\\'$b"),
    ("ruby", "x = 'a' \\"),
    ("go", "package p\nvar x = `a"),
    ("php", "<?php\n$x = <<<A"), ("kotlin", 'val s = """a'), ("typescript", "type A ="),
]  # fmt: skip
NOT_VIABLE = [
    ("python", "x = = 1"), ("python", 'x = "a'), ("csharp", "class A { public ) int"),
    ("java", "class A { void f() { return ; } x)"), ("go", "package p\nfunc f() { x := := 1"),
    ("bash", 'a="b'), ("bash", 'A="'), ("bash", "echo 'a"), ("bash", "a=$'\\'b"),
    ("ruby", 'x = "a'),
    ("ruby", "x = )"), ("lua", "local x = = 1"), ("rust", "fn f( {"), ("php", "<?php\nf( {"),
    ("kotlin", "fun f() { val = 3 ="), ("javascript", "f(a;"), ("c", "int f(int x {"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), VIABLE)
def test_something_may_follow(name: str, text: str) -> None:
    assert is_viable_prefix(text, BY_NAME[name])


@pytest.mark.parametrize(("name", "text"), NOT_VIABLE)
def test_nothing_can_follow(name: str, text: str) -> None:
    assert not is_viable_prefix(text, BY_NAME[name])


def test_without_a_grammar_nothing_is_known() -> None:
    assert not is_viable_prefix("let x", BY_NAME["swift"])
