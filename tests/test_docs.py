"""The README says what the code does: option tables, commands, file tree, languages.

Run as a program, it writes the option tables into the README.
"""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from budgetai_convert.options import ConvertOptions
from budgetai_core.context.languages import LANGUAGES
from budgetai_core.options import markdown_table
from budgetai_server.docstrings.options import DocstringOptions
from budgetai_server.evaluation.options import EvalOptions
from budgetai_server.options import ServerOptions
from budgetai_training.options import TrainOptions

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
TABLES = {
    "train": TrainOptions,
    "convert": ConvertOptions,
    "server": ServerOptions,
    "eval": EvalOptions,
    "docstring": DocstringOptions,
}


def with_tables(text: str) -> str:
    for name, options in TABLES.items():
        block = f"<!-- options: {name} -->\n{markdown_table(options)}\n<!-- end -->"
        pattern = rf"<!-- options: {name} -->\n.*?<!-- end -->"
        text, count = re.subn(pattern, lambda _, block=block: block, text, flags=re.DOTALL)
        assert count == 1, name
    return text


def test_the_option_tables_are_those_of_the_code() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run python tests/test_docs.py"


@pytest.mark.parametrize("options", TABLES.values())
def test_every_option_has_help(options: type) -> None:
    for field in options.__dataclass_fields__.values():
        assert len(field.metadata["help"]) > 10, field.name


def test_the_commands_are_those_that_are_installed() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    text = README.read_text(encoding="utf-8")
    for name in scripts:
        assert f"### {name}" in text


def test_the_tree_names_every_module() -> None:
    text = README.read_text(encoding="utf-8")
    tree = text.partition("## What is where")[2].partition("## Invariants")[0]
    named = set(re.findall(r"\w+", tree))
    small = {"__init__", "__main__", "cli", "eval_cli", "eval_options", "options", "progress"}
    for folder in (
        "server/budgetai_server",
        "training/budgetai_training",
        "convert/budgetai_convert",
    ):
        for file in (ROOT / folder).rglob("*.py"):
            assert file.stem in named | small, file


def test_the_languages_are_named() -> None:
    text = README.read_text(encoding="utf-8").lower()
    names = {"cpp": "c++", "csharp": "c#"}
    for language in LANGUAGES:
        assert names.get(language.name, language.name) in text, language.name


def test_links_lead_somewhere() -> None:
    for page in ROOT.glob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), (page, target)


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0)
