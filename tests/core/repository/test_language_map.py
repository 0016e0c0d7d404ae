"""What is code in a repository: by the user, by attributes, by names and texts, by other files."""

from pathlib import Path

import pytest

from budgetai_core.errors import OptionError
from budgetai_core.repository import sources
from budgetai_core.repository.language_map import declarations

ST = "FUNCTION_BLOCK Lamp\nVAR\n  on : BOOL;\nEND_VAR\n"


def languages(root: Path, files: dict[str, str], *declared: str) -> dict[str, str]:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    kept, _ = sources(root, declarations(declared))
    return {file.path: file.language.name for file in kept if file.language}


def test_names_and_texts(tmp_path: Path) -> None:
    files = {
        "a.sql": "select 1;\n", "tool": "#!/bin/sh\necho\n", "notes": "words\n", "a.st": ST,
        "b.st": "x\n", "data.json": "{}\n", "readme.md": "# a\n", "a.module": "words\n",
        "Makefile": "all:\n", "a.py": "x = 1\n",
    }  # fmt: skip
    # b.st says nothing: it is in what a.st is.
    assert languages(tmp_path, files) == {
        "Makefile": "Makefile", "a.py": "python", "a.sql": "SQL", "a.st": "Structured Text",
        "b.st": "Structured Text", "tool": "bash",
    }  # fmt: skip


def test_what_the_user_names(tmp_path: Path) -> None:
    files = {"a.zap": "x\n", "b.md": "# a\n", "Jobfile": "x\n", "c.st": ST, "d.py": "x = 1\n"}
    named = languages(tmp_path, files, "zap=Acme", "*.md=Markdown", "Jobfile=ruby", ".st=smalltalk")
    assert named == {
        "Jobfile": "ruby", "a.zap": "Acme", "b.md": "Markdown", "c.st": "Smalltalk",
        "d.py": "python",
    }  # fmt: skip


@pytest.mark.parametrize("option", ["st", "=SQL", "st=", "a/b=SQL"])
def test_a_declaration_that_makes_no_sense(option: str) -> None:
    with pytest.raises(OptionError, match=option):
        declarations([option])


def test_attributes(tmp_path: Path) -> None:
    files = {
        ".gitattributes": "*.st linguist-language=Structured-Text\n*.md linguist-detectable\n"
        "*.sql -linguist-detectable\n*.inc linguist-language=Pascal\n",
        "a.st": "x\n", "b.md": "# a\n", "c.sql": "select 1;\n", "d.inc": "x\n",
    }  # fmt: skip
    named = languages(tmp_path, files)
    assert named == {"a.st": "Structured Text", "b.md": "Markdown", "d.inc": "Pascal"}


def test_a_repository_mostly_in_a_language_that_nobody_knows(tmp_path: Path) -> None:
    own = {f"{name}.zapp": "rule a\n" for name in "abcd"}
    assert languages(tmp_path, own | {"build.sh": "make\n"}) == {
        "a.zapp": "zapp", "b.zapp": "zapp", "build.sh": "bash", "c.zapp": "zapp", "d.zapp": "zapp",
    }  # fmt: skip
    more = {f"{number}.py": "x = 1\n" for number in range(9)}
    assert "a.zapp" not in languages(tmp_path, more)
    pictures = {f"{number}.log": "x\n" for number in range(99)}
    assert not [path for path in languages(tmp_path, pictures) if path.endswith(".log")]


def test_rows_of_a_database_are_data(tmp_path: Path) -> None:
    row = "INSERT INTO lines (id, name) VALUES (1, 'bolt');\n"
    query = "SELECT id, name FROM lines WHERE id > 3;\n"
    files = {"dump.sql": row * 200, "seed.sql": row * 9, "query.sql": (row + query) * 100}
    assert languages(tmp_path, files) == {"query.sql": "SQL", "seed.sql": "SQL"}
