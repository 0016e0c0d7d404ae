"""The code in a file: a notebook's cells of code, and nothing else of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from budgetai_core.repository import sources
from budgetai_core.repository.source_text import SourceText, source_text


def notebook(*cells: object, **metadata: Any) -> bytes:
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4}).encode()


def code(source: str | list[str], **more: object) -> dict[str, object]:
    return {"cell_type": "code", "source": source, **more}


def test_cells_of_code_alone() -> None:
    data = notebook(
        {"cell_type": "markdown", "source": "# Sales"},
        code(["import math\n", "x = 1"], outputs=[{"text": "password = hunter2"}]),
        code("print(math.pi * x)\n"),
        code("  \n"),
    )
    text = "import math\nx = 1\n\nprint(math.pi * x)\n"
    assert source_text("a/b.ipynb", data) == SourceText(text, "", "Python")


def test_commands_to_the_notebook_are_not_code() -> None:
    data = notebook(
        code("%matplotlib inline\n!pip install x\nx = 10 % 3\nprint?\ny = x"),
        code("%%bash\nls"),
        code("?print\n"),
    )
    assert source_text("b.IPYNB", data).text == "x = 10 % 3\ny = x\n"


@pytest.mark.parametrize(
    "cell",
    [
        "msg = ('hello %s'\n       % name)",
        "s = '''Are you sure?\n%d items\nyes'''",
        "# really?\nx = 1",
    ],
)
def test_what_python_reads_is_no_command(cell: str) -> None:
    assert source_text("b.ipynb", notebook(code(cell))).text == cell + "\n"


def test_commands_go_with_what_is_joined_to_them() -> None:
    cell = "!curl -H \\\n  'A: b' x\nfiles = !ls\nprint??\n%load_ext a \\\n  b\nx = 1\n"
    assert source_text("b.ipynb", notebook(code(cell))).text == "x = 1\n"


@pytest.mark.parametrize("cell", ["def empty?\n  !full? ||\n  %w[a]\nend", "%% comment\nx = 1;"])
def test_only_ipython_has_such_commands(cell: str) -> None:
    data = notebook(code(cell), language_info={"name": "ruby"})
    assert source_text("b.ipynb", data).text == cell + "\n"


def test_many_empty_lines_are_read_at_once() -> None:
    """Backtracking over them took minutes."""
    cell = "x = (\n" + "\n" * 200_000 + "y = 2\n"
    assert source_text("b.ipynb", notebook(code(cell))).text == cell


def test_half_characters_and_zeros() -> None:
    data = notebook(code("s = 'PLACE lone'"))
    half = source_text("b.ipynb", data.replace(b"PLACE", b"\\ud800"))
    assert half.text == "s = '? lone'\n"
    zero = source_text("b.ipynb", data.replace(b"PLACE", b"\\u0000"))
    assert zero == SourceText("", "binary")


@pytest.mark.parametrize(
    ("metadata", "language"),
    [
        ({"language_info": {"name": "R"}, "kernelspec": {"language": "python"}}, "R"),
        ({"kernelspec": {"language": "julia"}}, "julia"),
        ({"kernelspec": None, "language_info": []}, "Python"),
    ],
)
def test_the_language_is_the_kernels(metadata: dict[str, Any], language: str) -> None:
    assert source_text("b.ipynb", notebook(code("x"), **metadata)).language == language


def test_before_version_4() -> None:
    cells = [{"cell_type": "code", "input": ["x = 1\n"]}, {"cell_type": "heading", "source": "H"}]
    data = json.dumps({"worksheets": [{"cells": cells}], "nbformat": 3}).encode()
    assert source_text("b.ipynb", data).text == "x = 1\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "not a notebook"),
        (b"[" * 100_000, "not a notebook"),
        (b"[1]", "a notebook without code"),
        (b'{"cells": [1, {"cell_type": "code", "source": 2}, null]}', "a notebook without code"),
        (b'{"cells": {"a": 1}, "worksheets": [[]]}', "a notebook without code"),
        (b"", "empty"),
        (b"\0", "binary"),
    ],
)
def test_broken_notebooks_are_left_out(data: bytes, reason: str) -> None:
    assert source_text("b.ipynb", data) == SourceText("", reason)


def test_other_files_are_their_text() -> None:
    assert source_text("b.py", b"{\r\n}") == SourceText("{\n}")


def test_in_a_repository(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_bytes(notebook(code("x = 1"), kernelspec={"language": "python"}))
    (tmp_path / "r.ipynb").write_bytes(notebook(code("x <- 1"), kernelspec={"language": "R"}))
    (tmp_path / "empty.ipynb").write_bytes(notebook())
    kept, decisions = sources(tmp_path)
    assert [(f.path, f.text, f.language and f.language.name) for f in kept] == [
        ("a.ipynb", "x = 1\n", "python"),
        ("r.ipynb", "x <- 1\n", "R"),
    ]
    assert {d.path: d.reason for d in decisions if d.reason} == {
        "empty.ipynb": "a notebook without code"
    }
