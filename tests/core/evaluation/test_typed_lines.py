"""Lines as they were typed: earlier hunks in, later ones not, the old text behind the cursor."""

import random

from budgetai_core.evaluation.typed_lines import choose, reformats, typed_lines
from budgetai_core.repository.commits import FileChange

OLD = """import os


def first(path):
    return os.stat(path)


def second(path):
    data = open(path).read()
    return data.strip()
"""
NEW = """import os
import sys


def first(path):
    return os.stat(path)


def second(path, encoding):
    with open(path, encoding=encoding) as file:
        text = file.read()
    return text.strip()
"""


def test_each_line_stands_in_the_file_as_it_was_when_it_was_typed() -> None:
    lines = list(typed_lines(FileChange("a.py", OLD, NEW)))
    assert [line.expected for line in lines] == [
        "import sys",
        "def second(path, encoding):",
        "with open(path, encoding=encoding) as file:",
        "text = file.read()",
        "return text.strip()",
    ]
    imported, header, opened, read, returned = lines
    # The later hunk is not in yet.
    assert imported.before + imported.after == "import os\n" + OLD.removeprefix("import os")
    # The earlier hunk is in; what its own hunk removes is gone with its first line.
    assert header.before.startswith("import os\nimport sys\n")
    assert "data" not in header.before + header.after
    assert opened.before.endswith("def second(path, encoding):\n    ")
    assert read.before.endswith(" as file:\n        ")
    assert returned.before.endswith("file.read()\n    ")
    assert returned.after == "\n"
    assert not any(line.new_file for line in lines)


def test_every_line_brings_the_file_from_the_old_text_to_the_new_one() -> None:
    rng = random.Random(0)
    for _ in range(200):
        old = [f"value_{rng.randrange(30)} = {rng.randrange(9)}" for _ in range(rng.randrange(20))]
        new = list(old)
        for _ in range(rng.randrange(6)):
            place = rng.randrange(len(new) + 1)
            new[place : place + rng.randrange(3)] = [f"fresh_{rng.randrange(99)} = call()"]
        before, after = "\n".join(old), "\n".join(new)
        for line in typed_lines(FileChange("a.py", before, after)):
            assert (line.before + line.expected).split("\n") == new[: line.before.count("\n") + 1]
            behind = line.after.removeprefix("\n")
            assert before.endswith(behind)
            assert line.snapshot("r", 3).cursor == len(line.before) + 3


def test_a_moved_line_is_not_typed() -> None:
    moved = FileChange(
        "a.py", "value = call(1)\nother = call(2)\n", "other = call(2)\nvalue = call(1)\n"
    )
    assert list(typed_lines(moved)) == []


def test_a_new_file_is_typed_from_nothing() -> None:
    (first, second) = typed_lines(FileChange("a.py", None, "value = call(1)\nother = call(2)\n"))
    assert (first.before, first.after, first.new_file) == ("", "", True)
    assert (second.before, second.expected) == ("value = call(1)\n", "other = call(2)")


def test_a_commit_that_only_reformats_is_told() -> None:
    quotes = FileChange("a.py", "call('a',\n     'b')\n", 'call(\n    "a",\n    "b",\n)\n')
    assert reformats([quotes])
    assert not reformats([quotes, FileChange("b.py", OLD, NEW)])
    assert not reformats([FileChange("c.py", None, NEW)])
    assert not reformats([])


def test_the_choice_is_even_and_repeats() -> None:
    lines = list(typed_lines(FileChange("a.py", OLD, NEW)))
    assert choose(lines, 9, "0") == lines
    chosen = choose(lines, 2, "0")
    assert len(chosen) == 2
    assert chosen == choose(lines, 2, "0")
    assert {line.expected for seed in range(40) for line in choose(lines, 2, str(seed))} == {
        line.expected for line in lines
    }
