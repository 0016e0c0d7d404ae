"""Imported files come before those that import them."""

import random

import pytest

from budgetai_server.context.index import Index
from budgetai_training.corpus.files import CorpusFile
from budgetai_training.samples.imports import import_graph
from budgetai_training.samples.order import BAND, banded, by_dependency
from budgetai_training.samples.passes import one_pass
from budgetai_training.samples.recipe import Recipe


def tree(**texts: str) -> list[CorpusFile]:
    return [CorpusFile("r", path, text) for path, text in texts.items()]


CASES = [
    ("app/a.py", "import lib.b\n", "lib/b.py"),
    ("src/p/a.py", "from p.q import b\n", "src/p/q/b.py"),
    ("src/p/a.py", "from p.q import (  # the rest\n    b, c)\n", "src/p/q/b.py"),
    ("p/a.py", "from .b import thing as other\n", "p/b.py"),
    ("p/q/a.py", "from ..b import thing\n", "p/b.py"),
    ("p/q/a.py", "from . import b\n", "p/q/b.py"),
    ("p/a.py", "from p import thing\n", "p/__init__.py"),
    ("v1.2/a.py", "from .b import c\n", "v1.2/b.py"),
    ("web/a.ts", "import { x } from './b'\n", "web/b.ts"),
    ("web/a.ts", 'export * from "../lib/b.js"\n', "lib/b.ts"),
    ("web/a.jsx", "const b = require('./b')\n", "web/b/index.js"),
    ("cmd/a.go", 'package main\nimport (\n\t"fmt"\n\t"x.org/m/in/b"\n)\n', "in/b/"),
    ("s/A.java", "import org.x.B;\n", "s/org/x/B.java"),
    ("s/A.java", "import static org.x.B.member;\n", "s/org/x/B.java"),
    ("s/A.java", "import org.x.*;\n", "s/org/x/"),
    ("src/lib.rs", "mod b;\n", "src/b.rs"),
    ("src/a.rs", "use crate::b::inner::Thing;\n", "src/b/mod.rs"),
    ("src/c/a.rs", "use super::b::Thing;\n", "src/c/b.rs"),
    ("src/a.c", '#include "b.h"\n', "src/b.h"),
    ("src/a.cpp", '#include "x/b.hpp"\n', "include/x/b.hpp"),
]


@pytest.mark.parametrize(("path", "text", "target"), CASES)
def test_an_import_names_a_file(path: str, text: str, target: str) -> None:
    file = f"{target}b.{path.rpartition('.')[2]}" if target.endswith("/") else target
    assert import_graph(tree(**{path: text, file: ""}))[path] == [target]


def test_a_module_of_a_package_is_not_the_standard_librarys() -> None:
    files = tree(**{"p/__init__.py": "", "p/json.py": "", "p/a.py": "import json\nimport re\n"})
    assert import_graph(files)["p/a.py"] == []


def test_imports_inside_functions_are_no_dependency() -> None:
    assert import_graph(tree(**{"a.py": "def f():\n    import b\n", "b.py": ""}))["a.py"] == []


def test_dependencies_come_first_and_cycles_end() -> None:
    files = tree(**{
        "a.py": "import b\nimport c\n",
        "b.py": "import c\n",
        "c.py": "import d\n",
        "d.py": "import b\n",
        "main.go": 'package main\nimport "m/z"\n',
        "z/one.go": "package z\n",
        "z/two.go": "package z\n",
    })  # fmt: skip
    ordered = [file.path for file in by_dependency(files)]
    assert ordered == ["d.py", "c.py", "b.py", "a.py", "z/one.go", "z/two.go", "main.go"]
    assert [file.path for file in by_dependency(files[::-1])] == ordered


def test_a_long_chain_needs_no_recursion() -> None:
    files = [CorpusFile("r", f"m{n}.py", f"import m{n + 1}\n") for n in range(3000)]
    assert [file.path for file in by_dependency(files)] == [f"m{n}.py" for n in range(2999, -1, -1)]


def test_a_band_shuffles_near_by_only() -> None:
    items = list(range(1000))
    found = banded(items, random.Random(0))
    assert sorted(found) == items != found
    place = {item: n for n, item in enumerate(found)}
    width = int(BAND * len(items))
    assert all(place[item] < place[item + width] for item in items[:-width])


def test_a_pass_in_order_of_dependency() -> None:
    body = "".join(f"value_{n} = {n}\n" for n in range(2000))
    files = tree(**{"a.py": "import z\n" + body, "m.py": "import z\n" + body, "z.py": body})
    index = {"r": Index((f.path, f.text) for f in files)}
    found = one_pass(files, index, "0", Recipe(order="dependency", before=400))
    assert {s.file.path for s in found[: len(found) // 8]} == {"z.py"}
    assert {s.file.path for s in found[-len(found) // 8 :]} == {"m.py"}
