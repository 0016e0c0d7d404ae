"""A sentence is not code, and code is not a sentence."""

import pytest

from budgetai_core.context.languages import language_of
from budgetai_core.docstrings.body import is_code

CODE = {
    "a.py": [
        "import os", "from __future__ import annotations", "def names():", "def names(path)",
        "async def read(path):", "class Names(Base):", "class Names:", "return value",
        "return [line for line in file]", "names = []", "total += 1", "names()", "a.names(x, y)",
        "if not names:", "for name in names:", "with open(path) as file:", "raise ValueError(x)",
        "x: int = 1", "while True:",
    ],
    "a.ts": [
        "import { a } from 'b'", "function names(path)", "function names() {", "const a = 1;",
        "export function take(name: string): number {", "return value;", "take(x);", "if (x) {",
        "export default names", "interface A {", "class A extends B {", "a.b = c", "throw error;",
    ],
    "a.go": ["package shelf", "func Take(name string) int {", "func (s *Shelf) Take()", "x := 1",
             'import "fmt"', "fmt.Println(x)", "return nil, err"],
    "a.rs": ["use std::io;", "fn take(name: &str) -> i32 {", "pub fn take()", "let x = 1;",
             "struct A {", "self.take(x);", 'panic!("x")'],
    "A.java": ["import a.B;", "public int take(String name) {", "int take()", "return x;",
               "class A extends B {", "take(x);", "int x = 1;"],
}  # fmt: skip
SENTENCES = [
    "Names", "names", "Return the names of a file", "Read names from a file.", "name or path",
    "Returns x (if any)", "Imports what is there", "import of a module",
    "from the first to the last",
    "class of the model to load", "def of a name", "The path: where it is", "path: where it is",
    "a - b", "not empty", "if it is empty", "Whether x is y", "whether to return the names",
    "for each name in the file", "return value, if any", "Takes (all) of them", "Adds (things)",
    "with the names of all", "function to call", "function that is called (once)",
    "use it with care",
    "Export names as a list", "package of names", "value in list", "async work", "let it be",
    "Calls names() for each.", "Set to 1", "type of value (str)", "public API (stable)",
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "line"), [(p, line) for p, lines in CODE.items() for line in lines]
)
def test_code_is_no_sentence(path: str, line: str) -> None:
    language = language_of(path)
    assert language
    assert is_code(line, language)


@pytest.mark.parametrize("path", CODE)
def test_a_sentence_is_no_code(path: str) -> None:
    language = language_of(path)
    assert language
    assert [line for line in SENTENCES if is_code(line, language)] == []
