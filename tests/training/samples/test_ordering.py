"""Imported files come before those that import them."""

import random

from budgetai_core.context.index import Index
from budgetai_training.corpus.records import CorpusFile
from budgetai_training.hyperparameters.mixture import Mixture
from budgetai_training.samples.epoch import epoch
from budgetai_training.samples.ordering import BAND, banded, by_dependency, import_graph


def tree(**texts: str) -> list[CorpusFile]:
    return [CorpusFile("r", path, text) for path, text in texts.items()]


def test_the_graph_of_a_repository() -> None:
    files = tree(**{"cmd/a.go": 'package a\nimport "x.org/m/in/b"\n', "in/b/b.go": "package b\n"})
    graph = import_graph(files)
    assert graph["cmd/a.go"] == ["in/b/"]
    assert graph["in/b/"] == ["in/b/b.go"]


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
    in_order = banded(items, random.Random(0))
    assert sorted(in_order) == items != in_order
    place = {item: n for n, item in enumerate(in_order)}
    width = int(BAND * len(items))
    assert all(place[item] < place[item + width] for item in items[:-width])


def test_a_pass_in_order_of_dependency() -> None:
    body = "".join(f"value_{n} = {n}\n" for n in range(2000))
    files = tree(**{"a.py": "import z\n" + body, "m.py": "import z\n" + body, "z.py": body})
    index = {"r": Index((f.path, f.text) for f in files)}
    in_order = epoch(files, index, "0", Mixture(order="dependency", before=400))
    assert {s.file.path for s in in_order[: len(in_order) // 8]} == {"z.py"}
    assert {s.file.path for s in in_order[-len(in_order) // 8 :]} == {"m.py"}
