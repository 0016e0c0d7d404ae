"""Languages without a grammar: comments, strings, blocks, definitions; and nothing that raises."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetai_core.context import linguist
from budgetai_core.context.block_words import closing_lines, measured
from budgetai_core.context.cursor import cursor_syntax
from budgetai_core.context.document import ParsedDocument
from budgetai_core.context.languages import Language, language_named, unknown_language
from budgetai_core.context.symbols import file_symbols
from budgetai_core.context.tree import nodes

ST = """FUNCTION_BLOCK Lamp
VAR_INPUT
    on : BOOL; (* IF this is a comment *)
END_VAR
IF on THEN
    level := level + 1;
    IF level > 3 THEN
        level := Limit(0, level);
    END_IF;
ELSIF level > 0 THEN
    level := 0;
ELSE
    name := 'END_IF; (* no comment *)';
END_IF;
FOR i := 0 TO 9 DO
    total := total + i;
END_FOR;
END_FUNCTION_BLOCK
"""
VHDL = """entity top is
  port (clk : in std_logic); -- process
end entity;

architecture rtl of top is
  signal q : std_logic;
begin
  step : process (clk)
  begin
    if rising_edge(clk) then
      q <= not q;
    end if;
  end process;
end architecture;
"""
DART = """class Cart {
  int total(List<int> lines) {
    if (lines.isEmpty) {
      return 0;
    }
    return lines.length;
  }
}
"""
GDSCRIPT = """func total(lines):
    var sum = 0
    for line in lines:
        sum += line
    return sum

func first(lines):
    if lines:
        return lines[0]
    return null
"""


def known(name: str, text: str, times: int = 4) -> Language:
    return measured(language_named(name), (text,) * times)


def test_words_that_end_blocks_are_found() -> None:
    marks = known("Structured Text", ST).marks
    assert marks
    assert dict(marks.openers)["if"] == "END_IF;"
    assert dict(marks.openers)["for"] == "END_FOR;"
    assert {"end_if", "end_for", "end_var"} <= set(marks.closers)
    assert set(marks.dividers) == {"elsif", "else"}
    vhdl = known("VHDL", VHDL).marks
    assert vhdl
    assert vhdl.closers == ("end",)
    assert dict(vhdl.openers)["if"] == "end if;"


def test_a_language_that_nobody_knows() -> None:
    """Its keywords are others; the shape is the same. Comments are found, too."""
    text = ST.replace("IF", "WENN").replace("END_", "ENDE_").replace("ELSE", "SONST")
    text = "%% what it does\n% more\n" + text.replace("(*", "%").replace("*)", "")
    language = measured(unknown_language(".plc"), (text,) * 4)
    assert language.marks
    assert language.comment == "%"
    assert dict(language.marks.openers)["wenn"] == "ENDE_WENN;"


def test_brackets_and_indentation_need_no_words() -> None:
    assert known("Dart", DART).opener == "{"
    assert known("GDScript", GDSCRIPT).opener == ":"
    for name, text in (("Dart", DART), ("GDScript", GDSCRIPT)):
        marks = known(name, text).marks
        assert marks and not marks.closers


def test_what_is_missing_of_a_block() -> None:
    language = known("Structured Text", ST)
    text = "IF a THEN\n    FOR i := 0 TO 9 DO\n        b();\n"
    assert closing_lines(text, language) == ["    END_FOR;", "END_IF;"]
    assert closing_lines(text + "    END_FOR;\nELSE\n    c();\nEND_IF;\n", language) == []
    assert closing_lines("(* IF a THEN *)\n", language) == []
    assert closing_lines("IF a THEN b(); END_IF;\n", language) == []


@pytest.mark.parametrize(
    ("name", "before", "kind"),
    [
        ("Structured Text", "a := b; // see ", "comment"),
        ("Structured Text", "(* over\ntwo lines", "comment"),
        ("Structured Text", "(* over *) a := ", "code"),
        ("Structured Text", "a := 'tex", "string"),
        ("Structured Text", "a := 'text'; b", "code"),
        ("VHDL", "q <= clk'event; -- no", "comment"),
        ("VHDL", "if clk'ev", "code"),
        ("SQL", "select 'a -- b', ", "code"),
        ("Haskell", "f x = {- why", "comment"),
        ("MATLAB", "y = x' * A';  b", "code"),
        ("CSS", "a { /* no */ color: ", "code"),
    ],
)
def test_what_a_cursor_stands_in(name: str, before: str, kind: str) -> None:
    parsed = ParsedDocument.of(before + "\n\nmore\n", language_named(name))
    assert cursor_syntax(parsed, len(before)).kind == kind


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("Structured Text", ST, ["Lamp"]),
        ("VHDL", VHDL, ["top", "rtl"]),
        ("Dart", DART, ["Cart"]),
        ("GDScript", GDSCRIPT, ["total", "first"]),
        ("SQL", "CREATE OR REPLACE FUNCTION total(a int) RETURNS int AS $$\n", ["total"]),
        ("SQL", "create table if not exists lines (\n  id int\n);\n", ["lines"]),
        ("Fortran", "subroutine add(a, b)\nend subroutine add\n", ["add"]),
        ("MATLAB", "function [a, b] = both(x)\nend\n", ["both"]),
        ("R", "total <- function(x) {\n  sum(x)\n}\n", ["total"]),
        ("Clojure", "(defn total [x]\n  (+ x 1))\n", ["total"]),
        ("Haskell", "total :: [Int] -> Int\ntotal = sum\n", ["total"]),
        ("Erlang", "total(X) ->\n    X + 1.\n", ["total"]),
        ("Elixir", "defmodule Cart do\n  def total(x), do: x\nend\n", ["Cart", "total"]),
        ("HCL", 'resource "aws_s3_bucket" "logs" {\n}\n', ["aws_s3_bucket"]),
        ("Makefile", "all: cart\n\ncart: cart.o\n\tcc $^\n", ["all", "cart"]),
        ("Verilog", "module top #(parameter W = 8) (input clk);\nendmodule\n", ["top"]),
        ("Pascal", "procedure Add(x: Integer);\nbegin\nend;\n", ["Add"]),
        ("Solidity", "contract Cart {\n  function total() public {}\n}\n", ["Cart", "total"]),
        ("PowerShell", "function Get-Total {\n}\n", ["Get-Total"]),
    ],
)
def test_definitions(name: str, text: str, names: list[str]) -> None:
    symbols = file_symbols(text, language_named(name))
    assert [d.name for d in symbols.definitions] == names
    for definition in symbols.definitions:
        assert definition.name in text[definition.start : definition.end]
        assert definition.line == text.count("\n", 0, definition.start)


def test_definitions_reach_to_what_ends_them() -> None:
    (lamp,) = file_symbols(ST, known("Structured Text", ST)).definitions
    assert ST[lamp.start : lamp.end] == ST.rstrip()
    assert lamp.signature == "FUNCTION_BLOCK Lamp"


def test_pieces_that_a_completion_may_fill_in() -> None:
    language = known("Structured Text", ST)
    spans = {(node.type, ST[node.start : node.end]) for node in nodes(ST, language)}
    assert ("arguments", "(0, level)") in spans
    assert ("value_expression", "level + 1") in spans
    assert ("block", "total := total + i;\nEND_FOR;") in spans
    assert ("line_statement", "total := total + i;") in spans
    assert not [text for _, text in spans if text == "END_FOR;"]


PIECES = (*"()[]{}'\"`;%#=,é \n\t", "a", "if", "end", "/*", "*/", "(*", "*)", "//", "--", "\\")
LANGUAGES = [entry.name for entry in linguist.entries() if entry.is_code]


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(LANGUAGES),
    st.lists(st.sampled_from(PIECES)).map("".join),
)
def test_nothing_raises(name: str, text: str) -> None:
    language = measured(language_named(name), (text,))
    for definition in file_symbols(text, language).definitions:
        assert 0 <= definition.start <= definition.end <= len(text)
    for node in nodes(text, language):
        assert 0 <= node.start <= node.end <= len(text)
    parsed = ParsedDocument.of(text, language)
    for cursor in range(0, len(text) + 1, 3):
        cursor_syntax(parsed, cursor)
    if language.marks:
        closing_lines(text, language)


@pytest.mark.parametrize(
    "unit", ["a", " ", "\n", "(", "a ", "'", '"', "/*", "a(", "a = ", "{\n", "function "]
)
def test_every_text_is_read_in_the_end(unit: str) -> None:
    """Patterns that try again from each character would take minutes: more than a test has."""
    text = unit * (20_000 // len(unit))
    for name in ("Structured Text", "VHDL", "Dart", "MATLAB"):
        language = measured(language_named(name), (text,))
        file_symbols(text, language)
        list(nodes(text, language))
