"""What an edit did, as rules; and where they apply."""

import pytest

from budgetai_server.next_edit.edit_rules import LineEdit, Rule, rules_of
from budgetai_server.next_edit.places import applied, places


def edit(old: str, new: str, above: str = "", below: str = "") -> LineEdit:
    return LineEdit("a.py", 0, tuple(old.splitlines()), tuple(new.splitlines()), above, below)


def rules(old: str, new: str, above: str = "", below: str = "") -> list[Rule]:
    return [rule for rule, _ in rules_of(edit(old, new, above, below))]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("x = first(a)", "x = second(a)", Rule("replace", "first", "second")),
        ("call(a, b)", "call(a)", Rule("delete", ", b", "")),
        ("call(a)", "call(a, b)", Rule("insert", "", ", b", "(a", ")")),
        ("    print(x)", "", Rule("lines", "print(x)", "")),
        (
            "    if a:\n        go(a)",
            "    if a.b:\n        go(a.b)",
            Rule("replace", ":\n    go(a", ".b:\n    go(a.b"),
        ),
    ],
)
def test_a_change_is_what_lies_between_the_common_ends(old: str, new: str, rule: Rule) -> None:
    assert rules(old, new)[0] == rule


def test_lines_that_come_stand_between_their_neighbours() -> None:
    (rule,) = rules("", "    @cached\n    @slow", "class A:", "    def b(self):")
    assert rule == Rule("lines", "", "@cached\n@slow", "class A:", "def b(self):")


def test_the_changes_inside_lines_are_rules_too() -> None:
    made = rules("old(a, 1)\nold(b, 2)", "new(a, 1)\nnew(b, 2)")
    assert made.count(Rule("replace", "old", "new")) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x = (a as b).c", "x = a.c"),
        ("f(a", "f(a)"),
        ("say('a')", "say(\"a')"),
    ],
)
def test_no_rule_leaves_a_bracket_or_quote_open(old: str, new: str) -> None:
    assert all(rule.is_balanced for rule in rules(old, new))


@pytest.mark.parametrize("size", [41, 100_000])
def test_of_long_edits_nothing_is_learned(size: int) -> None:
    assert not rules("a\n" * size, "b\n" * size)
    assert not rules("a" * 1000, "b" * 1000)


def test_words_are_not_cut() -> None:
    rule = Rule("replace", "item", "entry")
    text = "item = items[0]\nthe_item = item.item\n"
    found = [(place.first, *place.new) for place in places(rule, text)]
    assert found == [(0, "entry = items[0]"), (1, "the_item = entry.entry")]


def test_what_is_done_already_is_left() -> None:
    rule = Rule("replace", "path", "self.path")
    assert [place.first for place in places(rule, "open(self.path)\nopen(path)\n")] == [1]


def test_lines_are_found_and_put_in_however_they_are_indented() -> None:
    rule = rules("if a:\n    go()", "if a:\n    stop()")[0]
    several = rules("if a:\n    go()\n    b()", "if c:\n    go()\n    d()")[0]
    assert applied(rule, "        go()") == "        stop()"
    (place,) = places(several, "def f():\n\tif a:\n\t    go()\n\t    b()\n")
    assert place.new == ("\tif c:", "\t    go()", "\t    d()")


def test_lines_go_and_come() -> None:
    text = "def f():\n    log()\n    a()\n\ndef g():\n    log()\n    b()\n"
    gone = list(places(Rule("lines", "log()", ""), text))
    assert [(place.first, place.last, place.new) for place in gone] == [(1, 2, ()), (5, 6, ())]
    come = list(places(Rule("lines", "", "check()", "log()", "x()"), text))
    assert [(place.first, place.last, place.new) for place in come] == [
        (2, 2, ("    check()",)),
        (6, 6, ("    check()",)),
    ]


def test_lines_are_not_put_in_twice() -> None:
    text = "log()\ncheck()\n"
    assert not list(places(Rule("lines", "", "check()", "log()", "x()"), text))
